"""The goodput over the values of two patches: a heat map, and what stands behind the chosen cell."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import ipywidgets as widgets
import polars as pl
import traitlets

from zcanalysis import charts
from zcanalysis.answer import Answer, answered, gbps_text
from zcanalysis.errors import PatchError
from zcanalysis.io.recording import Recording
from zcanalysis.patches import parse_patch
from zcanalysis.patches.patch import Value
from zcanalysis.sweeps import parse_sweep, swept
from zcanalysis.whatif import REPLAYED_TIERS, Prediction, predict
from zcanalysis.widgets import page_text
from zcanalysis.widgets.live_chart import LiveChart

PICK: Final = "cell"
AXES: Final = 2
HOW: Final = (
    "Each cell: the goodput (Gbit/s of payload) predicted with both values. Click one, or move the two sliders, to see "
    "its interval and command. Other patches or values: write them above, and sweep again."
)
EXAMPLE: Final = "write each patch as NAME=VALUE,VALUE"


class SweepMap(widgets.VBox):
    """A heat map over the values of two patches.

    Notes
    -----
    Traits: `across` and `down` (a patch with its values, as ``mtu=1500,9000``), `cell` (the chosen combination, as
    SWEEP names it). Attributes: `swept` (SWEEP), `prediction` (of the chosen cell, as `predict` gives it).
    """

    across = traitlets.Unicode()
    down = traitlets.Unicode()
    cell = traitlets.Unicode()

    def __init__(self, answer: Answer, across: str, down: str) -> None:
        self.answer = answer
        self._texts = [
            widgets.Text(value, description=name, layout=widgets.Layout(width="45%"))
            for value, name in ((across, "across"), (down, "down"))
        ]
        self._sweep = widgets.Button(description="Sweep", button_style="primary")
        wide: Any = {"layout": widgets.Layout(width="60%"), "style": {"description_width": "initial"}}
        self._sliders = [widgets.SelectionSlider(options=[""], **wide) for _ in range(AXES)]
        self._trouble, self._says, self._cell = page_text.text(), page_text.text(), page_text.text()
        self._take(across, down)
        super().__init__(across=across, down=down)
        self.chart = LiveChart(self._chart(), watch=[PICK])
        self._watch()
        self.children = [
            page_text.text(page_text.STYLE), widgets.HBox([*self._texts, self._sweep]), self._trouble, self._says,
            self.chart, *self._sliders, self._cell,
        ]  # fmt: skip
        self._set_sliders()

    def _watch(self) -> None:
        self._sweep.on_click(lambda _: self._asked())
        self.chart.observe(lambda change: self._clicked(change["new"]), "selected")
        for slider in self._sliders:
            slider.observe(lambda _: self._slid(), "value")
        self.observe(lambda _: self._tell(), "cell")

    # ---- what follows what

    def _asked(self) -> None:
        """Sweep what the two texts say; what cannot be swept is one line."""
        try:
            self._take(*(text.value for text in self._texts))
        except PatchError as error:
            self._trouble.value = page_text.trouble(f"{error}; {EXAMPLE}")
            return
        self._trouble.value = ""
        self.across, self.down = (text.value for text in self._texts)
        self._set_sliders()

    def _take(self, across: str, down: str) -> None:
        chosen = parse_sweep([across, down])
        self.swept = swept(self.answer, chosen)
        self._values = [[str(patch) for patch in some] for some in chosen]
        self._says.value = page_text.paragraphs(self._said(), HOW)

    def _clicked(self, selected: dict[str, Any]) -> None:
        chosen = (selected.get(PICK) or {}).get("patch")
        if chosen:
            self.cell = str(chosen[0] if isinstance(chosen, list) else chosen)

    def _slid(self) -> None:
        self.cell = " + ".join(slider.value for slider in self._sliders)

    def _set_sliders(self) -> None:
        """The sliders' values are those that were swept; the best cell is chosen."""
        best = self.swept.filter("applies").sort("predicted_gbps", descending=True, nulls_last=True)
        cell = str((self.swept if best.is_empty() else best).item(0, "patch"))
        for slider, values, value in zip(self._sliders, self._values, cell.split(" + "), strict=True):
            slider.description = value.partition("=")[0]
            slider.options = values
            slider.value = value
        self.cell = cell
        self._tell()  # also where it was chosen before

    # ---- what is drawn and said

    def _chart(self) -> Any:  # noqa: ANN401 - a chart
        return charts.sweep_map(self.swept, pick=PICK, chosen=self.cell)

    def _tell(self) -> None:
        """The chosen cell in words."""
        parts = self.cell.split(" + ")
        if len(parts) != AXES or any(one not in values for one, values in zip(parts, self._values, strict=True)):
            return
        for slider, value in zip(self._sliders, parts, strict=True):
            slider.value = value
        self.chart.show(self._chart())
        self.prediction = predict(self.answer, [parse_patch(part) for part in parts])
        html = page_text.paragraphs(_predicted(self.prediction, self.answer))
        for name, command in (("To make it so", self.prediction.command), ("To undo it", self.prediction.undo)):
            html += page_text.paragraphs(f"{name}:") + page_text.command(command) if command else ""
        self._cell.value = html

    def _said(self) -> str:
        able = self.swept.filter(pl.col("applies") & pl.col("predicted_gbps").is_not_null())
        measured = _rate(self.answer.goodput_gbps, self.answer.low_gbps, self.answer.high_gbps)
        start = f"{self.answer.recording.name}: {measured} measured."
        if able.is_empty():
            return f"{start} None of the {self.swept.height} combinations can act here: {self.swept.item(0, 'why')}."
        best, worst = (able.sort("predicted_gbps", descending=down).row(0, named=True) for down in (True, False))
        span = " to ".join(f"{row['predicted_gbps']:.3g} Gbit/s ({row['patch']})" for row in (worst, best))
        return f"{start} {able.height} of {self.swept.height} combinations can act; they are predicted to give {span}."


def sweep_map(recording: Recording | Answer, values: Mapping[str, Iterable[Value]]) -> SweepMap:
    """Which values of two patches together give most? A heat map of predictions, each cell with interval and command.

    Parameters
    ----------
    recording
        As read by `read_recording`, or an answer already worked out.
    values
        Two patches with the values to try, ``{"mtu": [1500, 9000], "speedup:copy": [0, 50]}``: the first across, the
        second down.

    Raises
    ------
    ValueError
        If these are not two patches.
    PatchError
        If there is no such patch, it cannot have such a value, or there are too many combinations.
    TraceError
        If a file of the recording turns out to be damaged.
    """
    if len(values) != AXES:
        raise ValueError(f"a sweep map has two patches, got {len(values)}")
    across, down = (f"{name}={','.join(map(_written, some))}" for name, some in values.items())
    parse_sweep([across, down])
    return SweepMap(recording if isinstance(recording, Answer) else answered(recording), across, down)


def _written(value: Value) -> str:
    return {True: "on", False: "off"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def _rate(gbps: float | None, low: float | None, high: float | None) -> str:
    return "no goodput" if gbps is None else gbps_text(gbps, low, high)


def _predicted(made: Prediction, answer: Answer) -> str:
    if made.gbps is None:
        return f"{made.name}: no prediction: {made.why}."
    change = "" if answer.goodput_gbps is None else f", {made.gbps - answer.goodput_gbps:+.1f} Gbit/s against measured"
    interval = "90 % interval in brackets" if made.tier in REPLAYED_TIERS else "null models only: no confidence"
    mind = f" Mind: {made.why}." if made.why else ""
    able = "" if made.applies else " It cannot act here."
    rate = _rate(made.gbps, made.low_gbps, made.high_gbps)
    return f"{made.name}: {rate} predicted ({interval}){change}; then {made.limit_after} limits.{able}{mind}"
