"""What each TCP packet was, one by one: the compiled half of `segment_marks`, whose docstring states the rules."""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from zcanalysis.io.packet_bytes import signed
from zcanalysis.io.packet_compile import compiled
from zcanalysis.wire import mark_state as state
from zcanalysis.wire.mark_state import MASK, Memory, after
from zcanalysis.wire.sequence_space import ACK, FIN, RST, SYN, TCP, UNKNOWN, UNTIMED, Index, slot_of

RETRANSMISSION: Final = 1 << 0
FAST: Final = 1 << 1
SPURIOUS: Final = 1 << 2
OUT_OF_ORDER: Final = 1 << 3
DUPLICATE_ACK: Final = 1 << 4
LOST: Final = 1 << 5
ACK_LOST: Final = 1 << 6
ZERO_WINDOW: Final = 1 << 7
WINDOW_FULL: Final = 1 << 8
WINDOW_UPDATE: Final = 1 << 9
PROBE: Final = 1 << 10
PROBE_ACK: Final = 1 << 11
KEEP_ALIVE: Final = 1 << 12
KEEP_ALIVE_ACK: Final = 1 << 13
PORT_REUSED: Final = 1 << 14
SENT_IN_VAIN: Final = 1 << 15
DUPLICATE_SACK: Final = 1 << 16

FAST_NS: Final = 20_000_000
DISORDER_NS: Final = 3_000_000
NULL: Final = UNTIMED
CLOSED_BY_FIN: Final = 1
CLOSED_BY_RST: Final = 2
OPENING: Final = SYN | FIN | RST

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

    connection: Ints
    bits: Ints
    repeats: Ints
    ack_rtt_ns: Ints
    in_flight_bytes: Ints
    window_bytes: Ints
    relative_seq: Ints
    relative_ack: Ints


class Segment(NamedTuple):
    """One packet."""

    ts_ns: int
    flags: int
    seq: int
    ack: int
    window: int
    size: int
    packet: int


@compiled
def _new_number(side: Any, other: Any, flags: int, seq: int, ack: int) -> bool:
    """Whether a SYN opens another connection on ports that were used before; `sequence_space` has the same rule."""
    if not flags & SYN or side.first_seq == seq:
        return False
    if flags & ACK:
        return side.first_seq != UNKNOWN and (other.first_seq + 1) & MASK != ack
    return side.first_seq != UNKNOWN or side.sent != 0


@compiled
def _start(memory: Memory, connection: int) -> None:
    """Forget both sides of a connection."""
    for side in (2 * connection, 2 * connection + 1):
        state.forget_all(memory, memory.sides[side])
        state.begin(memory.sides[side])
    link = memory.connections[connection]
    link.syn_ns = UNTIMED
    link.first_rtt_ns = 0
    link.closed = 0
    link.begun = 0


@compiled
def _reused(memory: Memory, connection: int, side: Any, s: Segment) -> int:
    """What a SYN on ports that are known does to them: PORT_REUSED or nothing."""
    if not s.flags & SYN or side.base_seq == UNKNOWN:
        return 0
    if s.flags & ACK:
        if side.base_seq == s.seq:
            return 0
        side.base_seq = s.seq
    elif side.base_seq == s.seq:
        return 0
    else:
        _start(memory, connection)
    return PORT_REUSED


@compiled
def _window_marks(forward: Any, reverse: Any, s: Segment) -> int:
    """Windows, keep-alives, missing segments and repeated ACKs."""
    ordinary, expected = not s.flags & OPENING, s.seq == forward.next_seq
    if s.size == 1 and expected and reverse.window == 0:
        return PROBE
    bits = 0
    if s.window == 0 and ordinary:
        bits |= ZERO_WINDOW
    if forward.next_seq != UNKNOWN and after(s.seq, signed(forward.next_seq)) and not s.flags & RST:
        bits |= LOST
        forward.flight_known = 0
    if not ordinary:
        return bits
    if s.size <= 1 and forward.next_seq != UNKNOWN and s.seq == (forward.next_seq - 1) & MASK:
        bits |= KEEP_ALIVE
    if s.size > 0:
        return bits | _window_full(reverse, s)
    if expected and s.ack == forward.last_ack:
        bits |= _repeated(forward, reverse, s)
    return bits


@compiled
def _window_full(reverse: Any, s: Segment) -> int:
    if reverse.scale == state.SCALE_UNKNOWN or reverse.window == state.NO_WINDOW:
        return 0
    shift = 0 if reverse.first_ack or reverse.scale < 0 else signed(reverse.scale)
    full = (s.seq + s.size) & MASK == (reverse.last_ack + (signed(reverse.window) << shift)) & MASK
    return WINDOW_FULL if full else 0


@compiled
def _repeated(forward: Any, reverse: Any, s: Segment) -> int:
    """An empty packet with the numbers of the one before it."""
    if s.window != forward.window:
        return WINDOW_UPDATE if s.window else 0
    if s.window == 0:
        return PROBE_ACK if reverse.bits & PROBE else 0
    if reverse.bits & KEEP_ALIVE:
        return KEEP_ALIVE_ACK
    forward.repeats = 1 if forward.repeats < 0 else forward.repeats + 1
    return DUPLICATE_ACK


@compiled
def _acks_unseen(forward: Any, reverse: Any, s: Segment) -> int:
    """An ACK of what was never seen, told once for each hole."""
    if s.ack != forward.last_ack:
        forward.repeats = 0
    edge = signed(reverse.to_be_acked)
    if edge == UNKNOWN or not after(s.ack, edge) or not s.flags & ACK:
        return 0
    if after(signed(reverse.next_seq), edge):
        reverse.to_be_acked = reverse.next_seq
        return ACK_LOST
    bits = ACK_LOST if reverse.repeats == 0 else 0
    reverse.repeats = -1
    return bits


@compiled
def _within(ts_ns: int, since_ns: int, limit_ns: int) -> bool:
    """Whether less than the limit passed; a clock that went back says no."""
    if ts_ns == UNTIMED or since_ns == UNTIMED:
        return False
    return 0 <= ts_ns - since_ns < limit_ns


@compiled
def _repetition(memory: Memory, forward: Any, reverse: Any, s: Segment, first_rtt_ns: int) -> int:
    """Data, SYN or FIN that does not advance: why."""
    end = (s.seq + s.size) & MASK
    if s.size > 0 and reverse.last_ack != 0 and not after(end, signed(reverse.last_ack)):
        return RETRANSMISSION | SPURIOUS
    next_seq = signed(forward.next_seq)
    behind = next_seq != UNKNOWN and after(next_seq, s.seq)
    if not behind or (s.size > 1 and s.seq == (next_seq - 1) & MASK):
        return 0
    if reverse.repeats >= 2 and reverse.last_ack == s.seq and _within(s.ts_ns, signed(reverse.last_ns), FAST_NS):
        return RETRANSMISSION | FAST
    limit_ns = first_rtt_ns if first_rtt_ns else DISORDER_NS
    if _within(s.ts_ns, signed(forward.next_ns), limit_ns):
        if (end + (1 if s.flags & (SYN | FIN) else 0)) & MASK != next_seq:
            return OUT_OF_ORDER
    return RETRANSMISSION


@compiled
def _edges(side: Any, block: int) -> tuple[int, int]:
    """One of the SACK blocks of a side's latest packet."""
    if block == 0:
        return signed(side.left_0), signed(side.right_0)
    if block == 1:
        return signed(side.left_1), signed(side.right_1)
    if block == 2:  # noqa: PLR2004
        return signed(side.left_2), signed(side.right_2)
    return signed(side.left_3), signed(side.right_3)


@compiled
def _has_it(reverse: Any, s: Segment) -> bool:
    """Whether the other side said before that it has all of this payload."""
    if reverse.last_ns == UNTIMED or s.size == 0:
        return False
    end = (s.seq + s.size) & MASK
    if reverse.last_ack != 0 and not after(end, signed(reverse.last_ack)):
        return True
    for block in range(reverse.blocks):
        left, right = _edges(reverse, block)
        if not after(left, s.seq) and not after(end, right):
            return True
    return False


@compiled
def _advance(memory: Memory, forward: Any, s: Segment, bits: int) -> None:
    """Remember what was sent, and with which ACK and window."""
    next_seq = (s.seq + s.size) & MASK
    opens = s.flags & (SYN | FIN)
    if (s.size > 0 or opens) and forward.segments < state.MAX_SEGMENTS:
        if opens:
            next_seq = (next_seq + 1) & MASK
        state.remember(memory, forward, s.seq, next_seq, s.ts_ns, s.packet)
    known = signed(forward.next_seq)
    if not bits & PROBE and (known == UNKNOWN or after(next_seq, known)):
        forward.next_seq = next_seq
        forward.next_ns = s.ts_ns
    if not bits & PROBE and (forward.to_be_acked in (UNKNOWN, s.seq)):
        forward.to_be_acked = forward.next_seq
    forward.window = s.window
    forward.last_ack = s.ack
    forward.last_ns = s.ts_ns
    forward.bits = bits


@compiled
def _in_flight(memory: Memory, forward: Any, reverse: Any, s: Segment) -> int:
    """Bytes from the first unacknowledged to the last sent, without what SACK reported; NULL where not known."""
    if s.size == 0 or forward.segments == 0 or not forward.flight_known:
        return NULL
    base = signed(forward.base_seq)
    first = signed(memory.segments[forward.oldest].seq)
    in_flight = ((forward.end - base) & MASK) - ((first - base) & MASK)
    for block in range(min(signed(reverse.blocks), 3)):
        left, right = _edges(reverse, block)
        in_flight -= (right - left) & MASK
    in_flight &= MASK
    if in_flight == 0 or in_flight >= 2_000_000_000:  # noqa: PLR2004
        return NULL
    in_flight -= 1 if s.flags & (SYN | FIN) else 0
    return in_flight if in_flight else NULL


@compiled
def _blocks(packets: Packets, row: int, forward: Any) -> None:
    """Keep the SACK blocks of a packet until its sender's next one."""
    first = packets.first_block[row]
    forward.blocks = min(packets.first_block[row + 1] - first, state.MAX_BLOCKS)
    if forward.blocks > 0:
        forward.left_0, forward.right_0 = signed(packets.left[first]), signed(packets.right[first])
    if forward.blocks > 1:
        forward.left_1, forward.right_1 = signed(packets.left[first + 1]), signed(packets.right[first + 1])
    if forward.blocks > 2:  # noqa: PLR2004
        forward.left_2, forward.right_2 = signed(packets.left[first + 2]), signed(packets.right[first + 2])
    if forward.blocks > 3:  # noqa: PLR2004
        forward.left_3, forward.right_3 = signed(packets.left[first + 3]), signed(packets.right[first + 3])


@compiled
def _duplicate_sack(forward: Any, ack: int) -> bool:
    """RFC 2883: the first block lies below the ACK, or inside the second."""
    if forward.blocks == 0:
        return False
    left, right = signed(forward.left_0), signed(forward.right_0)
    if not after(right, ack):
        return True
    if forward.blocks == 1:
        return False
    return not after(signed(forward.left_1), left) and not after(right, signed(forward.right_1))


@compiled
def _handshake(link: Any, forward: Any, reverse: Any, s: Segment, scale: int) -> None:
    """Window scales, the first round trip, and what ends a connection."""
    if scale >= 0:
        forward.scale = min(scale, 14)
    if s.flags & SYN:
        forward.first_ack = 1
        if forward.scale == state.SCALE_UNKNOWN:
            forward.scale = state.UNSCALED
            reverse.scale = state.UNSCALED
        elif s.flags & ACK and reverse.scale == state.UNSCALED:
            forward.scale = state.UNSCALED
        if not s.flags & ACK:
            link.syn_ns = s.ts_ns
    elif s.flags & ACK:
        forward.first_ack = 0
        if link.syn_ns != UNTIMED and link.first_rtt_ns == 0 and s.ts_ns != UNTIMED:
            link.first_rtt_ns = s.ts_ns - link.syn_ns
    if link.begun:
        if s.flags & RST:
            link.closed |= CLOSED_BY_RST
        if s.flags & FIN and s.flags & ACK:
            link.closed |= CLOSED_BY_FIN
    link.begun = 1


@compiled
def _bases(forward: Any, reverse: Any, s: Segment) -> None:
    """Where relative numbers count from: the SYN, or one before the first number seen."""
    if forward.base_seq == UNKNOWN:
        forward.base_seq = s.seq if s.flags & SYN else (s.seq - 1) & MASK
    if reverse.base_seq == UNKNOWN and s.flags & ACK:
        reverse.base_seq = (s.ack - 1) & MASK


@compiled
def _judged(memory: Memory, connection: int, forward: Any, reverse: Any, s: Segment) -> int:
    """The marks of a packet, and all that it changes."""
    if s.flags & ACK:
        reverse.flight_known = 1
    bits = _window_marks(forward, reverse, s)
    bits |= _acks_unseen(forward, reverse, s)
    if (s.size > 0 or s.flags & (SYN | FIN)) and not bits & KEEP_ALIVE:
        again = _repetition(memory, forward, reverse, s, signed(memory.connections[connection].first_rtt_ns))
        bits |= again
    if _has_it(reverse, s) and not bits & KEEP_ALIVE:
        bits |= SENT_IN_VAIN
    return bits


@compiled
def _acknowledged(memory: Memory, reverse: Any, s: Segment) -> int:
    """Time since the packet that ends where this ACK does; NULL where there is none."""
    node = state.covered(memory, reverse, s.ack)
    if node == UNKNOWN or s.ts_ns == UNTIMED or memory.segments[node].ts_ns == UNTIMED:
        return NULL
    return s.ts_ns - signed(memory.segments[node].ts_ns)


@compiled
def _window_bytes(side: Any, s: Segment) -> int:
    if s.flags & SYN or side.scale == state.UNSCALED:
        return s.window
    return NULL if side.scale < 0 else s.window << signed(side.scale)


@compiled
def _segment(memory: Memory, packets: Packets, row: int, connection: int, found: Found, packet: int) -> None:
    """One whole TCP packet."""
    s = Segment(
        signed(packets.ts_ns[row]),
        signed(packets.tcp_flags[row]),
        signed(packets.seq[row]),
        signed(packets.ack[row]),
        signed(packets.window_raw[row]),
        signed(packets.payload_bytes[row]),
        packet,
    )
    number = 2 * connection + signed(packets.direction[row])
    forward, reverse = memory.sides[number], memory.sides[number ^ 1]
    again = _reused(memory, connection, forward, s)
    _bases(forward, reverse, s)
    forward.blocks = 0
    bits = _judged(memory, connection, forward, reverse, s)
    _advance(memory, forward, s, bits)
    found.ack_rtt_ns[row] = _acknowledged(memory, reverse, s)
    found.in_flight_bytes[row] = _in_flight(memory, forward, reverse, s)
    found.window_bytes[row] = _window_bytes(forward, s)
    _blocks(packets, row, forward)
    if _duplicate_sack(forward, s.ack):
        bits |= DUPLICATE_SACK
    _handshake(memory.connections[connection], forward, reverse, s, signed(packets.window_scale[row]))
    found.bits[row] |= bits | again
    found.repeats[row] = forward.repeats if bits & DUPLICATE_ACK else NULL
    found.relative_seq[row] = (s.seq - forward.base_seq) & MASK
    found.relative_ack[row] = (s.ack - reverse.base_seq) & MASK if s.flags & ACK else NULL


@compiled
def _connection(memory: Memory, packets: Packets, row: int, index: Index) -> int:
    """The number of a packet's connection, a new one where it opens one."""
    slot = slot_of(index, packets.flow_id[row])
    connection = signed(index.connection[slot])
    way, flags = signed(packets.direction[row]), signed(packets.tcp_flags[row])
    seq, is_tcp = signed(packets.seq[row]), packets.protocol[row] == TCP
    fresh = connection == UNKNOWN
    if not fresh and is_tcp:
        side, other = memory.sides[2 * connection + way], memory.sides[2 * connection + 1 - way]
        fresh = _new_number(side, other, flags, seq, signed(packets.ack[row]))
    if fresh:
        connection = signed(index.used[0])
        index.used[0] += 1
        index.flow_id[slot] = packets.flow_id[row]
        index.connection[slot] = connection
        for new in (2 * connection, 2 * connection + 1):
            memory.sides[new].first_seq = UNKNOWN
            memory.sides[new].sent = 0
            memory.sides[new].segments = 0
        _start(memory, connection)
    if is_tcp:
        side = memory.sides[2 * connection + way]
        if flags & SYN:
            side.first_seq = seq
        if not flags & RST:
            side.sent = 1
    return connection


@compiled
def follow(packets: Packets, first: int, count: int, memory: Memory, index: Index, found: Found) -> int:
    """Judge packets from row `first` on; the row to go on from: less than all when room ran out."""
    for row in range(first, packets.ts_ns.size):
        if packets.known[row] == 0:
            continue
        if index.used[0] == index.first_row.size or memory.used[0] == memory.segments.size:
            return row
        slot = slot_of(index, packets.flow_id[row])
        before = signed(index.connection[slot])
        connection = _connection(memory, packets, row, index)
        found.connection[row] = connection
        if packets.protocol[row] != TCP:
            continue
        found.bits[row] = PORT_REUSED if before not in (UNKNOWN, connection) else 0
        if packets.whole[row] and packets.payload_bytes[row] >= 0:
            _segment(memory, packets, row, connection, found, count + row)
        else:
            found.repeats[row] = NULL
            found.ack_rtt_ns[row] = NULL
            found.in_flight_bytes[row] = NULL
            found.window_bytes[row] = NULL
            found.relative_seq[row] = NULL
            found.relative_ack[row] = NULL
    return packets.ts_ns.size
