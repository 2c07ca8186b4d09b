"""`zcanalysis compare`: what differs between two sets of recordings, for people and for CI."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand

from zcanalysis.cli_parts import Json, print_json, progress
from zcanalysis.errors import ZcError
from zcanalysis.output import write
from zcanalysis.shipped import here_or_shipped

REGRESSED: Final = 3
AGAINST: Final = "--against"


class ManyAgainst(TyperCommand):
    """A command whose `--against` takes all names up to the next option, as shells expand them."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - click's context
        """Give each of them an option of its own."""
        return super().parse_args(ctx, list(_each_against(args)))


def _each_against(args: list[str]) -> Iterator[str]:
    """The arguments with `--against` before every name that it stands for.

    Examples
    --------
    >>> list(_each_against(["a", "--against", "b", "c", "--json"]))
    ['a', '--against', 'b', '--against', 'c', '--json']
    """
    listing, given = False, False
    for arg in args:
        if arg == AGAINST:
            listing, given = True, False
        elif arg.startswith("-"):
            listing = False
        elif listing and given:
            yield AGAINST
        given = listing and arg != AGAINST
        yield arg


def compare(
    recordings: Annotated[
        list[Path], typer.Argument(parser=here_or_shipped, help="Recordings in question: folders, captures, or traces.")
    ],
    against: Annotated[
        list[Path],
        typer.Option(
            "--against",
            parser=here_or_shipped,
            help="Recordings to hold them against: all names up to the next option.",
        ),
    ],
    fail_over: Annotated[
        float, typer.Option("--fail-over", min=0, help="Exit 3 if something got worse by more than so many percent.")
    ] = 5.0,
    as_json: Json = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown, for a comment on a change.")] = False,
) -> None:
    """Say what changed between recordings; exit 3 if goodput or CPU time a byte got worse, and not by chance."""
    from zcanalysis.comparison import compared, comparison_document
    from zcanalysis.io.recording import read_recording

    if as_json and as_markdown:
        raise ZcError("--json and --markdown exclude each other")
    with progress() as on_step:
        on_step("recordings")
        made = compared(
            [read_recording(one) for one in recordings], [read_recording(one) for one in against], fail_over
        )
    if as_json:
        print_json(comparison_document(made))
    else:
        from zcanalysis.comparison_text import markdown, print_comparison

        write(markdown(made)) if as_markdown else print_comparison(made)
    if made.regressions:
        raise typer.Exit(REGRESSED)
