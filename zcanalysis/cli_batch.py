"""`zcanalysis batch`: many recordings and captures to one dataset and one page."""

from pathlib import Path
from typing import Annotated

import typer

from zcanalysis.cli_parts import Json, check_link, print_json, print_line, progress
from zcanalysis.errors import ZcError
from zcanalysis.output import printable


def batch(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the dataset; made, or continued.")],
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Recordings, captures, perf traces, folders of them, or patterns.")
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option("--manifest", help="A file that lists more paths, one a line, relative to it.")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", help="Address of a Dask scheduler, tcp://HOST:PORT; or local: all CPUs here."),
    ] = None,
    part_mb: Annotated[
        int | None,
        typer.Option(
            "--part-mb", min=64, help="With --scheduler: several workers decode a capture, in parts of so many MB."
        ),
    ] = None,
    link_gbps: Annotated[
        float | None, typer.Option("--link-gbps", help="Rate of the link of all of them, in Gbit/s.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Analyse many recordings into parquet tables and one page; go on where an earlier run stopped."""
    from zcanalysis.fleet.running import batch as run
    from zcanalysis.fleet.running import batch_document
    from zcanalysis.fleet.sources import manifest as listed

    every = [*(paths or ()), *(listed(manifest) if manifest else ())]
    if not every:
        raise ZcError("batch needs paths, or a manifest that lists some")
    check_link(link_gbps)
    if part_mb and scheduler is None:
        raise ZcError("--part-mb is for --scheduler: one process reads a capture in one piece")
    with progress() as on_step:
        made = run(
            every,
            output,
            scheduler=scheduler,
            link_gbps=link_gbps,
            on_progress=lambda now: on_step(now.words()),
            part_bytes=part_mb * 1_000_000 if part_mb else None,
        )
    page = printable(str(output / made.page.name))
    if as_json:
        print_json(batch_document(made))
    else:
        print_line(f"{page}: {made.progress.words()}")
    if made.progress.failed:
        failed = f"{made.progress.failed:,} source{'s' * (made.progress.failed > 1)}"
        raise ZcError(f"{failed} could not be analysed; {page} says why")
