"""What each TCP packet was: one rule after the other, in the order in which they exclude each other.

Compiled for `mark_pass`; the docstring of `segment_marks.marks` says what the rules are and where they come from.
`forward` is what is remembered of the side that sent the packet, `reverse` of the other one.
"""

from typing import Final, NamedTuple

from zcanalysis.io.packet_compile import compiled
from zcanalysis.wire import mark_state as state
from zcanalysis.wire.mark_state import MASK, Memory, Record, after
from zcanalysis.wire.sequence_space import ACK, FIN, RST, SYN, UNKNOWN, UNTIMED

MARK_BITS: Final = (
    "retransmission",
    "fast_retransmission",
    "spurious_retransmission",
    "out_of_order",
    "duplicate_ack",
    "lost_segment",
    "ack_lost_segment",
    "zero_window",
    "window_full",
    "window_update",
    "zero_window_probe",
    "zero_window_probe_ack",
    "keep_alive",
    "keep_alive_ack",
    "port_reused",
    "seen_before",
    "sent_in_vain",
    "in_sack_hole",
    "duplicate_sack",
)
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
SEEN_BEFORE: Final = 1 << 15
SENT_IN_VAIN: Final = 1 << 16
IN_SACK_HOLE: Final = 1 << 17
DUPLICATE_SACK: Final = 1 << 18

OPENS_OR_ENDS: Final = SYN | FIN | RST
FAST_NS: Final = 20_000_000
DISORDER_NS: Final = 3_000_000  # where no handshake told the round trip
ENOUGH_REPEATS: Final = 2
BLOCKS_IN_FLIGHT: Final = 3  # as many SACK blocks fit beside time stamps; packet-tcp.c counts no more
TOO_MUCH_IN_FLIGHT: Final = 2_000_000_000
MAX_SCALE: Final = 14  # RFC 7323
NULL: Final = UNTIMED


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
def _window_marks(forward: Record, reverse: Record, s: Segment) -> int:
    """Windows, keep-alives, missing segments and repeated ACKs."""
    ordinary, expected = not s.flags & OPENS_OR_ENDS, s.seq == forward.next_seq
    if s.size == 1 and expected and reverse.window == 0:
        return PROBE
    bits = 0
    if s.window == 0 and ordinary:
        bits |= ZERO_WINDOW
    if forward.next_seq != UNKNOWN and after(s.seq, forward.next_seq) and not s.flags & RST:
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
def _window_full(reverse: Record, s: Segment) -> int:
    if reverse.scale == state.SCALE_UNKNOWN or reverse.window == state.NO_WINDOW:
        return 0
    shift = 0 if reverse.first_ack or reverse.scale < 0 else reverse.scale
    full = (s.seq + s.size) & MASK == (reverse.last_ack + (reverse.window << shift)) & MASK
    return WINDOW_FULL if full else 0


@compiled
def _repeated(forward: Record, reverse: Record, s: Segment) -> int:
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
def _acks_unseen(forward: Record, reverse: Record, s: Segment) -> int:
    """An ACK of what was never seen, told once for each hole."""
    if s.ack != forward.last_ack:
        forward.repeats = 0
    edge = reverse.to_be_acked
    if edge == UNKNOWN or not after(s.ack, edge) or not s.flags & ACK:
        return 0
    if after(reverse.next_seq, edge):
        reverse.to_be_acked = reverse.next_seq
        return ACK_LOST
    bits = ACK_LOST if reverse.repeats == 0 else 0
    reverse.repeats = -1
    return bits


@compiled
def _within(ts_ns: int, since_ns: int, limit_ns: int) -> bool:
    """Whether less than the limit passed; a clock that went back says no."""
    if UNTIMED in (ts_ns, since_ns):
        return False
    return 0 <= ts_ns - since_ns < limit_ns


@compiled
def _repetition(forward: Record, reverse: Record, s: Segment, first_rtt_ns: int) -> int:
    """Data, SYN or FIN that does not advance: why."""
    end = (s.seq + s.size) & MASK
    if s.size > 0 and reverse.last_ack != 0 and not after(end, reverse.last_ack):
        return RETRANSMISSION | SPURIOUS
    next_seq = forward.next_seq
    behind = next_seq != UNKNOWN and after(next_seq, s.seq)
    if not behind or (s.size > 1 and s.seq == (next_seq - 1) & MASK):
        return 0
    if reverse.repeats >= ENOUGH_REPEATS and reverse.last_ack == s.seq and _within(s.ts_ns, reverse.last_ns, FAST_NS):
        return RETRANSMISSION | FAST
    limit_ns = first_rtt_ns if first_rtt_ns else DISORDER_NS
    is_last = (end + (1 if s.flags & (SYN | FIN) else 0)) & MASK == next_seq
    return OUT_OF_ORDER if not is_last and _within(s.ts_ns, forward.next_ns, limit_ns) else RETRANSMISSION


@compiled
def _evidence(memory: Memory, forward: Record, reverse: Record, s: Segment) -> int:
    """What the capture itself and the other side's latest ACK and SACK blocks say of a payload."""
    next_seq, acked, end = forward.next_seq, reverse.last_ack, (s.seq + s.size) & MASK
    if s.size == 0 or next_seq == UNKNOWN or not after(next_seq, s.seq):
        return 0
    bits = SEEN_BEFORE if state.waits(memory, forward, s.seq, end) else 0
    if acked == 0:
        return bits
    if not after(end, acked):
        return bits | SENT_IN_VAIN
    hole = False
    for block in range(reverse.blocks):
        left, right = state.edges(memory, reverse, block)
        if not after(left, s.seq) and not after(end, right):
            return bits | SENT_IN_VAIN
        hole |= after(left, acked) and not after(acked, s.seq) and not after(end, left)
    return bits | IN_SACK_HOLE if hole else bits


@compiled
def judged(memory: Memory, connection: int, forward: Record, reverse: Record, s: Segment) -> int:
    """The marks of a packet, and all that it changes."""
    if s.flags & ACK:
        reverse.flight_known = 1
    bits = _window_marks(forward, reverse, s)
    bits |= _acks_unseen(forward, reverse, s)
    if (s.size > 0 or s.flags & (SYN | FIN)) and not bits & KEEP_ALIVE:
        again = _repetition(forward, reverse, s, memory.connections[connection].first_rtt_ns)
        again |= _evidence(memory, forward, reverse, s)
        bits |= again
    return bits


@compiled
def advance(memory: Memory, forward: Record, s: Segment, bits: int) -> None:
    """Remember what was sent, and with which ACK and window."""
    numbers = s.size + (1 if s.flags & (SYN | FIN) else 0)
    next_seq = (s.seq + numbers) & MASK
    if numbers > 0 and forward.segments < state.MAX_SEGMENTS:
        state.remember(memory, forward, s.seq, next_seq, s.ts_ns, s.packet)
    known = forward.next_seq
    counts = not bits & PROBE and not (s.flags & RST and s.seq == 0)  # RFC 9293: 0 stands for no number in a reset
    if counts and (known == UNKNOWN or after(next_seq, known)):
        forward.next_seq = next_seq
        forward.next_ns = s.ts_ns
    if counts and forward.to_be_acked in (UNKNOWN, s.seq):
        forward.to_be_acked = forward.next_seq
    forward.window = s.window
    forward.last_ack = s.ack
    forward.last_ns = s.ts_ns
    forward.bits = bits


@compiled
def in_flight(memory: Memory, forward: Record, reverse: Record, s: Segment) -> int:
    """Bytes from the first unacknowledged to the last sent, without what SACK reported; NULL where not known."""
    if s.size == 0 or forward.segments == 0 or not forward.flight_known:
        return NULL
    base = forward.base_seq
    first = memory.segments[forward.oldest].seq
    waiting = ((forward.end - base) & MASK) - ((first - base) & MASK)
    for block in range(min(reverse.blocks, BLOCKS_IN_FLIGHT)):
        left, right = state.edges(memory, reverse, block)
        waiting -= (right - left) & MASK
    waiting &= MASK
    if waiting == 0 or waiting >= TOO_MUCH_IN_FLIGHT:
        return NULL
    waiting -= 1 if s.flags & (SYN | FIN) else 0
    return waiting if waiting else NULL


@compiled
def duplicate_sack(memory: Memory, forward: Record, ack: int) -> bool:
    """Whether the first SACK block of a packet lies below its ACK, or inside the second block (RFC 2883)."""
    if forward.blocks == 0:
        return False
    left, right = state.edges(memory, forward, 0)
    if not after(right, ack):
        return True
    if forward.blocks == 1:
        return False
    outer_left, outer_right = state.edges(memory, forward, 1)
    return not after(outer_left, left) and not after(right, outer_right)


@compiled
def handshake(link: Record, forward: Record, reverse: Record, s: Segment, scale: int) -> None:
    """Window scales and the first round trip."""
    if scale >= 0:
        forward.scale = min(scale, MAX_SCALE)
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


@compiled
def acknowledged(memory: Memory, reverse: Record, s: Segment) -> int:
    """Time since the packet that ends where this ACK does; NULL where there is none."""
    node = state.covered(memory, reverse, s.ack)
    if node == UNKNOWN or s.ts_ns == UNTIMED or memory.segments[node].ts_ns == UNTIMED:
        return NULL
    took_ns = int(s.ts_ns - memory.segments[node].ts_ns)
    return took_ns if took_ns >= 0 else NULL


@compiled
def window_bytes(side: Record, s: Segment) -> int:
    """The window that a packet advertises; NULL where its scale is not known."""
    if s.flags & SYN or side.scale == state.UNSCALED:
        return s.window
    return NULL if side.scale < 0 else s.window << side.scale
