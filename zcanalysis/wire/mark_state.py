"""What is remembered of each side of a connection, to judge its next packet: the memory of `mark_rules`.

One record a side, so that a packet touches two short stretches of memory however many connections there are; and
the segments that no ACK has covered yet, in one list a side, ordered by where they begin. New data goes to its end and
ACKs take from its beginning, so neither searches; the most that any packet can cost is one walk over MAX_SEGMENTS.
"""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from zcanalysis.io.packet_compile import compiled
from zcanalysis.wire.linked_list import put_between, take_out
from zcanalysis.wire.sequence_space import UNKNOWN, UNTIMED

MAX_SEGMENTS: Final = 10_000  # unacknowledged ones that a side remembers; packet-tcp.c has the same bound
MAX_BLOCKS: Final = 4  # as many SACK blocks as TCP's options hold
NO_WINDOW: Final = -1
SCALE_UNKNOWN: Final = -1
UNSCALED: Final = -2
HALF: Final = 1 << 31
MASK: Final = 0xFFFFFFFF

Ints = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.uint32]
Records = Any  # an array of records: numba knows their fields
Record = Any  # one of them

_SIDE_FIELDS: Final = (
    "number",  # its own place
    "first_seq",  # of the SYN that began the connection
    "sent",  # 1 once it sent anything but resets
    "base_seq",  # relative sequence numbers count from here
    "next_seq",  # end of what it sent
    "next_ns",  # when that was sent
    "to_be_acked",  # end of what was seen without a hole
    "last_ack",  # the rest: as in its latest packet
    "last_ns",
    "window",
    "bits",
    "repeats",  # ACKs like the one before, in a row; -1: an ACK of unseen data was told already
    "scale",
    "first_ack",  # 1 from its SYN to its next ACK, whose window may not be scaled yet
    "flight_known",  # 0 from a missing segment to the next ACK of the other side
    "oldest",  # its unacknowledged segments: lowest and highest begin
    "newest",
    "segments",
    "end",  # highest end among them
    "blocks",  # SACK blocks of its latest packet
)
_CONNECTION_FIELDS: Final = ("syn_ns", "first_rtt_ns")
_SEGMENT_FIELDS: Final = ("seq", "end", "ts_ns", "packet", "below", "above")

SIDE: Final = np.dtype([(name, np.int64) for name in _SIDE_FIELDS])
CONNECTION: Final = np.dtype([(name, np.int64) for name in _CONNECTION_FIELDS])
SEGMENT: Final = np.dtype([(name, np.int64) for name in _SEGMENT_FIELDS])


class Memory(NamedTuple):
    """Everything that lives from one batch to the next."""

    sides: Records  # 2 * connection + direction
    connections: Records
    segments: Records
    blocks: Ints  # (side, block, edge): SACK blocks of its latest packet
    used: Ints  # segments in use, first free segment, packets of earlier batches


def new_memory(connections: int, segments: int) -> Memory:
    """Room for so many connections and unacknowledged segments; the segments are all free."""
    sides, links = np.zeros(2 * connections, SIDE), np.zeros(connections, CONNECTION)
    sides["number"] = np.arange(2 * connections)
    return Memory(
        sides=sides.view(np.recarray),
        connections=links.view(np.recarray),
        segments=free_segments(segments, 0).view(np.recarray),
        blocks=np.zeros((2 * connections, MAX_BLOCKS, 2), np.int64),
        used=np.zeros(3, np.int64),
    )


def larger(memory: Memory) -> Memory:
    """Room for twice as many connections."""
    count = memory.connections.size
    fresh = new_memory(count, 0)
    fresh.sides["number"] += 2 * count
    return memory._replace(
        sides=_joined(memory.sides, fresh.sides),
        connections=_joined(memory.connections, fresh.connections),
        blocks=np.concatenate([memory.blocks, fresh.blocks]),
    )


def longer(memory: Memory) -> Memory:
    """Room for twice as many segments."""
    count = memory.segments.size
    fresh = free_segments(count, count)
    fresh["above"][-1] = memory.used[1]
    memory.used[1] = count
    return memory._replace(segments=_joined(memory.segments, fresh))


def _joined(old: npt.NDArray[Any], fresh: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.concatenate([old, fresh]).view(np.recarray)


def free_segments(count: int, first: int) -> npt.NDArray[Any]:
    """So many free segments, numbered from `first`, chained."""
    segments = np.zeros(count, SEGMENT)
    segments["above"] = np.arange(first + 1, first + count + 1)
    return segments


@compiled
def begin(side: Record) -> None:
    """Nothing is known of a side: its connection begins."""
    side.base_seq = UNKNOWN
    side.next_seq = UNKNOWN
    side.next_ns = UNTIMED
    side.to_be_acked = UNKNOWN
    side.last_ack = 0
    side.last_ns = UNTIMED
    side.window = NO_WINDOW
    side.bits = 0
    side.repeats = 0
    side.scale = SCALE_UNKNOWN
    side.first_ack = 0
    side.flight_known = 1
    side.oldest = UNKNOWN
    side.newest = UNKNOWN
    side.segments = 0
    side.end = 0
    side.blocks = 0


@compiled
def after(a: int, b: int) -> bool:
    """Whether sequence number `a` comes after `b`: less than half the space ahead."""
    ahead = (a - b) & MASK
    return 0 < ahead <= HALF


@compiled
def _last_before(segments: Records, side: Record, seq: int) -> int:
    """The highest of a side's segments that does not begin after `seq`, UNKNOWN if all do; from the nearer end."""
    below = side.newest
    if below == UNKNOWN or not after(segments[below].seq, seq):
        return int(below)
    low, high = segments[side.oldest].seq, segments[below].seq
    if (seq - low) & MASK > (high - seq) & MASK:
        while below != UNKNOWN and after(segments[below].seq, seq):
            below = segments[below].below
        return int(below)
    below, above = UNKNOWN, side.oldest
    while above != UNKNOWN and not after(segments[above].seq, seq):
        below, above = above, segments[above].above
    return int(below)


@compiled
def remember(memory: Memory, side: Record, seq: int, end: int, ts_ns: int, packet: int) -> None:
    """A segment that waits for its ACK; `mark_rules.follow` has made sure that there is room."""
    segments = memory.segments
    node = memory.used[1]
    memory.used[1] = segments[node].above
    memory.used[0] += 1
    below = _last_before(segments, side, seq)
    above = side.oldest if below == UNKNOWN else segments[below].above
    segments[node].seq = seq
    segments[node].end = end
    segments[node].ts_ns = ts_ns
    segments[node].packet = packet
    put_between(segments, side, node, below, above)
    if side.segments == 0 or after(end, side.end):
        side.end = end
    side.segments += 1


@compiled
def forget(memory: Memory, side: Record, node: int) -> None:
    """Take a segment out of its list."""
    segments = memory.segments
    take_out(segments, side, node)
    side.segments -= 1
    segments[node].above = memory.used[1]
    memory.used[1] = node
    memory.used[0] -= 1


@compiled
def forget_all(memory: Memory, side: Record) -> None:
    """Give back all segments of a side."""
    while side.segments > 0:
        forget(memory, side, side.oldest)


@compiled
def covered(memory: Memory, side: Record, ack: int) -> int:
    """Forget the segments below an ACK; the first sent of those that end there, UNKNOWN if none does."""
    segments = memory.segments
    exact, packet = UNKNOWN, 0
    node = side.oldest
    while node != UNKNOWN and after(ack, segments[node].seq):
        above = segments[node].above
        if after(segments[node].end, ack):
            segments[node].seq = ack
        else:
            if segments[node].end == ack and (exact == UNKNOWN or segments[node].packet < packet):
                exact, packet = node, segments[node].packet
            forget(memory, side, node)
        node = above
    return exact


@compiled
def waits(memory: Memory, side: Record, seq: int, end: int) -> bool:
    """Whether one remembered segment holds all of a stretch."""
    segments = memory.segments
    node = side.oldest
    while node != UNKNOWN and not after(segments[node].seq, seq):
        if not after(end, segments[node].end):
            return True
        node = segments[node].above
    return False


@compiled
def keep_blocks(memory: Memory, side: Record, first: int, count: int, left: Numbers, right: Numbers) -> None:
    """Keep the SACK blocks of a packet until its sender's next one."""
    side.blocks = min(count, MAX_BLOCKS)
    for block in range(side.blocks):
        memory.blocks[side.number, block, 0] = left[first + block]
        memory.blocks[side.number, block, 1] = right[first + block]


@compiled
def edges(memory: Memory, side: Record, block: int) -> tuple[int, int]:
    """One of the SACK blocks of a side's latest packet."""
    return memory.blocks[side.number, block, 0], memory.blocks[side.number, block, 1]
