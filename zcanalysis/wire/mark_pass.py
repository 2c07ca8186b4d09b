"""Packets to their marks, one by one: the compiled half of `segment_marks`."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from zcanalysis.io.packet_bytes import signed
from zcanalysis.io.packet_compile import compiled
from zcanalysis.wire import mark_rules as rules
from zcanalysis.wire.mark_rules import DUPLICATE_ACK, DUPLICATE_SACK, NULL, PORT_REUSED, Segment
from zcanalysis.wire.mark_state import MASK, Memory, Numbers, Record, begin, forget_all, keep_blocks
from zcanalysis.wire.sequence_space import ACK, RST, SYN, TCP, UNKNOWN, UNTIMED, Index, slot_of

Ints = npt.NDArray[np.int64]


class Packets(NamedTuple):
    """The columns that matter, one entry a packet, nulls as zero (`ts_ns`: UNTIMED, sizes and scales: -1)."""

    ts_ns: Ints
    flow_id: npt.NDArray[np.uint64]
    known: npt.NDArray[np.uint8]  # 0: no flow
    direction: npt.NDArray[np.uint8]
    protocol: npt.NDArray[np.uint8]
    tcp_flags: npt.NDArray[np.uint16]
    seq: npt.NDArray[np.uint32]
    ack: npt.NDArray[np.uint32]
    window_raw: npt.NDArray[np.uint16]
    window_scale: npt.NDArray[np.int16]
    payload_bytes: Ints
    whole: npt.NDArray[np.uint8]  # 0: the first fragment of a datagram
    first_block: Ints  # where its SACK blocks begin; one entry more than packets
    left: npt.NDArray[np.uint32]
    right: npt.NDArray[np.uint32]


class Found(NamedTuple):
    """What was found, one entry a packet of the batch; only those of TCP packets count."""

    connection: Numbers
    bits: Numbers
    repeats: Ints
    ack_rtt_ns: Ints
    in_flight_bytes: Ints
    window_bytes: Ints
    relative_seq: Ints
    relative_ack: Ints


def new_found(count: int) -> Found:
    """Room for so many packets, not filled in."""
    return Found(
        np.empty(count, np.uint32),
        np.empty(count, np.uint32),
        *(np.empty(count, np.int64) for _ in Found._fields[2:]),
    )


@compiled
def _opens(side: Record, other: Record, flags: int, seq: int, ack: int) -> bool:
    """Whether a SYN opens another connection on ports that were used before; `sequence_space` has the same rule."""
    if not flags & SYN or side.first_seq == seq:
        return False
    if flags & ACK:
        return bool(side.first_seq != UNKNOWN and (other.first_seq + 1) & MASK != ack)
    return bool(side.first_seq != UNKNOWN or side.sent != 0)


@compiled
def _start(memory: Memory, connection: int) -> None:
    """Nothing is known of a connection, but what tells it from the next one on its ports."""
    for number in (2 * connection, 2 * connection + 1):
        forget_all(memory, memory.sides[number])
        begin(memory.sides[number])
    link = memory.connections[connection]
    link.syn_ns = UNTIMED
    link.first_rtt_ns = 0


@compiled
def _enter(memory: Memory, index: Index, slot: int, flow_id: np.uint64) -> int:
    """A new connection of a flow; what waited for ACKs of the one before is forgotten."""
    before = index.connection[slot]
    if before != UNKNOWN:
        forget_all(memory, memory.sides[2 * before])
        forget_all(memory, memory.sides[2 * before + 1])
    connection = signed(index.used[0])
    index.used[0] += 1
    index.flow_id[slot] = flow_id
    index.connection[slot] = connection
    for number in (2 * connection, 2 * connection + 1):
        memory.sides[number].first_seq = UNKNOWN
    _start(memory, connection)
    return connection


@compiled
def _connection(memory: Memory, packets: Packets, row: int, index: Index, found: Found) -> int:
    """The number of a packet's connection, a new one where it opens one."""
    slot = slot_of(index, packets.flow_id[row])
    connection, is_tcp = signed(index.connection[slot]), packets.protocol[row] == TCP
    way, flags, seq = signed(packets.direction[row]), signed(packets.tcp_flags[row]), signed(packets.seq[row])
    found.bits[row] = 0
    if connection == UNKNOWN:
        connection = _enter(memory, index, slot, packets.flow_id[row])
    elif is_tcp and _opens(
        memory.sides[2 * connection + way],
        memory.sides[2 * connection + 1 - way],
        flags,
        seq,
        signed(packets.ack[row]),
    ):
        found.bits[row] = PORT_REUSED
        connection = _enter(memory, index, slot, packets.flow_id[row])
    if is_tcp:
        side = memory.sides[2 * connection + way]
        if flags & SYN:
            side.first_seq = seq
        if not flags & RST:
            side.sent = 1
    return connection


@compiled
def _reused(memory: Memory, connection: int, side: Record, s: Segment) -> int:
    """A SYN with another number than was thought: PORT_REUSED. Once more the same: back to what is without a hole."""
    if not s.flags & SYN or side.base_seq == UNKNOWN:
        return 0
    if side.base_seq == s.seq:
        side.next_seq = side.next_seq if s.flags & ACK else side.to_be_acked
        return 0
    if s.flags & ACK:
        side.base_seq = s.seq
    else:
        _start(memory, connection)
    return PORT_REUSED


@compiled
def _bases(forward: Record, reverse: Record, s: Segment) -> None:
    """Where relative numbers count from: the SYN, or one before the first number seen."""
    if forward.base_seq == UNKNOWN:
        forward.base_seq = s.seq if s.flags & SYN else (s.seq - 1) & MASK
    if reverse.base_seq == UNKNOWN and s.flags & ACK:
        reverse.base_seq = (s.ack - 1) & MASK


@compiled
def _segment(memory: Memory, packets: Packets, row: int, connection: int, found: Found) -> None:
    """One whole TCP packet."""
    s = Segment(
        signed(packets.ts_ns[row]),
        signed(packets.tcp_flags[row]),
        signed(packets.seq[row]),
        signed(packets.ack[row]),
        signed(packets.window_raw[row]),
        signed(packets.payload_bytes[row]),
        memory.used[2] + row,
    )
    number = 2 * connection + signed(packets.direction[row])
    forward, reverse = memory.sides[number], memory.sides[number ^ 1]
    bits = _reused(memory, connection, forward, s)
    _bases(forward, reverse, s)
    forward.blocks = 0
    bits |= rules.judged(memory, connection, forward, reverse, s)
    rules.advance(memory, forward, s, bits)
    found.ack_rtt_ns[row] = rules.acknowledged(memory, reverse, s)
    found.in_flight_bytes[row] = rules.in_flight(memory, forward, reverse, s)
    found.window_bytes[row] = rules.window_bytes(forward, s)
    first, end = packets.first_block[row], packets.first_block[row + 1]
    if end > first:
        keep_blocks(memory, forward, first, end - first, packets.left, packets.right)
        bits |= DUPLICATE_SACK if rules.duplicate_sack(memory, forward, s.ack) else 0
    rules.handshake(memory.connections[connection], forward, reverse, s, signed(packets.window_scale[row]))
    found.bits[row] |= bits
    found.repeats[row] = forward.repeats if bits & DUPLICATE_ACK else NULL
    found.relative_seq[row] = (s.seq - forward.base_seq) & MASK
    found.relative_ack[row] = (s.ack - reverse.base_seq) & MASK if s.flags & ACK else NULL


@compiled
def _nothing(found: Found, row: int) -> None:
    """The numbers of a packet that cannot be judged."""
    found.repeats[row] = NULL
    found.ack_rtt_ns[row] = NULL
    found.in_flight_bytes[row] = NULL
    found.window_bytes[row] = NULL
    found.relative_seq[row] = NULL
    found.relative_ack[row] = NULL


@compiled
def follow(packets: Packets, first: int, memory: Memory, index: Index, found: Found) -> int:
    """Judge packets from row `first` on; the row to go on from: less than all when room ran out."""
    for row in range(first, packets.ts_ns.size):
        if packets.known[row] == 0:
            continue
        if index.used[0] == index.first_row.size or memory.used[0] == memory.segments.size:
            return row
        connection = _connection(memory, packets, row, index, found)
        found.connection[row] = connection
        if packets.protocol[row] == TCP and packets.whole[row] and packets.payload_bytes[row] >= 0:
            _segment(memory, packets, row, connection, found)
        else:
            _nothing(found, row)
    return packets.ts_ns.size
