"""What would a change give? Controls on the left, the prediction on the right: at once, and exactly soon after."""

from collections.abc import Iterable
from typing import Final

import ipywidgets
import traitlets

from zcanalysis.answer import Answer
from zcanalysis.errors import ZcError
from zcanalysis.exploring import AFTER, Explored, Subject, asked_anyway, subject_of
from zcanalysis.hosts import preset
from zcanalysis.measured_change import LabRuns, Measured
from zcanalysis.scenarios import Scenario, as_command, as_python
from zcanalysis.widgets.best_changes import BestChanges
from zcanalysis.widgets.explorer_panes import LADDER, Panes
from zcanalysis.widgets.explorer_words import connection_html, host_html, recording_html
from zcanalysis.widgets.history import History
from zcanalysis.widgets.page_parts import STYLE, dim, warning
from zcanalysis.widgets.patch_controls import PatchControls
from zcanalysis.widgets.price_controls import PriceControls
from zcanalysis.widgets.quiet import AfterQuiet
from zcanalysis.widgets.recordings import Asked, Choice, choices
from zcanalysis.widgets.scenario_list import CodePane, ScenarioList

EXACT_S: Final = 0.08
LADDER_S: Final = 0.4
RECORDED, OLD = "as recorded", "on Linux 2.4"
OLD_HOST: Final = "host_2002"
EVERY_CONNECTION: Final = "all connections"
RIGHT_FIRST: Final = {"flex_flow": "row wrap-reverse", "align_items": "flex-end", "width": "100%"}
"""Side by side; where that is too wide, the prediction stands above the controls."""
PRICES: Final = "prices of the host"


def explorer(recording: Asked | Iterable[Asked]) -> "Explorer":
    """What changes would give, while sliders move: for JupyterLab.

    Parameters
    ----------
    recording
        A recording or its path, an answer already worked out, a host; a folder of recordings, or several of these, to
        choose from.

    Returns
    -------
    Explorer
        A widget; it is also driven by its traits: ``explorer.patch_controls.rows["mtu"].show(...)``, then
        ``explorer.settle()`` and ``explorer.found``.

    Raises
    ------
    TraceError
        If a path is missing, or holds no recording.
    """
    return Explorer(choices(recording))


class Explorer(ipywidgets.VBox):
    """The widget that `explorer` makes.

    Parameters
    ----------
    asked
        What there is to choose from, at least one.
    """

    subject: Subject
    found: Explored
    """What the scenario in the controls gives: fast first, then exact."""

    def __init__(self, asked: list[Choice]) -> None:
        super().__init__()
        self.add_class("zc-explorer")
        self._choices = asked
        self._runs: LabRuns | None = None
        self._answer: Answer | None = None
        self._exact = AfterQuiet(EXACT_S, self._find_exact)
        self._ladder = AfterQuiet(LADDER_S, self._draw_ladder)
        self.recording = ipywidgets.Dropdown(
            options=[(choice.name, at) for at, choice in enumerate(asked)], description="Recording",
            layout={"width": "300px"},
        )  # fmt: skip
        self.connection = ipywidgets.Dropdown(
            options=[EVERY_CONNECTION], description="Connection", layout={"width": "420px"}
        )
        self.generation = ipywidgets.ToggleButtons(options=[RECORDED, OLD], style={"button_width": "auto"})
        self.undo, self.redo, self.reset = (
            ipywidgets.Button(description=text, icon=icon, tooltip=tooltip, layout={"width": "auto"})
            for text, icon, tooltip in (
                ("Undo", "undo", "One change back"), ("Redo", "repeat", "The change again"),
                ("As it is", "eraser", "No change at all"),
            )
        )  # fmt: skip
        self.about, self.message = ipywidgets.HTML(), ipywidgets.HTML()
        self.panes, self.code = Panes(), CodePane()
        self.scenarios = ScenarioList(self._asked, lambda: self.scenario, self.show_scenario, self._redraw)
        self.best = BestChanges(self.show_scenario)
        # buttons and no list: Tab and Space reach them, while JupyterLab keeps the arrow keys of a list for itself
        self.groups = ipywidgets.ToggleButtons(style={"button_width": "auto"}, layout={"width": "98%"})
        self.controls = ipywidgets.Stack()
        self._lay_out()
        self._listen()
        self._open(None)

    # ---- what is asked

    @property
    def answer(self) -> Answer | None:
        """Of the chosen recording; None for a host that nobody recorded."""
        return self._answer

    @property
    def scenario(self) -> Scenario:
        """What the controls ask now."""
        return Scenario(name=AFTER, patches=self.patch_controls.patches, prices=self.price_controls.prices)

    def show_scenario(self, scenario: Scenario, by: str = "shown") -> None:
        """Set the controls to a scenario, and ask it.

        Parameters
        ----------
        scenario
            Any; a change without a control here is asked for all the same, and named.
        by
            Who did it: steps to undo are told apart by it.
        """
        self._set_controls(scenario)
        self._moved(by)

    def settle(self) -> None:
        """What would follow when it is quiet, at once: the exact answer, and the ladder."""
        if self._exact.is_due:
            self._exact.now()
        if self._ladder.is_due:
            self._ladder.now()

    # ---- one answer after the other

    def _asked(self, scenario: Scenario) -> Explored:
        return asked_anyway(self.subject, scenario)

    def _moved(self, by: str) -> None:
        self.history.add(self.scenario, by)
        self._find_fast()

    def _find_fast(self) -> None:
        self._ladder.forget()
        self.found = asked_anyway(self.subject, self.scenario, exact=False)
        self._show()
        self._exact.ask()

    def _find_exact(self) -> None:
        self.found = self._asked(self.scenario)
        self._redraw()
        if self.panes.tab.selected_index == LADDER:
            self._ladder.ask()

    def _redraw(self) -> None:
        self._show()
        self.code.show(*self._texts())

    def _draw_ladder(self) -> None:
        self.panes.show_ladder(self.subject, self.found)

    def _show(self) -> None:
        self.panes.show(self.subject, self.found, self.scenarios.kept, self._measured())
        self.undo.disabled, self.redo.disabled = not self.history.can_undo, not self.history.can_redo
        others = ", ".join(map(str, self.patch_controls.others))
        self.message.value = warning(f"asked without a control, for it cannot act here: {others}") if others else ""

    def _measured(self) -> tuple[Measured, ...]:
        asked = self.found.scenario
        return () if self._runs is None or asked.prices else self._runs.measured(asked.patches)

    def _texts(self) -> tuple[str, str]:
        if self.found.changes_nothing:
            return "", ""
        place = self._choices[self.recording.value].place
        if self.generation.value == OLD or place is None:
            name = OLD_HOST if self.generation.value == OLD else self.subject.name
            return "", as_python(self.scenario, preset=name)
        return as_command(self.scenario, place), as_python(self.scenario, place)

    # ---- what it is asked of

    def _open(self, change: traitlets.Bunch | None) -> None:
        """The chosen recording: its answer takes seconds."""
        self.about.value = dim("working out the answer: some seconds …")
        try:
            opened = self._choices[self.recording.value].load()
        except ZcError as error:
            self.about.value = warning(str(error))
            return
        self._answer = opened if isinstance(opened, Answer) else None
        self.generation.disabled = self._answer is None
        self._recorded = subject_of(opened)
        self._runs = None if self._answer is None else LabRuns(self._answer.recording)
        names: Iterable[str] = () if self._answer is None else self._answer.limits.get_column("connection").drop_nulls()
        self.connection.options = [EVERY_CONNECTION, *dict.fromkeys(names)]
        self.connection.layout.display = None if len(self.connection.options) > 2 else "none"  # noqa: PLR2004
        self.best.open(self._answer)
        if self.generation.value == OLD:
            self.generation.value = RECORDED  # which goes on
        else:
            self._ask_of(self._recorded)

    def _switch(self, change: traitlets.Bunch) -> None:
        self._ask_of(self._recorded if self.generation.value == RECORDED else subject_of(preset(OLD_HOST)))

    def _ask_of(self, subject: Subject) -> None:
        """Controls for another host, which asks nothing yet."""
        self.subject = subject
        self.patch_controls, self.price_controls = (
            PatchControls(subject, self._moved),
            PriceControls(subject, self._moved),
        )
        self._show_controls()
        self.history = History(self.scenario)
        self._describe(None)
        self.scenarios.refresh()
        self._find_fast()

    def _show_controls(self) -> None:
        """One group at a time, chosen by a button."""
        prices = [row.box for row in self.price_controls.rows.values()]
        tall = {"max_height": "640px", "overflow": "auto"}
        boxes = [*self.patch_controls.boxes(), (f"{PRICES} ({len(prices)})", ipywidgets.VBox(prices, layout=tall))]
        before, titles = self.controls, [title for title, _ in boxes]
        self.controls = ipywidgets.Stack([box for _, box in boxes], layout={"width": "98%"})
        self._left.children = (*self._left.children[:-1], self.controls)
        self.groups.options = [(title, at) for at, title in enumerate(titles)]
        self.groups.value = next((at for at, title in enumerate(titles) if "(0 of" not in title), 0)
        self._show_group(None)
        _close([before])

    def _show_group(self, change: traitlets.Bunch | None) -> None:
        self.controls.selected_index = self.groups.value

    def _describe(self, change: traitlets.Bunch | None) -> None:
        host = self.subject.host
        if self._answer is None or self.generation.value == OLD:
            self.about.value = "" if host is None else host_html(host)
        elif self.connection.value == EVERY_CONNECTION or self.connection.value is None:
            self.about.value = recording_html(self._answer)
        else:
            self.about.value = connection_html(self._answer, self.connection.value)

    # ---- the page

    def _listen(self) -> None:
        self.recording.observe(self._open, "value")
        self.connection.observe(self._describe, "value")
        self.generation.observe(self._switch, "value")
        self.groups.observe(self._show_group, "value")
        self.panes.tab.observe(lambda _: self._find_exact(), "selected_index")
        self.undo.on_click(lambda _: self._go(self.history.undo()))
        self.redo.on_click(lambda _: self._go(self.history.redo()))
        self.reset.on_click(lambda _: self.show_scenario(Scenario(name="as it is"), "reset"))

    def _go(self, scenario: Scenario) -> None:
        self._set_controls(scenario)
        self._find_fast()

    def _set_controls(self, scenario: Scenario) -> None:
        self.patch_controls.show(scenario.patches)
        self.price_controls.show(scenario.prices)

    def _lay_out(self) -> None:
        line = {"flex_flow": "row wrap", "width": "100%", "align_items": "center"}
        self._left = ipywidgets.VBox(
            [ipywidgets.Box([self.undo, self.redo, self.reset], layout=line), self.message, self.groups, self.controls],
            layout={"flex": "1 1 300px", "min_width": "280px"},
        )
        right = ipywidgets.VBox([self.best.box, self.panes.box], layout={"flex": "2 1 580px", "min_width": "540px"})
        below = ipywidgets.Tab(
            [self.scenarios.box, self.code.box, self.best.table],
            titles=("scenarios", "copy as code", "how to change it"),
        )
        self.children = [
            ipywidgets.HTML(STYLE),
            ipywidgets.Box([self.recording, self.generation, self.connection], layout=line),
            self.about, self.panes.words,
            ipywidgets.Box([self._left, right], layout=RIGHT_FIRST), below,
        ]  # fmt: skip


def _close(widgets: Iterable[ipywidgets.Widget]) -> None:
    """Ends widgets and what they hold."""
    for widget in widgets:
        _close(getattr(widget, "children", ()))
        widget.close()
