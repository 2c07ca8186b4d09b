"""SIGTERM and SIGHUP as an orderly end, and moments in which no signal may come between."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

ENDING: Final = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind like Ctrl-C does, so that children are stopped and what was begun is finished.

    Only the first one counts: whoever ends us politely often does so twice, and the second must not cut the
    finishing short; Ctrl-C still does. A signal that is ignored (`nohup`) stays ignored. Outside the main
    thread, where Python takes no signals, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        asked.append(number)
        if len(asked) == 1:
            raise KeyboardInterrupt

    previous = {number: signal.getsignal(number) for number in ENDING}
    try:
        for number, handler in previous.items():
            if handler != signal.SIG_IGN:
                signal.signal(number, interrupt)
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def interruptions_held_back() -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and SIGHUP wait until the block is left: a child exists and nobody knows it yet.

    The signals are handled late rather than blocked: a child inherits what is blocked.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []

    def hold(number: int, _frame: FrameType | None) -> None:
        held.append(number)

    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, *ENDING)}
    handled = {number: handler for number, handler in previous.items() if callable(handler)}
    try:
        for number in handled:
            signal.signal(number, hold)
        yield
    finally:
        for number, handler in handled.items():
            signal.signal(number, handler)
        if held:
            signal.raise_signal(held[0])
