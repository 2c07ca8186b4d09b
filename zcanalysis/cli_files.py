"""`convert` and `export`: what other programs read."""

from pathlib import Path
from typing import Annotated

import typer

from zcanalysis.cli_parts import Anything, Perf, print_line, progress
from zcanalysis.errors import ZcError
from zcanalysis.output import printable
from zcanalysis.shipped import here_or_shipped


def convert(
    source: Annotated[Path, typer.Argument(parser=here_or_shipped, help="A capture or a perf trace.")],
    target: Annotated[Path, typer.Argument(help="The file to write: parquet, or CSV where it is named .csv.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.")] = False,
) -> None:
    """Write a capture's packets, or a perf trace's samples, as parquet or CSV."""
    from zcanalysis.io.exports import convert as convert_to

    with progress() as on_step:
        on_step("converting")
        done = convert_to(source, target, overwrite=overwrite)
    damage = f"; {done.damaged:,} damaged: {printable(str(done.first_damage))}" if done.damaged else ""
    print_line(f"{printable(str(target))}: {done.rows:,} {done.kind}{damage}")


def export(
    recording: Anything,
    form: Annotated[str, typer.Option("--format", help="perfetto, folded or speedscope.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write.")],
    perf: Perf = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.")] = False,
) -> None:
    """Write a recording for the Perfetto UI, for flame graph programs, or for speedscope."""
    from zcanalysis.exporting import FORMATS
    from zcanalysis.exporting import export as export_to
    from zcanalysis.io.recording import read_recording

    if form not in FORMATS:
        raise ZcError(f"--format must be {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, got {form!r}")
    with progress() as on_step:
        on_step("exporting")
        done = export_to(read_recording(recording, perf), form, output, overwrite=overwrite)
    left = f"; without {printable(done.left_out)}" if done.left_out else ""
    print_line(f"{printable(str(output))}: {done.number:,} {done.what}{left}")
