"""Work that waits until nothing has been asked for a while."""

import asyncio
from collections.abc import Callable


class AfterQuiet:
    """Does something once, some time after it was last asked for; at once where no event loop runs.

    Parameters
    ----------
    seconds
        To wait.
    work
        What is done.
    """

    def __init__(self, seconds: float, work: Callable[[], None]) -> None:
        self._seconds, self._work = seconds, work
        self._waiting: asyncio.TimerHandle | None = None

    @property
    def is_due(self) -> bool:
        """Whether it was asked for and is not done."""
        return self._waiting is not None

    def ask(self) -> None:
        """Do it when it is quiet; what was asked before is not done."""
        self.forget()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._work()
            return
        self._waiting = loop.call_later(self._seconds, self.now)

    def now(self) -> None:
        """Do it at once."""
        self.forget()
        self._work()

    def forget(self) -> None:
        """Do it no more."""
        if self._waiting is not None:
            self._waiting.cancel()
        self._waiting = None
