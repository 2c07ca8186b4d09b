"""The single changes that would help most, each with a button to try it."""

from collections.abc import Callable
from typing import Any, Final

import ipywidgets

from zcanalysis.advice import ranked_changes
from zcanalysis.answer import Answer
from zcanalysis.exploring import Rate
from zcanalysis.patches import CATALOGUE, parse_patch
from zcanalysis.scenarios import Scenario
from zcanalysis.whatif import REPLAYED_TIERS
from zcanalysis.widgets.explorer_words import limit_words, rate_words
from zcanalysis.widgets.page_parts import dim, rows_html

NONE: Final = "Nothing that anybody could change here would help more than its interval."
HEAD: Final = ("change", "goodput (90 %)", "then the limit", "how", "undo", "mind")
OF_A_HOST: Final = "Nobody recorded this host, so no change is ranked: try them on the left."


class BestChanges:
    """A table, and a button for each row.

    Parameters
    ----------
    show
        Called with a change to try.
    """

    def __init__(self, show: Callable[[Scenario], None]) -> None:
        self._show = show
        self.rows: list[dict[str, Any]] = []
        self.table, self._buttons = ipywidgets.HTML(), ipywidgets.HBox()
        self.box = ipywidgets.VBox([self.table, self._buttons])

    def open(self, answer: Answer | None) -> None:
        """Rank the changes of a recording.

        Parameters
        ----------
        answer
            Of it; None for a host that nobody recorded.
        """
        self.rows = [] if answer is None else ranked_changes(answer)[0]
        for button in self._buttons.children:
            button.close()
        tried = [row["patch"] for row in self.rows if row["patch"].partition("=")[0] in CATALOGUE]
        self._buttons.children = list(map(self._button, tried))
        if answer is None:
            self.table.value = dim(OF_A_HOST)
            return
        told = dim("Ranked by what each gives alone; a range without confidence says so.")
        self.table.value = told + rows_html(HEAD, list(map(_texts, self.rows)), (1,)) if self.rows else dim(NONE)

    def _button(self, patch: str) -> ipywidgets.Button:
        made = ipywidgets.Button(description=f"Try {patch}", tooltip="Set the controls to this change")
        made.on_click(lambda _: self._show(Scenario(name=patch, patches=(parse_patch(patch),))))
        return made


def _texts(row: dict[str, Any]) -> tuple[str, ...]:
    rate = rate_words(Rate(row["predicted_gbps"], row["low_gbps"], row["high_gbps"]))
    unsure = "" if row["tier"] in REPLAYED_TIERS else " (no confidence)"
    return (
        row["patch"],
        rate + unsure,
        limit_words(row["limit_after"] or "unknown"),
        row["command"] or "-",
        row["undo"] or "-",
        row["why"],
    )
