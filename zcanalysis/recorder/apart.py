"""A recording made by a process of its own: it tells its phases, and when stopped it still writes what it saw.

So a notebook's kernel stays free to draw, and what draws is not what reads counters ten times a second.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final

from zcanalysis.errors import last_words
from zcanalysis.own_code import our_environment
from zcanalysis.recorder.plan import RecordOptions

INTERRUPTED: Final = 130


class Apart:
    """A recorder that runs beside us; it ends by itself, at the latest when its plan is over, also without us.

    Parameters
    ----------
    directory
        Where the recording goes; made if it does not exist, must be empty.
    options
        As `record` takes them, but `on_progress` is not called: `phases` tells.
    """

    def __init__(self, directory: Path, options: RecordOptions) -> None:
        self.directory = directory
        self._errors = TemporaryFile()  # noqa: SIM115 - closed when the recorder has ended
        self._process = subprocess.Popen(
            [sys.executable, "-m", "zcanalysis.recorder"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._errors, env=our_environment(), start_new_session=True,
        )  # fmt: skip
        assert self._process.stdin is not None
        with self._process.stdin as told:
            told.write(json.dumps(_document(directory, options)).encode())
        self.complaint: str | None = None
        """One line of why it failed; known once `phases` has ended, None if it did not."""
        self.stopped = False
        """Whether it was stopped before its end; known then too."""

    def phases(self) -> Iterator[tuple[str, float]]:
        """Each phase's name and the share of the plan that was done when it began, until the recorder has ended."""
        assert self._process.stdout is not None
        with self._process.stdout as said:
            for line in said:
                name, share = json.loads(line)
                yield str(name), float(share)
        status = self._process.wait()
        self.stopped = status == INTERRUPTED
        if status != 0 and not self.stopped:
            self._errors.seek(0)
            self.complaint = last_words(self._errors.read(), f"the recorder ended with status {status}")
        self._errors.close()

    def stop(self) -> None:
        """Ask it to end now; what was seen is written, then `phases` ends."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)


def _document(directory: Path, options: RecordOptions) -> dict[str, Any]:
    fields = {name: value for name, value in asdict(options).items() if name not in ("on_progress", "plan")}
    plan = [(phase.name, phase.seconds, phase.probes) for phase in options.plan]
    return fields | {"directory": str(directory), "plan": plan, "tell": True}
