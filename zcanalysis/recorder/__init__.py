"""Records a transfer that is already running, or a command, in phases that do not disturb each other.

Enters: a directory and `RecordOptions` (device, phases, command). Leaves: a folder with counters.parquet,
perf.txt.zst, capture.pcap.zst and host.json. May import: clock, tables, errors, polars, zstandard and the
standard library. The sampler keeps raw bytes and parses them after the last phase, sockets are asked by
netlink, and no process is started while a window is open.
"""

from zcanalysis.recorder.plan import Phase, RecordOptions, default_plan
from zcanalysis.recorder.recording import record

__all__ = ["Phase", "RecordOptions", "default_plan", "record"]
