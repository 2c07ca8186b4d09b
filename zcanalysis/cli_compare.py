"""`zcanalysis compare`: what differs between two sets of recordings, for people and for CI."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.core import TyperCommand

from zcanalysis.cli_parts import Json, print_json, progress
from zcanalysis.errors import ZcError
from zcanalysis.output import write
from zcanalysis.shipped import here_or_shipped

if TYPE_CHECKING:
    from zcanalysis.comparison import Comparison

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
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write an HTML page too, with a differential flame graph.")
    ] = None,
    folded: Annotated[
        Path | None, typer.Option("--folded", help="Write the call chains of both too, for flamegraph.pl and the like.")
    ] = None,
    as_json: Json = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown, for a comment on a change.")] = False,
) -> None:
    """Say what changed between recordings; exit 3 if goodput or CPU time a byte got worse, and not by chance."""
    from zcanalysis.comparison import compared, comparison_document
    from zcanalysis.io.recording import read_recording

    if as_json and as_markdown:
        raise ZcError("--json and --markdown exclude each other")
    _check_targets([*recordings, *against], [one for one in (output, folded) if one is not None])
    with progress() as on_step:
        on_step("recordings")
        made = compared(
            [read_recording(one) for one in recordings], [read_recording(one) for one in against], fail_over
        )
        on_step("page")
        _write(made, output, folded)
    if as_json:
        print_json(comparison_document(made))
    else:
        _print(made, output, as_markdown=as_markdown)
    if made.regressions:
        raise typer.Exit(REGRESSED)


def _check_targets(recordings: list[Path], targets: list[Path]) -> None:
    """Before the recordings are read, which takes a while."""
    if len(targets) != len(set(targets)):
        raise ZcError(f"{targets[0]}: cannot hold both the page and the folded call chains")
    if targets:
        from zcanalysis.comparison_page import refuse_inputs

        for target in targets:
            refuse_inputs(recordings, target)


def _write(made: "Comparison", output: Path | None, folded: Path | None) -> None:
    if folded is not None:
        from zcanalysis.comparison import require_chains
        from zcanalysis.io.folded import folded_difference_text
        from zcanalysis.pages import write_text

        require_chains(made)
        write_text(folded, folded_difference_text(made.chains))
    if output is not None:
        from zcanalysis.comparison_page import write_comparison

        write_comparison(made, output)


def _print(made: "Comparison", output: Path | None, *, as_markdown: bool) -> None:
    from zcanalysis.comparison_text import markdown, print_comparison

    if as_markdown:
        write(markdown(made))
        return
    print_comparison(made)
    if output is not None:
        from zcanalysis.terminal import print_page_written

        print_page_written(output)
