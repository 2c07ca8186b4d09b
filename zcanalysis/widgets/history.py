"""What was asked, to go back and forth in."""

import time
from collections.abc import Callable
from typing import Final

from zcanalysis.scenarios import Scenario

MOST_STEPS: Final = 500
ONE_MOVE_S: Final = 0.7


class History:
    """Scenarios one after the other; moving one slider within a moment is one step.

    Parameters
    ----------
    first
        Where it begins.
    clock
        Seconds, ever more.
    """

    def __init__(self, first: Scenario, clock: Callable[[], float] = time.monotonic) -> None:
        self._steps, self._at, self._clock = [first], 0, clock
        self._moved: tuple[str, float] | None = None

    @property
    def now(self) -> Scenario:
        """Where it is."""
        return self._steps[self._at]

    @property
    def can_undo(self) -> bool:
        """Whether there is a step back."""
        return self._at > 0

    @property
    def can_redo(self) -> bool:
        """Whether a step back can be taken back."""
        return self._at < len(self._steps) - 1

    def add(self, scenario: Scenario, by: str) -> None:
        """A step on, or the same step again where the same control moved within a moment.

        Parameters
        ----------
        scenario
            As it is now.
        by
            The control's name.
        """
        moment = self._clock()
        same = self._moved is not None and self._moved[0] == by and moment - self._moved[1] < ONE_MOVE_S
        del self._steps[self._at + 1 :]
        if same and self.can_undo:
            self._steps[self._at] = scenario
        else:
            self._steps = [*self._steps, scenario][-MOST_STEPS:]
            self._at = len(self._steps) - 1
        self._moved = (by, moment)

    def undo(self) -> Scenario:
        """A step back."""
        return self._go(-1)

    def redo(self) -> Scenario:
        """A step on that was taken back."""
        return self._go(1)

    def _go(self, steps: int) -> Scenario:
        self._at = min(max(self._at + steps, 0), len(self._steps) - 1)
        self._moved = None
        return self.now
