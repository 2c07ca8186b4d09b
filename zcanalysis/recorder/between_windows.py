"""What is read beside the windows, never in one: reading it takes a process, or both CPUs of the transfer."""

from collections.abc import Callable, Iterable

from zcanalysis.recorder import cpu_distance
from zcanalysis.recorder.host_facts import shown_name, tool_output
from zcanalysis.recorder.kernel_text import Row, ethtool_rows
from zcanalysis.recorder.plan import Turn
from zcanalysis.recorder.processes import last_cpu
from zcanalysis.recorder.run_state import Run
from zcanalysis.recorder.sampling import Reading, Source


def read_driver(run: Run, turn: Turn) -> None:
    """Counters of the driver, just before and just after a window."""
    device = run.facts["device"]
    if text := tool_output("ethtool", "-S", device):
        _keep(run, turn, "ethtool", lambda: _driver_rows(shown_name(device), text))


def _driver_rows(device: str, text: str) -> Iterable[Row]:
    return ((device, counter, value) for _, counter, value in ethtool_rows(text))


def read_distance(run: Run, turn: Turn) -> None:
    """How far the sender's CPU is from the reader's, just before the window."""
    reading = {last_cpu(pid) for pid in run.readers} - {None}
    sending = {last_cpu(pid) for pid in run.options.sender_pids} - {None} - reading
    if run.distance is None or len(reading) != 1 or len(sending) != 1:
        return
    cpus = sorted(cpu for cpu in reading | sending if cpu is not None)
    found_ns = run.distance.round_trip_ns(*cpus)
    if found_ns is not None:
        row = ("-".join(f"cpu{cpu}" for cpu in cpus), "round_trip_ns", found_ns)
        _keep(run, turn, cpu_distance.SOURCE, lambda: [row])


def _keep(run: Run, turn: Turn, name: str, rows: Callable[[], Iterable[Row]]) -> None:
    """As if the sampler had read it now."""
    source = Source(name, lambda: b"", lambda _content: rows())
    run.sampler.readings.append(Reading(run.clock.now_ns(), turn, source, b""))
