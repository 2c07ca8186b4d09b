"""What is installed of extensions, and whether it can be used."""

from collections.abc import Callable, Mapping
from typing import Final

import polars as pl

from zcanalysis.cpu.stage_maps import read_stage_map
from zcanalysis.errors import ExtensionError
from zcanalysis.extensions import Extension, Group, installed
from zcanalysis.io.readers import read_reader
from zcanalysis.patches.extended import added_entry
from zcanalysis.tables import EXTENSIONS, conform, polars_schema

CHECKS: Final[Mapping[Group, Callable[[Extension], object]]] = {
    "patches": added_entry,
    "stage_maps": read_stage_map,
    "readers": read_reader,
}


def installed_extensions() -> pl.DataFrame:
    """The EXTENSIONS table: what other distributions add, each imported and checked; see `zcanalysis.extensions`.

    Examples
    --------
    >>> installed_extensions().columns
    ['group', 'name', 'distribution', 'version', 'object', 'state']
    """
    rows = [
        (*one[:4], one.point.value, _state(one, check)) for group, check in CHECKS.items() for one in installed(group)
    ]
    return conform(pl.DataFrame(rows, schema=polars_schema(EXTENSIONS), orient="row"), EXTENSIONS)


def _state(extension: Extension, check: Callable[[Extension], object]) -> str:
    try:
        check(extension)
    except ExtensionError as error:
        return str(error).removeprefix(f"{extension}: ")
    return "ok"
