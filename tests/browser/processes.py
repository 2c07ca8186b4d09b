"""Programs that a test starts, ended with everything they started."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

PATIENCE_S = 15


@contextmanager
def ended(pid: int, end: Callable[[], object], patience_s: float = PATIENCE_S) -> Iterator[psutil.Process]:
    """A process that runs in the body of ``with``, and at the end neither it nor what it has started.

    Parameters
    ----------
    pid
        Of the process.
    end
        Asks it to end.
    patience_s
        What has not ended then is killed, and an error.
    """
    top = psutil.Process(pid)
    try:
        yield top
    finally:
        family = [top, *top.children(recursive=True)] if top.is_running() else []
        try:
            end()
        finally:
            left = psutil.wait_procs(family, timeout=patience_s)[1]
            for one in left:
                one.kill()
    assert not left, f"had to be killed: {left}"
