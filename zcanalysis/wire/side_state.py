"""What an account of TCP remembers: one record a side, one a stretch that waits for its ACK, and a tally of values.

Records, not columns: a packet touches many numbers of the two sides of one connection, and in records they share
cache lines, which is what counts with 100,000 connections.
"""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from zcanalysis.wire.sequence_space import NEVER, UNKNOWN, UNTIMED, Ints

Records = Any  # numpy's structured arrays and their records: numba knows the fields, mypy does not
Column = npt.NDArray[Any]

COUNTS: Final = (
    "data_packets",
    "keep_alives",
    "window_probes",
    "resets",
    "syns",
    "fins",
    "duplicated_packets",
    "duplicated_bytes",
    "resent_packets",
    "resent_bytes",
    "recovered_packets",
    "out_of_order_packets",
    "spurious_packets",
    "spurious_bytes",
    "pure_acks",
    "duplicate_acks",
    "sack_packets",
    "dsack_packets",
    "zero_windows",
    "zero_window_ns",
    "ce_packets",
    "ect_packets",
    "ece_packets",
    "cwr_packets",
    "super_packets",
    "wire_packets",
    "unsized_packets",
    "largest_payload_bytes",
    "rtt_samples",
    "rtt_sum_ns",
    "rtt_max_ns",
    "rtt_ts_samples",
    "ack_delay_samples",
    "delayed_ack_stalls",
    "advancing_acks",
    "acked_bytes",
    "single_acks",
    "quick_run",
    "quick_ack_phases",
    "in_flight_max_bytes",
    "window_max_bytes",
    "idle_periods",
    "idle_ns",
    "stall_ns",
    "stall_cause",
    "waiting",
    "echoes",
    "ack_seen",
    "timestamps",
    "sack_permitted",
    "syn_flags",
    "mss",
    "scaling",
    "first",
    "acked",
    "tsval",
    "top_tsval",
    "lost_bytes",
)
UNKNOWNS: Final = ("top", "oldest", "newest", "echo_oldest", "echo_newest", "scale", "shift", "window", "window_last")
UNTIMEDS: Final = (
    "syn_ns",
    "zero_since_ns",
    "zero_until_ns",
    "resent_ns",
    "hole_ns",
    "data_ns",
    "clear_ns",
    "stall_at_ns",
)
NEVERS: Final = ("rtt_min_ns", "rtt_ts_min_ns", "handshake_ns", "window_min_bytes", "ack_delay_min_ns")
SIDE: Final = np.dtype([(name, np.int64) for name in (*COUNTS, *UNKNOWNS, *UNTIMEDS, *NEVERS)])
STRETCH: Final = np.dtype([(name, np.int64) for name in ("start", "end", "ts_ns", "again", "below", "above")])


class Details(NamedTuple):
    """What `Packets` does not have, one entry a packet, nulls as zero."""

    window_raw: npt.NDArray[np.uint16]
    mss: npt.NDArray[np.uint16]
    scaled: npt.NDArray[np.uint8]  # 1: says how far windows are shifted
    scale: npt.NDArray[np.uint8]
    sack_permitted: npt.NDArray[np.uint8]
    timed: npt.NDArray[np.uint8]  # 1: has timestamps
    tsval: npt.NDArray[np.uint32]
    tsecr: npt.NDArray[np.uint32]
    ecn: npt.NDArray[np.uint8]
    sacks: npt.NDArray[np.uint8]
    left: npt.NDArray[np.uint32]  # of the first block
    right: npt.NDArray[np.uint32]
    next_left: npt.NDArray[np.uint32]  # of the second
    next_right: npt.NDArray[np.uint32]


class Account(NamedTuple):
    """All that grows, and the counters of what is used."""

    sides: Records
    stretches: Records
    tally: Records  # by open addressing
    used: Ints  # stretches, first free stretch, entries of the tally


def new_sides(connections: int) -> Records:
    """Both sides of `connections` that have not said anything."""
    sides = np.zeros(2 * connections, SIDE)
    for names, nothing in ((UNKNOWNS, UNKNOWN), (UNTIMEDS, UNTIMED), (NEVERS, NEVER)):
        for name in names:
            sides[name] = nothing
    return sides


def new_stretches(count: int, first: int = 0) -> Records:
    """`count` free ones, numbered from `first`."""
    stretches = np.zeros(count, STRETCH)
    stretches["above"] = np.arange(first + 1, first + count + 1)
    return stretches
