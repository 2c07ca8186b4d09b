"""A recording while it is made: its phase, the time that is left, what the device receives, and a button to stop."""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

import ipywidgets as widgets
import polars as pl
import traitlets

from zcanalysis import charts
from zcanalysis.errors import HostError
from zcanalysis.live import Received, received
from zcanalysis.rates import BITS_PER_BYTE
from zcanalysis.recorder import RecordOptions, default_plan
from zcanalysis.recorder.apart import Apart
from zcanalysis.recorder.host_facts import find_device
from zcanalysis.widgets import page_text
from zcanalysis.widgets.live_chart import LiveChart

EVERY_S: Final = 0.5
MOST_READINGS: Final = 600
BEFORE: Final = "before"
RECEIVED: Final = "received"
WORDS: Final = {
    BEFORE: "the recorder is starting", "counters": "counters, undisturbed", "sampling": "CPU samples",
    "capture": "a short capture", "trace": "tracepoints of batches", "packets": "tracepoints of packets",
    "done": "writing the recording",
}  # fmt: skip
NO_ROOT: Final = (
    "Recording needs root (samples of all CPUs, the capture, others' sockets): start JupyterLab as root, or run "
    "zcanalysis record -o DIRECTORY in a root shell and read that here."
)
SCHEMA: Final = {"ts_ns": pl.Int64, "phase": pl.String, "repeat": pl.Int64, "gbps": pl.Float64}


class Maker(Protocol):
    """What makes the recording: `Apart`, or a test's."""

    complaint: str | None
    stopped: bool

    def phases(self) -> Iterator[tuple[str, float]]:
        """Each phase's name and the share that was done when it began, until the recording has ended."""

    def stop(self) -> None:
        """End it now; what was seen is kept."""


class RecordingProgress(widgets.VBox):
    """Start, progress, stop.

    Notes
    -----
    Traits: `phase`, `share` (of the plan that is done, 0 to 1), `running`, `ended` ("recorded", "stopped", "failed", or
    empty), `trouble` (one line of why not). Attributes: `directory`, `device`, `readings` (what the device received:
    ``ts_ns``, ``phase``, ``repeat``, ``gbps``, headers included; those of the last five minutes).
    """

    phase = traitlets.Unicode("")
    share = traitlets.Float(0.0)
    running = traitlets.Bool(False)
    ended = traitlets.Unicode("")
    trouble = traitlets.Unicode("")

    def __init__(self, directory: Path, options: RecordOptions) -> None:
        self.directory, self._options = directory, options
        self.device = options.device
        self._seconds = sum(phase.seconds for phase in options.plan)
        self._readings: deque[tuple[int, str, int, float]] = deque(maxlen=MOST_READINGS)
        self._start = widgets.Button(description="Start", button_style="primary")
        self._stop = widgets.Button(description="Stop", disabled=True)
        self._bar = widgets.FloatProgress(min=0, max=1, description="progress", layout=widgets.Layout(width="60%"))
        self._says = page_text.text()
        self.chart = LiveChart(charts.rate_over_time(self._drawn(), RECEIVED))
        self._start.on_click(lambda _: self.start())
        self._stop.on_click(lambda _: self.stop())
        self.observe(lambda _: self._say(), ["running", "phase", "share", "ended", "trouble"])
        super().__init__([
            page_text.text(page_text.STYLE), widgets.HBox([self._start, self._stop, self._bar]), self._says, self.chart
        ])  # fmt: skip
        self._since, self._asked_to_stop = time.monotonic(), False
        if os.geteuid() != 0:
            self.trouble = NO_ROOT
        self._say()

    @property
    def readings(self) -> pl.DataFrame:
        """What the device received, between one reading and the next."""
        return pl.DataFrame(list(self._readings), schema=SCHEMA, orient="row")

    def start(self) -> None:
        """Begin; what stands in the way is one line in `trouble`."""
        if self.running or os.geteuid() != 0:
            return
        try:
            self.device = find_device(self._options.device)
            if self.directory.exists() and any(self.directory.iterdir()):
                raise HostError(f"{self.directory}: is not empty; a recording never overwrites, name a new directory")
            maker = Apart(self.directory, self._options)
        except (HostError, OSError) as error:
            self.trouble = str(error)
            return
        self.follow(maker, lambda: received(str(self.device)))

    def follow(self, maker: Maker, counter: Callable[[], Received]) -> None:
        """Show a recording that is being made, until it has ended; returns at once.

        Parameters
        ----------
        maker
            Makes it.
        counter
            What the device has received so far.
        """
        self._readings.clear()
        self._maker, self._turn, self._since, self._asked_to_stop = maker, 0, time.monotonic(), False
        self.trouble, self.ended, self.phase, self.share, self.running = "", "", BEFORE, 0.0, True
        over = threading.Event()
        self.threads = [
            threading.Thread(target=self._follow_phases, args=(maker, over), daemon=True),
            threading.Thread(target=self._follow_counter, args=(counter, over), daemon=True),
        ]
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        """End the recording now; what was seen is written. Asked once only: a second time would cut that short."""
        if self.running and not self._asked_to_stop:
            self._asked_to_stop = True
            self._say()
            self._maker.stop()

    # ---- in threads

    def _follow_phases(self, maker: Maker, over: threading.Event) -> None:
        try:
            for phase, share in maker.phases():
                self._since, self._turn = time.monotonic(), self._turn + 1
                self.phase, self.share = phase, share
        finally:
            over.set()
            self.trouble = maker.complaint or ""
            self.ended = "failed" if maker.complaint else "stopped" if maker.stopped else "recorded"
            self.running = False

    def _follow_counter(self, counter: Callable[[], Received], over: threading.Event) -> None:
        before = counter()
        while not over.wait(EVERY_S):
            before = self._read(counter, before)

    def _read(self, counter: Callable[[], Received], before: Received) -> Received:
        now = counter()
        if now.ts_ns > before.ts_ns:
            gbps = (now.octets - before.octets) * BITS_PER_BYTE / (now.ts_ns - before.ts_ns)
            self._readings.append((now.ts_ns, self.phase, self._turn, gbps))
            self.chart.show(charts.rate_over_time(self._drawn(), RECEIVED))
            self._say()
        return now

    # ---- what is drawn and said

    def _drawn(self) -> pl.DataFrame:
        return self.readings if self._readings else pl.DataFrame([(0, BEFORE, 0, 0.0)], schema=SCHEMA, orient="row")

    def _say(self) -> None:
        self._start.disabled = self.running or os.geteuid() != 0
        self._stop.disabled = self._asked_to_stop or not self.running
        self._bar.value = 1.0 if self.ended == "recorded" else self.share
        self._says.value = page_text.trouble(self.trouble) if self.trouble else page_text.paragraphs(*self._sentences())

    def _sentences(self) -> list[str]:
        if self.ended == "recorded":
            return [f"Recorded: {self.directory}. Next: zc.read_recording({str(self.directory)!r})."]
        if self.ended == "stopped":
            return [f"Stopped. What was seen until then is in {self.directory}."]
        if not self.running:
            what = f"{self._options.device or 'the device that receives most'} for {self._seconds:g} s"
            return [f"Ready to record {what} into {self.directory}. The transfer must be running."]
        rate = ""
        if self._readings:
            rate = f" {self.device} receives {self._readings[-1][-1]:.2f} Gbit/s, headers included."
        left = f"about {self._left_s():.0f} s left of {self._seconds:g} s" if self.phase != "done" else "nearly done"
        now = "stopping, and writing what was seen" if self._asked_to_stop else WORDS.get(self.phase, self.phase)
        return [f"Now: {now}; {left}.{rate}"]

    def _left_s(self) -> float:
        """By the plan; settling between windows, about a tenth of a second each, comes on top."""
        begun_s = 0.0 if self.phase == BEFORE else time.monotonic() - self._since
        return max((1 - self.share) * self._seconds - begun_s, 0.0)


def recording_progress(
    directory: str | Path,
    device: str | None = None,
    seconds: float = 10,
    *,
    label: str | None = None,
    command: Sequence[str] = (),
) -> RecordingProgress:
    """Record a running transfer from a notebook, and watch: phase, time left, what the device receives; root only.

    Parameters
    ----------
    directory
        Where the recording goes; made if it does not exist, must be empty.
    device
        Network device to watch; None: the one that receives most when Start is pressed.
    seconds
        Of all phases together.
    label
        Words for the report.
    command
        Argument list that starts the transfer; empty when it is running already.

    Notes
    -----
    The recorder is a process of its own, and ends by itself: it goes on if the notebook is closed.
    """
    options = RecordOptions(device=device, plan=default_plan(seconds), label=label, command=tuple(command))
    return RecordingProgress(Path(directory), options)
