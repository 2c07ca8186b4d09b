"""The command `zcanalysis notebook`: JupyterLab on copies of the notebooks, with the recordings they read."""

from pathlib import Path
from typing import Annotated, Final

import typer

from zcanalysis.cli_parts import print_line
from zcanalysis.output import printable

FOLDER: Final = Path("zcanalysis-notebooks")
KEPT_SHOWN: Final = 5


def notebook(
    name: Annotated[str | None, typer.Argument(help="The one to open first; a part of its name will do.")] = None,
    folder: Annotated[
        Path, typer.Option("-o", "--output", help="Folder of the copies; yours in it are never overwritten.")
    ] = FOLDER,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Else 8888, or the next that is free.")] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser.")] = True,
    listed: Annotated[
        bool, typer.Option("--list", help="List the notebooks and what each asks; start nothing.")
    ] = False,
) -> None:
    """Open JupyterLab on copies of the notebooks and the sample recordings, for this machine alone."""
    from zcanalysis.jupyter import check_jupyter, serve
    from zcanalysis.notebook_copies import copy_notebooks, named_notebook, notebook_questions

    if listed:
        from zcanalysis.terminal import print_cases

        print_cases(notebook_questions())
        return
    opened = "" if name is None else f"notebooks/{named_notebook(name)}.ipynb"
    check_jupyter(port)
    copied = copy_notebooks(folder)
    _print_copied(copied.folder, len(copied.new), copied.kept)
    serve(folder, opened, port, browser=browser, on_ready=_print_address)


def _print_copied(folder: Path, new: int, kept: tuple[Path, ...]) -> None:
    print_line(f"folder     {printable(str(folder))}: {new} notebooks copied")
    for path in kept[:KEPT_SHOWN]:
        print_line(f"kept       {printable(str(path))} (differs from the shipped one; rename it for a fresh copy)")
    if len(kept) > KEPT_SHOWN:
        print_line(f"kept       {len(kept) - KEPT_SHOWN} more")


def _print_address(address: str) -> None:
    print_line(f"open       {address}")
    print_line("stop       Ctrl-C; save before")
