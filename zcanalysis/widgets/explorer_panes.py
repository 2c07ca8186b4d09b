"""The right side of an explorer: the prediction, and what the time of a transfer is made of before and after."""

from collections.abc import Callable, Iterable
from typing import Any, Final

import ipywidgets
import polars as pl

from zcanalysis import charts
from zcanalysis.exploring import Explored, Subject, ladders, transfer_time
from zcanalysis.measured_change import Measured
from zcanalysis.outcome_rows import outcome_rows
from zcanalysis.widgets.explorer_words import doubt, figures_html, said
from zcanalysis.widgets.live_chart import LiveChart
from zcanalysis.widgets.page_parts import Spoken, dim

TIME, LADDER = range(2)
TIME_WORDS: Final = (
    "What a megabyte waits for, stage by stage on the path that ends with its last byte; the bars sum to its time."
)
LADDER_WORDS: Final = (
    "What each group of receiver stages holds back: the climb from the goodput to all of them free, averaged over"
    " every order of making them free."
)
NO_GOODPUT: Final = "No goodput was recorded."
NO_REPLAY: Final = "Nothing is drawn here: no host can be replayed."
NO_PARTS: Final = "No ladder: nobody recorded which stage is behind which price of this host."


class Panes:
    """Prediction in words, figures and charts; the charts stay and get new rows."""

    def __init__(self) -> None:
        self.words = Spoken()
        self.figures = ipywidgets.HTML()
        self._outcomes = _Place(charts.outcomes, "", NO_GOODPUT)
        self._time = _Place(charts.transfer_time, TIME_WORDS, NO_REPLAY)
        self._ladder = _Place(charts.ladders, LADDER_WORDS, NO_PARTS)
        self.tab = ipywidgets.Tab([self._time.box, self._ladder.box], titles=("time of a megabyte", "ladder"))
        self.box = ipywidgets.VBox([self.figures, self._outcomes.box, self.tab])

    @property
    def outcomes(self) -> LiveChart | None:
        """The chart of scenarios side by side, once there is one."""
        return self._outcomes.live

    @property
    def ladder(self) -> LiveChart | None:
        """The chart of the ladder, once it was looked at."""
        return self._ladder.live

    def show(self, subject: Subject, found: Explored, kept: Iterable[Explored], measured: Iterable[Measured]) -> None:
        """The prediction, and the time of a megabyte.

        Parameters
        ----------
        subject, found
            Of a recording or a host, and what a scenario would give it.
        kept
            Other scenarios, to compare it with.
        measured
            What the lab measured of the same changes.
        """
        points = tuple(measured)
        self.words.show(said(subject, found, points), doubt(subject, found, points))
        self.figures.value = figures_html(subject, found)
        self._outcomes.draw(outcome_rows(subject, found, kept, points))
        if self.tab.selected_index == TIME:
            self._time.draw(transfer_time(subject, found))

    def show_ladder(self, subject: Subject, found: Explored) -> None:
        """The ladder before and after; it takes some dozens of replays.

        Parameters
        ----------
        subject, found
            As for `show`.
        """
        self._ladder.draw(ladders(subject, found))

    def close(self) -> None:
        """Ends its widgets."""
        for place in (self._outcomes, self._time, self._ladder):
            place.close()


class _Place:
    """Where a chart is drawn as soon as there are rows for it, with words above it; then it gets rows only."""

    def __init__(self, chart: Callable[[pl.DataFrame], Any], words: str, otherwise: str) -> None:
        self._chart, self._words, self._otherwise = chart, words, otherwise
        self._note = ipywidgets.HTML(dim(words))
        self.live: LiveChart | None = None
        self.box = ipywidgets.VBox([self._note])

    def draw(self, rows: pl.DataFrame) -> None:
        if rows.is_empty():
            self._note.value, self.box.children = dim(self._otherwise), (self._note,)
            return
        if self.live is None:
            self.live = LiveChart(self._chart(rows))
        else:
            self.live.push(rows)
        if self.live not in self.box.children:
            self._note.value, self.box.children = dim(self._words), (self._note, self.live)

    def close(self) -> None:
        if self.live is not None:
            self.live.close()
