"""The two uses of `lab validate`: to foretell and measure, and to show again what was measured."""

import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from zcanalysis.errors import HostError, TraceError
from zcanalysis.io.json_file import read_json
from zcanalysis.lab.calibrating import calibrated_machine, known_machine
from zcanalysis.lab.draw import DEVELOPMENT, Case, cases_of, development_set, draw
from zcanalysis.lab.one_case import Done
from zcanalysis.lab.validation import RESULT, Failure, ValidationOptions, validate
from zcanalysis.lab.validation_document import calibrated_document, keys_of, validation_table
from zcanalysis.lab.validation_text import CALIBRATED, case_line, left_text, shown_table, summary
from zcanalysis.output import printable, write
from zcanalysis.own_code import VERSION
from zcanalysis.prices.machine import MachinePrices

DRAWN: Final = 24
GIT_SECONDS: Final = 10.0


class Seed(NamedTuple):
    """What cases are drawn by, and where that comes from."""

    text: str
    origin: str


def default_seed() -> Seed:
    """The commit of this very code; of an installed copy its version."""
    here = Path(__file__).resolve().parent
    commit = _git(here, "rev-parse", "HEAD")
    if commit is None or _git(here, "ls-files", "--error-unmatch", Path(__file__).name) is None:
        return Seed(f"zcanalysis-{VERSION}", "the version of this code, which stands in no git tree")
    changed = _git(here, "status", "--porcelain", "--untracked-files=no", ".")
    return Seed(commit, "the commit of this code" + (", which was changed since" if changed else ""))


def _git(place: Path, *arguments: str) -> str | None:
    """What git says; None where it fails."""
    try:
        done = subprocess.run(
            ["git", "-C", str(place), *arguments],
            capture_output=True, text=True, timeout=GIT_SECONDS, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def drawn_cases(count: int, seed: str, without: Sequence[Path] = ()) -> tuple[Case, ...]:
    """Cases of that seed; a final set holds none of the development set.

    Parameters
    ----------
    count
        How many.
    seed
        A development set's begins with `development-`.
    without
        Folders of validations whose cases must not be drawn again.

    Raises
    ------
    HostError
        If so many are not to be had.
    TraceError
        If a folder holds no validation.
    """
    known = set() if seed.startswith(DEVELOPMENT) else {case.key for case in development_set()}
    known.update(key for folder in without for key in keys_of(finished(folder)))
    try:
        return draw(seed, count, without=known)
    except ValueError as error:
        raise HostError(str(error)) from error


def picked_cases(scenario: str, patches: Sequence[str]) -> tuple[Case, ...]:
    """Cases that somebody names.

    Parameters
    ----------
    scenario
        Name of the hosts without patches.
    patches
        One text a case, patches that act together joined by `+`.

    Raises
    ------
    HostError
        If there is no such scenario, or the lab cannot apply a patch.
    """
    return cases_of(scenario, tuple(dict.fromkeys(patches)))


def machine_of(
    file: Path | None, cases: Sequence[Case], on_progress: Callable[[str, float], None], *, measured: bool
) -> MachinePrices | None:
    """Prices of this machine, to foretell with as well; says on standard error which. None where there are none.

    Parameters
    ----------
    file
        Where they are; None: where `lab calibrate` keeps them.
    cases
        What will be foretold.
    on_progress
        Told what happens and the share that is done (0 to 1).
    measured
        Whether they are measured first, for the MTUs of the cases, where they are not there.

    Raises
    ------
    HostError
        If they cannot be measured, or are another machine's.
    TraceError
        If the file holds none.
    """
    mtus = sorted({case.configuration.mtu for case in cases})
    found = calibrated_machine(file, mtus, on_progress=on_progress) if measured else known_machine(file)
    if found is None:
        return None
    machine, place = found
    sys.stderr.write(f"foretold twice, also with prices of this machine: {printable(str(place))}\n")
    return machine


def carried_out(directory: Path, options: ValidationOptions) -> dict[str, Any]:
    """Foretell and measure, with a line for each case that is over; the document.

    Parameters
    ----------
    directory, options
        As `zcanalysis.lab.validation.validate` takes them.
    """

    def tell(over: Done | Failure, tried: int, left_seconds: float) -> None:
        if isinstance(over, Done):
            said = case_line(over.outcome, over.calibrated)
        else:
            said = f"{over.case.name}: failed: {over.why}"
        left = f"; {left_text(left_seconds)}" if tried < len(options.cases) else ""
        sys.stderr.write(f"{tried} of {len(options.cases)}, {printable(said)}{left}\n")

    try:
        validate(directory, replace(options, on_case=tell))
    except KeyboardInterrupt:
        if (directory / RESULT).exists():
            done = len(finished(directory)["cases"])
            again = shlex.join(["zcanalysis", "lab", "show", str(directory)])
            said = f"zcanalysis: {done} of {len(options.cases)} cases are done; see them: {again}"
            sys.stderr.write(f"{printable(said)}\n")
        raise
    return finished(directory)


def finished(folder: Path) -> dict[str, Any]:
    """The document of a validation, also of one that was interrupted.

    Parameters
    ----------
    folder
        What `validate` wrote, or its validation.json.

    Raises
    ------
    TraceError
        If there is none, or it is damaged.
    """
    file = folder / RESULT if folder.is_dir() else folder
    if not file.exists():
        raise TraceError(f"{folder}: holds no {RESULT}; make one with: zcanalysis lab validate -o {folder}")
    document = read_json(file)
    if not {"asked", "figures", "cases", "failures"} <= document.keys():
        raise TraceError(f"{file}: is no validation")
    return document


def show(document: Mapping[str, Any]) -> None:
    """Print the table, worst misses first, and the figures.

    Parameters
    ----------
    document
        Of a validation.
    """
    from zcanalysis.terminal import print_table

    table = validation_table(document)
    if not table.is_empty():
        print_table(shown_table(table))
    if (other := calibrated_document(document)) is not None:
        write(f"\n{CALIBRATED}:\n")
        print_table(shown_table(validation_table(other)))
    write("".join(f"{printable(line)}\n" for line in summary(document)))


def write_page(document: Mapping[str, Any], file: Path) -> None:
    """Write the validation as one HTML page that works offline.

    Parameters
    ----------
    document
        Of a validation.
    file
        Where.

    Raises
    ------
    TraceError
        If the file cannot be written.
    """
    from zcanalysis.pages import write_text
    from zcanalysis.validation_page import validation_html

    write_text(file, validation_html(document))
