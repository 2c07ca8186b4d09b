"""What commands have in common: options that mean the same in each, the line of progress, the ways to answer."""

import json
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zcanalysis.errors import ZcError
from zcanalysis.output import printable, write
from zcanalysis.shipped import here_or_shipped

if TYPE_CHECKING:
    import polars as pl

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Hz = Annotated[
    int,
    typer.Option("--sampling-hz", min=1, max=20_000, help="CPU samples a second on each CPU; best a prime."),
]
Capture = Annotated[bool, typer.Option("--capture/--no-capture", help="End with a capture of 0.15 s.")]
Trace = Annotated[
    bool,
    typer.Option("--trace", help="End with tracepoints, 0.5 s of batches and 0.2 s of packets; they price nothing."),
]

Anything = Annotated[
    Path,
    typer.Argument(
        parser=here_or_shipped,
        help="A recording folder, a capture, or a perf trace; or the name of a shipped recording, as veth-1500.",
    ),
]
Folder = Annotated[
    Path,
    typer.Argument(parser=here_or_shipped, help="A recording folder, or the name of a shipped one, as veth-1500."),
]
Perf = Annotated[Path | None, typer.Option(help="perf script text or perf.data to use beside the capture.")]
Link = Annotated[
    float | None,
    typer.Option("--link-gbps", help="Rate of the link, in Gbit/s: the ceiling to compare with."),
]

Calibrated = Annotated[
    bool, typer.Option("--calibrated", help="Use what lab calibrate kept of the recording's machine.")
]
CalibrationFile = Annotated[
    Path | None, typer.Option("--calibration", help="The same from a file that lab calibrate -o wrote.")
]


def check_link(link_gbps: float | None) -> None:
    """Raise a `ZcError` where a link's rate is none."""
    if link_gbps is not None and not 0 < link_gbps < float("inf"):
        raise ZcError(f"--link-gbps must be above 0, got {link_gbps}")


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """A progress line on standard error after one second; none where that is no terminal."""
    if not sys.stderr.isatty():
        yield lambda step: None
        return
    from zcanalysis.terminal import progress as shown

    with shown() as on_step:
        yield on_step


def print_written(recording: Path) -> None:
    """Where a recording lies, and the command that comes next."""
    again = printable(shlex.join(["zcanalysis", "report", str(recording)]))
    print_line(f"recording written to {printable(str(recording))}; next: {again}")


def print_json(document: Any) -> None:  # noqa: ANN401 - any JSON document
    """The whole answer as one document."""
    print_line(json.dumps(document, indent=1, allow_nan=False, ensure_ascii=True))


def complain(message: str) -> None:
    """One line on standard error."""
    line = " ".join(printable(message, keep="\n").split())
    sys.stderr.write(f"zcanalysis: {line}\n")


def print_line(text: str) -> None:
    """One line on standard output."""
    write(f"{text}\n")


def print_table(named: "dict[str, pl.DataFrame]", *, as_json: bool, csv: bool = False) -> None:
    """One table by its name, as a document, as comma-separated values, or as people read it."""
    from zcanalysis.terminal import print_table as shown

    ((name, table),) = named.items()
    if as_json:
        print_json({name: table.to_dicts()})
    elif csv:
        write(table.write_csv())
    else:
        shown(table)
