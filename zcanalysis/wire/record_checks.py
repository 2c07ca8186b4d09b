"""What only a look at every record in turn can tell of a capture: the compiled half of `quality`."""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from zcanalysis.io.packet_bytes import signed
from zcanalysis.io.packet_compile import compiled
from zcanalysis.wire.sequence_space import TCP, UNKNOWN, UNTIMED, Index, Ints, Packets, slot_of

SUPER, DUPLICATED, BACKWARD = range(3)

LARGEST_MTU_BYTES: Final = 9216  # the largest that network cards and switches commonly carry
DUPLICATE_NS: Final = 100_000_000
REMEMBERED: Final = 1 << 16
PACKET: Final = np.dtype([("signature", np.uint64), ("ts_ns", np.int64)])


class Marks(NamedTuple):
    """What tells a copy and a super-packet, one entry a packet, nulls as zero."""

    ip_id: npt.NDArray[np.uint32]
    mss: npt.NDArray[np.uint16]


class Seen(NamedTuple):
    """Sides of flows (number 2 * flow + direction), packets of late, and the counts."""

    packets: Ints
    payload_bytes: Ints
    mss: Ints  # that this side announced, 0 if it has not
    late: Any  # records of PACKET, each where its signature says
    counts: Ints  # SUPER, DUPLICATED, BACKWARD, then the last time stamp


def new_seen(flows: int, remembered: int = REMEMBERED) -> Seen:
    """Room for both sides of `flows`, and for as many packets of late, a power of two."""
    seen = Seen(
        packets=np.zeros(2 * flows, np.int64),
        payload_bytes=np.zeros(2 * flows, np.int64),
        mss=np.zeros(2 * flows, np.int64),
        late=np.zeros(remembered, PACKET),
        counts=np.zeros(4, np.int64),
    )
    seen.counts[3] = UNTIMED
    return seen


@compiled
def _mixed(state: np.uint64, number: int) -> np.uint64:
    state = (state ^ np.uint64(number)) * np.uint64(0x9FB21C651E98DF25)
    return state ^ (state >> np.uint64(29))


@compiled
def is_copy(packets: Packets, marks: Marks, row: int, seen: Seen) -> bool:
    """Whether the same packet passed the tap a moment ago: a retransmission would have a new IP identification."""
    ts_ns = signed(packets.ts_ns[row])
    if marks.ip_id[row] == 0 or ts_ns == UNTIMED:
        return False
    state = packets.flow_id[row] ^ np.uint64(2 * packets.tcp_flags[row] + packets.direction[row])
    state = _mixed(state, (signed(marks.ip_id[row]) << 32) | signed(packets.seq[row]))
    state = _mixed(state, (signed(packets.ack[row]) << 32) ^ signed(packets.payload_bytes[row]))
    at = signed(state >> np.uint64(48)) & (seen.late.size - 1)
    last = seen.late[at]
    copy = bool(last.signature == state and abs(ts_ns - last.ts_ns) < DUPLICATE_NS)
    last.signature = state
    last.ts_ns = ts_ns
    return copy


@compiled
def _is_super(packets: Packets, row: int, side: int, seen: Seen) -> bool:
    """Whether a TCP packet carries more than its receiver announced, or more than any common MTU."""
    if packets.protocol[row] != TCP:
        return False
    largest = signed(seen.mss[side ^ 1])
    return signed(packets.payload_bytes[row]) > (largest if largest > 0 else LARGEST_MTU_BYTES)


@compiled
def check(packets: Packets, marks: Marks, first: int, index: Index, seen: Seen) -> int:
    """Take in packets from row `first` on; the row to go on from: less than all when room for flows ran out."""
    for row in range(first, packets.ts_ns.size):
        if packets.known[row] != 0:
            slot = slot_of(index, packets.flow_id[row])
            flow = signed(index.connection[slot])
            if flow == UNKNOWN:
                if index.used[0] == index.first_row.size:
                    return row
                flow = signed(index.used[0])
                index.used[0] += 1
                index.flow_id[slot] = packets.flow_id[row]
                index.connection[slot] = flow
            side = 2 * flow + signed(packets.direction[row])
            seen.packets[side] += 1
            seen.payload_bytes[side] += signed(packets.payload_bytes[row]) if packets.protocol[row] == TCP else 0
            if marks.mss[row] > 0:
                seen.mss[side] = marks.mss[row]
            seen.counts[SUPER] += _is_super(packets, row, side, seen)
            seen.counts[DUPLICATED] += is_copy(packets, marks, row, seen)
        if packets.ts_ns[row] != UNTIMED:
            seen.counts[BACKWARD] += packets.ts_ns[row] < seen.counts[3]
            seen.counts[3] = packets.ts_ns[row]
    return packets.ts_ns.size
