"""Kernel functions that our own table does not know, or knows otherwise, as other distributions bring them.

A stage map is for a vendor's kernel or a driver out of tree. What it says of a function goes before our own table; of
two maps the first by name. The audit says how many functions each of them named.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from zcanalysis.cpu.kernel_stages import STAGES, Functions, Generation, kernel_functions
from zcanalysis.errors import ExtensionError
from zcanalysis.extensions import Extension, loaded, usable


class StageMap(NamedTuple):
    """Functions of some kernel, each with its stage."""

    stages: Mapping[str, str]
    """Function, without what compiler and linker add to its name, to one of `STAGES`."""
    kernel: str = ""
    """A regular expression for the release that a recording names, at its beginning; empty: any, and where it names
    none."""
    generation: Generation = "linux-6"


@cache
def stage_maps() -> tuple[tuple[Extension, StageMap], ...]:
    """All that can be used, by name."""
    return tuple(usable("stage_maps", read_stage_map))


def read_stage_map(extension: Extension) -> StageMap:
    """The map of an extension.

    Parameters
    ----------
    extension
        Which one.

    Raises
    ------
    ExtensionError
        If it cannot be used.
    """
    found = loaded(extension, StageMap)
    if not isinstance(found.stages, Mapping) or found.generation not in ("linux-6", "linux-2.4"):
        raise ExtensionError(f"{extension}: stages must be a mapping, and generation linux-6 or linux-2.4")
    for function, stage in found.stages.items():
        if not isinstance(function, str) or not isinstance(stage, str) or stage not in STAGES:
            raise ExtensionError(f"{extension}: there is no stage {str(stage)[:40]!r} (of {str(function)[:40]!r})")
    try:
        re.compile(found.kernel)
    except (TypeError, re.error) as error:
        raise ExtensionError(f"{extension}: kernel must be a regular expression: {error}") from error
    return found._replace(stages=dict(found.stages))


@cache
def named_by(generation: Generation, kernel: str | None) -> Mapping[str, tuple[str, Extension]]:
    """Stage of each function that a map names, and whose map that is.

    Parameters
    ----------
    generation
        Of the recorded kernel.
    kernel
        Its release; None where nothing says it.
    """
    named: dict[str, tuple[str, Extension]] = {}
    for extension, found in stage_maps():
        fits = not found.kernel or (kernel is not None and re.match(found.kernel, kernel) is not None)
        if fits and found.generation == generation:
            named = {function: (stage, extension) for function, stage in found.stages.items()} | named
    return named


@cache
def known_functions(generation: Generation, kernel: str | None) -> Functions:
    """Our own table with the maps that are for this kernel.

    Parameters
    ----------
    generation, kernel
        As for `named_by`.
    """
    ours, named = kernel_functions(generation), named_by(generation, kernel)
    stages = {function: stage for function, (stage, _) in named.items()}
    return Functions({**ours.stage, **stages}, ours.primitives - stages.keys()) if stages else ours
