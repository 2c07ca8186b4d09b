"""A control for every patch: those that can act here, and greyed with the reason those that cannot."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import ipywidgets
import traitlets

from zcanalysis.cpu.kernel_stages import STAGES
from zcanalysis.exploring import Subject, what_it_means
from zcanalysis.patches import Patch, entry_of, groups
from zcanalysis.sensitivity import fixable_stages
from zcanalysis.widgets.page_parts import dim
from zcanalysis.widgets.patch_values import offered

AS_IT_IS: Final = "as it is"
SPEEDUP: Final = "speedup"
FASTER: Final = "stages, if they took less time"
STEP_PERCENT: Final = 5
WIDE: Final = {"description_width": "auto"}
KIBI: Final = 1024


class PatchRow:
    """One control: of a kind of patch, or of one stage's virtual speed-up.

    Parameters
    ----------
    name
        Of the patch: ``mtu``, ``speedup:copy``.
    choices
        The patches that it can stand for, in order of value, and None where it is as it is.
    reason
        Why none of them can act; empty where one can.
    title
        What it changes.
    """

    def __init__(self, name: str, choices: list[tuple[str, Patch | None]], reason: str, title: str) -> None:
        self.name, self.reason = name, reason
        self._options = choices
        self.control = self._control([one for _, one in choices if one is not None], title)
        below = [ipywidgets.HTML(dim(reason))] if reason else []
        self.box = ipywidgets.VBox([self.control, *below], layout={"flex": "0 0 auto", "overflow": "visible"})

    def _control(self, choices: list[Patch], title: str) -> Any:  # noqa: ANN401 - a checkbox or a selection
        common: dict[str, Any] = {
            "style": WIDE, "layout": {"width": "98%"}, "disabled": bool(self.reason), "tooltip": title,
        }  # fmt: skip
        if len(choices) <= 1:
            text = str(choices[0]) if choices and not self.reason else self.name
            return ipywidgets.Checkbox(False, description=text, indent=False, **common)
        described = common | {"description": self.name.partition(":")[2] or self.name, "options": self._texts()}
        numbers = all(isinstance(one.value, int | float) and not isinstance(one.value, bool) for one in choices)
        kind = ipywidgets.SelectionSlider if numbers and len(choices) > 2 else ipywidgets.Dropdown  # noqa: PLR2004
        made = kind(value="", **described)
        made.add_class("zc-labelled-above")
        return made

    @property
    def patch(self) -> Patch | None:
        """What it stands for now; None as it is."""
        if self._is_box:
            return self._only if self.control.value else None
        return next(one for _, one in self._options if _text(one) == self.control.value)

    def _texts(self) -> list[tuple[str, str]]:
        return [(label, _text(one)) for label, one in self._options]

    def show(self, patch: Patch | None) -> bool:
        """Stand for that patch; whether it can.

        Parameters
        ----------
        patch
            Of this name; None: as it is.
        """
        if patch is not None and (self.reason or (self._is_box and patch != self._only)):
            return False
        if self._is_box:
            self.control.value = patch is not None
            return True
        if patch is not None and patch not in (one for _, one in self._options):
            self._options.append((_short(patch), patch))
            self.control.options = self._texts()
        self.control.value = _text(patch)
        return True

    @property
    def _is_box(self) -> bool:
        return isinstance(self.control, ipywidgets.Checkbox)

    @property
    def _only(self) -> Patch | None:
        return next((one for _, one in self._options if one is not None), None)


class PatchControls:
    """All of them, in groups.

    Parameters
    ----------
    subject
        Of a recording, or a host.
    on_change
        Told the name of the control that the user moved.
    """

    def __init__(self, subject: Subject, on_change: Callable[[str], None]) -> None:
        self._on_change, self._silent = on_change, False
        self.others: tuple[Patch, ...] = ()
        """Patches that were asked for without a control: a value that cannot act here, a kind twice."""
        groups = {name: list(_rows(entries, subject)) for name, entries in _catalogue()}
        groups[FASTER] = list(_stage_rows(subject))
        self.groups = {name: rows for name, rows in groups.items() if rows}
        self.rows = {row.name: row for rows in self.groups.values() for row in rows}
        for row in self.rows.values():
            row.control.observe(self._moved(row.name), "value")

    def _moved(self, name: str) -> Callable[[traitlets.Bunch], None]:
        def told(change: traitlets.Bunch) -> None:
            if not self._silent:
                self._on_change(name)

        return told

    @property
    def patches(self) -> tuple[Patch, ...]:
        """Those that are asked for, in the catalogue's order."""
        return (*(row.patch for row in self.rows.values() if row.patch is not None), *self.others)

    def show(self, patches: Iterable[Patch]) -> None:
        """Stand for these patches, without telling anyone.

        Parameters
        ----------
        patches
            What has no control here is asked for all the same (`others`).
        """
        self._silent = True
        try:
            wanted: dict[str, Patch] = {}
            others = []
            for patch in patches:
                row = self.rows.get(patch.name)
                if row is None or patch.name in wanted or not row.show(patch):
                    others.append(patch)
                else:
                    wanted[patch.name] = patch
            for name, row in self.rows.items():
                if name not in wanted:
                    row.show(None)
            self.others = tuple(others)
        finally:
            self._silent = False

    def boxes(self) -> list[tuple[str, ipywidgets.VBox]]:
        """A box for each group, with its title: what can act stands first."""
        made = []
        for name, rows in self.groups.items():
            first = sorted(rows, key=lambda row: bool(row.reason))
            acting = sum(not row.reason for row in rows)
            made.append((f"{name} ({acting} of {len(rows)} here)", ipywidgets.VBox([row.box for row in first])))
        return made


def _catalogue() -> Iterator[tuple[str, list[str]]]:
    for group, entries in groups().items():
        yield group, [entry.name for entry in entries if entry.name != SPEEDUP]


def _rows(names: list[str], subject: Subject) -> Iterator[PatchRow]:
    for name in names:
        choices: list[tuple[str, Patch | None]] = []
        why = []
        for patch in offered(name, subject):
            means = what_it_means(subject, patch)
            if means.obstacle is None:
                choices.append((_short(patch), patch))
                continue
            why.append((means.in_place is True, means.obstacle))
            if means.in_place:
                choices.append((f"{_short(patch)} (now)", None))
        # what cannot be done says more than what is so already
        acts = any(one is not None for _, one in choices)
        reason = "" if acts else min(why, default=(False, entry_of(name).unless))[1]
        if None not in (one for _, one in choices):
            choices.insert(0, (AS_IT_IS, None))
        yield PatchRow(name, choices, reason, f"{entry_of(name).what} ({entry_of(name).source})")


def _stage_rows(subject: Subject) -> Iterator[PatchRow]:
    """Virtual speed-ups of the stages behind the host's prices."""
    stages = [] if subject.start is None else fixable_stages(subject.start)
    for stage in sorted(stages, key=list(STAGES).index):
        name = f"{SPEEDUP}:{stage}"
        faster = [Patch(name, float(percent)) for percent in range(STEP_PERCENT, 101, STEP_PERCENT)]
        yield PatchRow(
            name,
            [(AS_IT_IS, None), *((_short(one), one) for one in faster)],
            "",
            f"{STAGES[stage]}: takes so many percent less time",
        )


def _text(patch: Patch | None) -> str:
    """How a control's trait holds it; empty as it is."""
    return "" if patch is None else str(patch)


def _short(patch: Patch) -> str:
    """The value with its unit."""
    value = str(patch).partition("=")[2]
    unit = entry_of(patch.kind).value.expected.partition(",")[0]
    if unit == "bytes" and isinstance(patch.value, int):
        return bytes_text(patch.value)
    known = {"bytes": "B", "microseconds": "µs", "milliseconds": "ms", "Gbit/s": "Gbit/s", "percent": "%"}
    return f"{value} {known[unit]}" if unit in known else value


def bytes_text(number: int) -> str:
    """A number of bytes; whole KiB and MiB as such.

    Examples
    --------
    >>> bytes_text(33554432), bytes_text(65536), bytes_text(9000)
    ('32 MiB', '64 KiB', '9000 B')
    """
    for factor, unit in ((KIBI * KIBI, "MiB"), (KIBI, "KiB")):
        if number and number % factor == 0:
            return f"{number // factor} {unit}"
    return f"{number} B"
