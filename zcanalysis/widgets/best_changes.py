"""What would help: the single changes that give most, each with a button to try it, and how it is made."""

from collections.abc import Callable
from html import escape
from typing import Any, Final

import ipywidgets

from zcanalysis.advice import ranked_changes
from zcanalysis.answer import Answer, rate_text
from zcanalysis.patches import CATALOGUE, added, parse_patch
from zcanalysis.scenarios import Scenario
from zcanalysis.whatif import REPLAYED_TIERS
from zcanalysis.widgets.explorer_words import limit_words
from zcanalysis.widgets.page_parts import dim, rows_html, warning

NONE: Final = "Nothing that anybody could change here would help more than its interval."
HEAD: Final = ("change", "how", "undo", "mind")
TITLE: Final = "<b>What would help</b>, each alone"
UNSURE: Final = "may give nothing"
NAME: Final = {"width": "190px", "flex": "0 0 auto"}
OF_A_HOST: Final = "Nobody recorded this host, so no change is ranked: try them on the left."


class BestChanges:
    """A line with a button for each change, and a table of how it is made.

    Parameters
    ----------
    show
        Called with a change to try.
    """

    def __init__(self, show: Callable[[Scenario], None]) -> None:
        self._show = show
        self.rows: list[dict[str, Any]] = []
        self.table = ipywidgets.HTML()
        self.box = ipywidgets.VBox(layout={"flex": "0 0 auto"})

    def open(self, answer: Answer | None) -> None:
        """Rank the changes of a recording.

        Parameters
        ----------
        answer
            Of it; None for a host that nobody recorded.
        """
        self.rows = [] if answer is None else ranked_changes(answer)[0]
        for widget in [part for line in self.box.children for part in (*getattr(line, "children", ()), line)]:
            widget.close()
        if answer is None or not self.rows:
            none = dim(OF_A_HOST if answer is None else NONE)
            self.table.value, self.box.children = none, [ipywidgets.HTML(none)]
            return
        lines = [self._line(row, answer.goodput_gbps) for row in self.rows]
        self.box.children = [ipywidgets.HTML(TITLE), *lines]
        self.table.value = rows_html(HEAD, list(map(_texts, self.rows)))

    def _line(self, row: dict[str, Any], now_gbps: float | None) -> ipywidgets.Box:
        """A change that the controls know has a button, another one its name."""
        words = ipywidgets.HTML(gain_html(row, now_gbps), layout={"flex": "1 1 220px"})
        known = row["patch"].partition("=")[0] in {*CATALOGUE, *added()}
        name = self._button(row["patch"]) if known else ipywidgets.HTML(escape(row["patch"]), layout=NAME)
        return ipywidgets.Box([name, words], layout={"flex_flow": "row wrap", "align_items": "center"})

    def _button(self, patch: str) -> ipywidgets.Button:
        made = ipywidgets.Button(description=f"Try {patch}", tooltip="Set the controls to this change", layout=NAME)
        made.on_click(lambda _: self._show(Scenario(name=patch, patches=(parse_patch(patch),))))
        return made


def gain_html(row: dict[str, Any], now_gbps: float | None) -> str:
    """What a change would give, and how sure that is.

    Parameters
    ----------
    row
        As `ranked_changes` gives it.
    now_gbps
        The goodput as it is.
    """
    rate = rate_text(row["predicted_gbps"], row["low_gbps"], row["high_gbps"])
    limit = f"then the limit is {limit_words(row['limit_after'] or 'unknown')}"
    low = row["low_gbps"]
    doubts = [] if row["tier"] in REPLAYED_TIERS else ["no confidence"]
    doubts += [UNSURE] if low is not None and now_gbps is not None and low <= now_gbps else []
    return f"<b>{escape(rate)}</b> {dim(limit)} {warning(', '.join(doubts))}"


def _texts(row: dict[str, Any]) -> tuple[str, ...]:
    return row["patch"], row["command"] or "-", row["undo"] or "-", row["why"]
