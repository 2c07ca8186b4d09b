"""Scenarios kept under a name: shown beside one another, copied, saved and loaded."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import ipywidgets

from zcanalysis.answer import rate_text
from zcanalysis.errors import ZcError
from zcanalysis.exploring import Explored
from zcanalysis.scenarios import Scenario, read_scenarios, write_scenarios
from zcanalysis.widgets.explorer_words import limit_words
from zcanalysis.widgets.page_parts import CopyButton, dim, rows_html, warning

NOTHING_KEPT: Final = "Nothing is kept yet: change something, give it a name, and keep it."
FILE: Final = "scenarios.toml"
NO_COMMAND: Final = "# no command asks this: predict takes recordings"
NOTHING_ASKED: Final = "# change something first"


class ScenarioList:
    """The list, with its buttons; what a scenario would give is asked of who made it.

    Parameters
    ----------
    answer
        Says what a scenario would give.
    current
        Says what is asked now.
    show
        Called with a scenario to be shown in the controls.
    changed
        Called when something was kept, deleted or loaded.
    """

    def __init__(
        self,
        answer: Callable[[Scenario], Explored],
        current: Callable[[], Scenario],
        show: Callable[[Scenario], None],
        changed: Callable[[], None],
    ) -> None:
        self._answer, self._current, self._show, self._changed = answer, current, show, changed
        self.kept: list[Explored] = []
        self.name = ipywidgets.Text(placeholder="name", description="Name", layout={"width": "230px"})
        self.keep = _button("Keep", "Keep what is asked now under this name", self._keep, icon="bookmark")
        self.chosen = ipywidgets.Dropdown(options=[], description="Kept", layout={"width": "260px"})
        self.shown = _button("Show", "Set the controls to the chosen scenario", self._show_chosen)
        self.delete = _button("Delete", "Forget the chosen scenario", self._delete)
        self.file = ipywidgets.Text(FILE, description="File", layout={"width": "230px"})
        self.save = _button("Save", "Write all that is kept to this file (TOML)", self._save)
        self.load = _button("Load", "Keep what this file holds as well", self._load)
        self.table, self.message = ipywidgets.HTML(dim(NOTHING_KEPT)), ipywidgets.HTML()
        self.box = ipywidgets.VBox([
            _line(self.name, self.keep, self.chosen, self.shown, self.delete),
            _line(self.file, self.save, self.load), self.message, self.table,
        ])  # fmt: skip

    def refresh(self) -> None:
        """Ask all of them anew, of another recording."""
        scenarios = [one.scenario for one in self.kept]
        self.kept = []
        self._add(scenarios)

    def _add(self, scenarios: list[Scenario]) -> None:
        self.kept += map(self._answer, scenarios)
        self._list()

    def _list(self) -> None:
        self.chosen.options = [(f"{at + 1}: {one.scenario.name}", at) for at, one in enumerate(self.kept)]
        self.chosen.value = len(self.kept) - 1 if self.kept else None
        rows = [
            (one.scenario.name, one.scenario.changes, rate_text(*one.rate), limit_words(one.prediction.limit_after))
            for one in self.kept
        ]
        head = ("scenario", "changes", "goodput (90 %)", "then the limit")
        self.table.value = rows_html(head, rows, (2,)) if rows else dim(NOTHING_KEPT)

    def _keep(self) -> None:
        now = self._current()
        name = self.name.value.strip() or now.changes
        self._add([Scenario(name=name, patches=now.patches, prices=now.prices)])
        self._say(f"kept as {name}")
        self.name.value = ""
        self._changed()

    def _show_chosen(self) -> None:
        if self.chosen.value is not None:
            self._show(self.kept[self.chosen.value].scenario)

    def _delete(self) -> None:
        if self.chosen.value is not None:
            gone = self.kept.pop(self.chosen.value)
            self._list()
            self._say(f"deleted {gone.scenario.name}")
            self._changed()

    def _save(self) -> None:
        try:
            write_scenarios([one.scenario for one in self.kept], self._path())
        except ZcError as error:
            self._say(str(error), bad=True)
            return
        self._say(f"{len(self.kept)} scenarios saved to {self._path()}")

    def _load(self) -> None:
        try:
            scenarios = read_scenarios(self._path())
        except ZcError as error:
            self._say(str(error), bad=True)
            return
        self._say(f"{len(scenarios)} scenarios loaded from {self._path()}")
        self._add(list(scenarios))
        self._changed()

    def _path(self) -> Path:
        return Path(self.file.value.strip() or FILE).expanduser()

    def _say(self, text: str, *, bad: bool = False) -> None:
        self.message.value = warning(text) if bad else dim(text)


class CodePane:
    """The current scenario as a command and as Python, to be selected or copied."""

    def __init__(self) -> None:
        self.command = ipywidgets.Textarea(disabled=False, rows=2, layout={"width": "98%"}, tooltip="a shell command")
        self.python = ipywidgets.Textarea(disabled=False, rows=6, layout={"width": "98%"}, tooltip="Python")
        self._copies = CopyButton(label="Copy the command"), CopyButton(label="Copy the Python")
        self.box = ipywidgets.VBox([self.command, self._copies[0], self.python, self._copies[1]])

    def show(self, command: str, python: str) -> None:
        """These texts.

        Parameters
        ----------
        command
            Empty where no command asks the same.
        python
            Lines that ask the same; empty where nothing is asked.
        """
        self.command.value = command or (NO_COMMAND if python else NOTHING_ASKED)
        self.python.value = python or NOTHING_ASKED
        self._copies[0].text, self._copies[1].text = command, python


def _line(*parts: ipywidgets.Widget) -> ipywidgets.Box:
    return ipywidgets.Box(parts, layout={"flex_flow": "row wrap", "width": "98%"})


def _button(text: str, tooltip: str, pressed: Callable[[], None], icon: str = "") -> ipywidgets.Button:
    made = ipywidgets.Button(description=text, tooltip=tooltip, icon=icon, layout={"width": "auto"})
    made.on_click(lambda _: pressed())
    return made
