"""What each moment of a connection waited for, packet by packet: the compiled half of `captured_limits`.

Between two packets of a connection the time belongs to whatever the second one had been waiting for, as in the kernel's
own chronographs (net/ipv4/tcp_output.c tcp_chrono_start), but told from what passed the tap. Time is gathered in
slices, so that what is kept grows with connections and slices, never with packets.
"""
# ruff: noqa: PLR0913, PLR0917 - compiled loops take numbers

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from zcanalysis.io.packet_bytes import signed
from zcanalysis.io.packet_compile import compiled
from zcanalysis.wire.sequence_space import ACK, FIN, REACH, RST, SYN, UNKNOWN, Index, Ints, slot_of, unwrapped

APPLICATION, DELAYED_ACK, LOSS, CLOSED, MOVING = range(5)
"""What a moment is waited through: for the sending application; for an ACK that the receiver holds back; for what was
lost to be repaired; for a window that is used up; for nothing but data and ACKs on their way."""
CAUSES: Final = 5
OPEN: Final = -1  # only the next packet will tell

SLICE_NS: Final = 100_000_000
# Linux holds an ACK back for 40 ms at least (include/net/tcp.h TCP_DELACK_MIN), others for up to 200 (RFC 1122: 500)
LEAST_DELAY_NS: Final = 20_000_000
ANSWERED_NS: Final = 5_000_000
IDLE_ROUND_TRIPS: Final = 3
LEAST_IDLE_NS: Final = 300_000
TIMESTAMP_BYTES: Final = 12
LARGEST_MSS: Final = 9000
DATA, OTHER = 1, 0

FROM_NS, TO_NS, CONNECTION, RTT_NS, IDLES = range(5)
NS: Final = 5
BYTES, PACKETS, LOST, WINDOWS, WINDOW_SUM, WINDOW_MOST = (NS + CAUSES + 2 * at for at in range(6))
FIELDS: Final = NS + CAUSES + 12
"""Columns of a slice: after five of its own, time by cause, then pairs: a figure for the data of each direction."""


class Segments(NamedTuple):
    """The columns that matter, one entry a packet, nulls as zero but where said."""

    ts_ns: Ints
    flow_id: npt.NDArray[np.uint64]
    known: npt.NDArray[np.uint8]  # 0: no TCP, or no time
    direction: npt.NDArray[np.uint8]
    tcp_flags: npt.NDArray[np.uint16]
    seq: npt.NDArray[np.uint32]
    ack: npt.NDArray[np.uint32]
    payload_bytes: Ints
    window_raw: npt.NDArray[np.uint16]
    window_scale: npt.NDArray[np.int8]  # UNKNOWN where there is no option
    ip_id: npt.NDArray[np.uint32]
    tsval: npt.NDArray[np.uint32]
    tsecr: npt.NDArray[np.uint32]
    mss: npt.NDArray[np.uint16]


class Ends(NamedTuple):
    """Both sides of each connection, number 2 * connection + direction, and the data that each sends."""

    first_seq: Ints  # of its SYN
    syn_ns: Ints
    shift: Ints  # of the windows it announces; UNKNOWN before its SYN, NO_SHIFT without the option
    top: Ints  # end of its data
    acked: Ints
    edge: Ints  # how far the other side lets it send
    window: Ints  # the other side's latest; UNKNOWN while the scale is
    window_most: Ints
    raw: Ints  # that before scaling
    stopped: Ints  # whether it was used up, or may have been, until the other side's latest window
    mss_option: Ints  # of its SYN
    largest: Ints  # its largest payload
    small: Ints  # whether its latest data did not fill its last segment
    recover: Ints  # until this is acknowledged something lost is being repaired
    copy_seq: Ints  # of its latest packet, to tell copies
    copy_id: Ints
    probe: Ints  # a time stamp of its own whose echo is awaited
    probe_ns: Ints
    half_ns: Ints  # shortest time until an echo


class Lives(NamedTuple):
    """Each connection: when it was seen last, and its slice."""

    last_ns: Ints
    last_side: Ints
    last_kind: Ints
    rtt_ns: Ints  # of the handshake
    held_ns: Ints  # a wait for an ACK that may have been held back, until the next packet tells
    held_side: Ints
    slice: npt.NDArray[np.int64]  # (connections, FIELDS)


NO_SHIFT: Final = -2
NOTHING: Final = 1 << 62


def new_ends(connections: int) -> Ends:
    """Room for both sides of `connections`."""
    ends = Ends(*(np.full(2 * connections, UNKNOWN, np.int64) for _ in Ends._fields))
    for column in (ends.window_most, ends.stopped, ends.mss_option, ends.largest, ends.small):
        column.fill(0)
    ends.half_ns.fill(NOTHING)
    return ends


def new_lives(connections: int) -> Lives:
    """Room for `connections`."""
    last_ns, last_side, last_kind, rtt_ns, held_side = (np.full(connections, UNKNOWN, np.int64) for _ in range(5))
    held_ns, own = np.zeros(connections, np.int64), np.zeros((connections, FIELDS), np.int64)
    return Lives(last_ns, last_side, last_kind, rtt_ns, held_ns, held_side, own)


@compiled
def _close(lives: Lives, ends: Ends, life: int, to_ns: int, slices: Ints, used: Ints) -> None:
    """End a connection's slice and begin the next; one without time is no slice."""
    own = lives.slice[life]
    if to_ns > own[FROM_NS]:
        own[TO_NS], own[CONNECTION], own[RTT_NS] = to_ns, life, _round_trip(lives, ends, life)
        own[WINDOW_MOST], own[WINDOW_MOST + 1] = ends.window_most[2 * life], ends.window_most[2 * life + 1]
        for at in range(FIELDS):
            slices[used[0], at] = own[at]
        used[0] += 1
        own[:] = 0
    own[FROM_NS] = to_ns


@compiled
def _round_trip(lives: Lives, ends: Ends, life: int) -> int:
    """That of the handshake, else of both halves by echoed time stamps; UNKNOWN."""
    if lives.rtt_ns[life] != UNKNOWN:
        return signed(lives.rtt_ns[life])
    there_ns, back_ns = signed(ends.half_ns[2 * life]), signed(ends.half_ns[2 * life + 1])
    return there_ns + back_ns if max(there_ns, back_ns) < NOTHING else UNKNOWN


@compiled
def _is_idle(lives: Lives, ends: Ends, side: int, gap_ns: int) -> bool:
    """Whether a side with nothing under way was silent for longer than the network explains."""
    if ends.acked[side] < ends.top[side]:
        return False
    if ends.stopped[side] == 1 or (ends.window[side] == UNKNOWN and ends.raw[side] < _segment_bytes(ends, side)):
        return False
    rtt_ns = _round_trip(lives, ends, side >> 1)
    # a sender stopped by its congestion window, or by losing all that it sent, ends with a whole segment
    if rtt_ns == UNKNOWN or ends.small[side] == 0:
        return False
    return gap_ns >= LEAST_IDLE_NS and gap_ns // IDLE_ROUND_TRIPS >= rtt_ns


@compiled
def _is_used_up(ends: Ends, side: int) -> bool:
    """Whether the window leaves no room for a segment."""
    if ends.top[side] == UNKNOWN:
        return False
    if ends.raw[side] == 0:
        return True
    if ends.window[side] == UNKNOWN:
        return False
    return signed(ends.edge[side]) - signed(ends.top[side]) < _segment_bytes(ends, side)


@compiled
def _segment_bytes(ends: Ends, side: int) -> int:
    """A full segment of a side: by both SYNs, else the largest seen."""
    mine, other = signed(ends.mss_option[side]), signed(ends.mss_option[side ^ 1])
    if mine > 0 and other > 0:
        stamped = ends.probe[side] != UNKNOWN
        return max(min(mine, other) - (TIMESTAMP_BYTES if stamped else 0), 1)
    return min(max(signed(ends.largest[side]), 1), LARGEST_MSS)


@compiled
def _settle(lives: Lives, life: int, side: int, fresh: bool, gap_ns: int) -> bool:
    """Whether a wait for an ACK was the receiver's to shorten: the sender, released, sent at once."""
    held_ns = signed(lives.held_ns[life])
    if held_ns == 0:
        return False
    lives.held_ns[life] = 0
    released = fresh and lives.held_side[life] == side and gap_ns <= max(ANSWERED_NS, held_ns // 4)
    lives.slice[life, NS + (DELAYED_ACK if released else APPLICATION)] += held_ns
    return released


@compiled
def _end(lives: Lives, ends: Ends, life: int, slices: Ints, used: Ints) -> None:
    """Nothing more comes of a connection: no packet will tell what it waited for at last."""
    _settle(lives, life, UNKNOWN, False, 0)
    _close(lives, ends, life, signed(lives.last_ns[life]), slices, used)


@compiled
def _data_cause(  # noqa: PLR0911 - one for each cause
    lives: Lives, ends: Ends, side: int, start: int, end: int, gap_ns: int
) -> int:
    """What a packet with payload had been waiting for."""
    life, top = side >> 1, signed(ends.top[side])
    if top == UNKNOWN:
        return MOVING
    if _is_probe(ends, side, start, end):
        _settle(lives, life, side, False, gap_ns)
        return CLOSED
    fresh = start == top
    if _settle(lives, life, side, fresh, gap_ns):
        return DELAYED_ACK
    if not fresh and end - start <= 1 and start == top - 1:  # keep-alive: one byte that was sent before
        return APPLICATION
    if start != top:  # a segment again, or one before it is missing
        lives.slice[life, LOST + (side & 1)] += 1
        ends.recover[side] = max(signed(ends.recover[side]), end, top)
        return LOSS
    if ends.recover[side] != UNKNOWN:
        return LOSS
    if _is_used_up(ends, side) or (ends.stopped[side] == 1 and ends.window[side] != UNKNOWN):
        return CLOSED  # also while the news that it is open again is on its way
    answers = lives.last_kind[life] == DATA and lives.last_side[life] != side
    if answers and ends.small[side] == 1 and ends.acked[side] >= top:
        return APPLICATION
    if _is_idle(lives, ends, side, gap_ns):
        lives.slice[life, IDLES] += 1
        return APPLICATION
    return MOVING


@compiled
def _is_probe(ends: Ends, side: int, start: int, end: int) -> bool:
    """Whether a packet asks a closed window for news: a byte, or old data (RFC 9293, section 3.8.6.1)."""
    top = signed(ends.top[side])
    return ends.raw[side] == 0 and (start < top or (start == top and end - start <= 1))


@compiled
def _ack_cause(lives: Lives, ends: Ends, side: int, position: int, gap_ns: int) -> int:
    """What an ACK of this side's data had been waiting for; OPEN while only the next packet can tell."""
    life, top = side >> 1, signed(ends.top[side])
    _settle(lives, life, side, False, gap_ns)
    if top == UNKNOWN:
        return MOVING
    if ends.recover[side] != UNKNOWN:
        return LOSS
    if _is_used_up(ends, side):
        return CLOSED
    under_way = top - ends.acked[side]
    if 0 < under_way <= 2 * _segment_bytes(ends, side) and position >= top and gap_ns >= LEAST_DELAY_NS:
        lives.held_ns[life], lives.held_side[life] = gap_ns, side
        return OPEN
    if under_way <= 0 and _is_idle(lives, ends, side, gap_ns):
        return APPLICATION
    return MOVING


@compiled
def _shift_of(ends: Ends, side: int) -> int:
    """How a side's windows are scaled: only if both SYNs say they are (RFC 7323); UNKNOWN unless both were seen."""
    mine, other = signed(ends.shift[side]), signed(ends.shift[side ^ 1])
    if mine == UNKNOWN or other == UNKNOWN:  # noqa: PLR1714 - compiled
        return UNKNOWN
    return min(mine, 14) if mine >= 0 and other >= 0 else 0


@compiled
def _acknowledge(lives: Lives, ends: Ends, side: int, position: int, raw: int, shift: int) -> None:
    """An ACK and a window for this side's data."""
    if position - ends.top[side] > REACH or ends.top[side] - position > REACH:
        return
    ends.top[side] = max(signed(ends.top[side]), position)  # what the capture missed
    ends.acked[side] = max(signed(ends.acked[side]), position)
    if ends.recover[side] != UNKNOWN and ends.acked[side] >= ends.recover[side]:
        ends.recover[side] = UNKNOWN
    unsure = ends.window[side] == UNKNOWN and ends.raw[side] < _segment_bytes(ends, side)
    if _is_used_up(ends, side) or (unsure and ends.raw[side] != UNKNOWN):
        ends.stopped[side] = 1
    ends.raw[side] = raw
    if shift == UNKNOWN:
        return
    window = raw << shift
    ends.window[side] = window
    ends.window_most[side] = max(signed(ends.window_most[side]), window)
    ends.edge[side] = max(signed(ends.edge[side]), position + window)
    own = lives.slice[side >> 1]
    own[WINDOWS + (side & 1)] += 1 if window > 0 else 0
    own[WINDOW_SUM + (side & 1)] += window


@compiled
def _time_echoes(ends: Ends, packets: Segments, row: int, side: int) -> None:
    """Time until a time stamp comes back: half a round trip, as this tap sees it (RFC 7323, section 4.1)."""
    value, echo, ts_ns = signed(packets.tsval[row]), signed(packets.tsecr[row]), signed(packets.ts_ns[row])
    if value == 0:
        return
    other = side ^ 1
    if ends.probe[other] != UNKNOWN and echo == ends.probe[other] and ts_ns >= ends.probe_ns[other]:
        ends.half_ns[other] = min(signed(ends.half_ns[other]), ts_ns - ends.probe_ns[other])
        ends.probe[other] = NO_SHIFT - ends.probe[other]  # answered: the same value is no new question
    answered = ends.probe[side] < UNKNOWN and NO_SHIFT - ends.probe[side] == value
    if ends.probe[side] != value and not answered:
        ends.probe[side], ends.probe_ns[side] = value, ts_ns


@compiled
def _open(lives: Lives, ends: Ends, packets: Segments, row: int, side: int) -> None:
    """A SYN."""
    seq = signed(packets.seq[row])
    if ends.first_seq[side] == UNKNOWN:
        ends.first_seq[side] = seq
        ends.top[side] = ((seq + 1) & 0xFFFFFFFF) + 4 * REACH
        ends.acked[side] = ends.top[side]
    scale = signed(packets.window_scale[row])
    ends.shift[side] = scale if scale >= 0 else NO_SHIFT
    ends.syn_ns[side] = packets.ts_ns[row]
    ends.mss_option[side] = packets.mss[row]


@compiled
def _handshake(lives: Lives, ends: Ends, side: int, ts_ns: int) -> None:
    """The third packet: a whole round trip has passed since the first, whatever the tap."""
    life, other = side >> 1, side ^ 1
    opened = ends.syn_ns[side] != UNKNOWN and ends.syn_ns[other] >= ends.syn_ns[side]
    if lives.rtt_ns[life] == UNKNOWN and opened and lives.last_side[life] == other:
        lives.rtt_ns[life] = max(ts_ns - ends.syn_ns[side], 1)


@compiled
def _segment(lives: Lives, ends: Ends, packets: Segments, row: int, side: int, gap_ns: int) -> int:
    """What the packet had been waiting for; what is known of both sides moves on."""
    flags, size = packets.tcp_flags[row], signed(packets.payload_bytes[row])
    seq, copy_id = signed(packets.seq[row]), signed(packets.ip_id[row])
    if copy_id != 0 and seq == ends.copy_seq[side] and copy_id == ends.copy_id[side]:
        return MOVING
    ends.copy_seq[side], ends.copy_id[side] = seq, copy_id
    cause, other = MOVING, side ^ 1
    if flags & RST:
        return MOVING
    if flags & SYN:
        _open(lives, ends, packets, row, side)
        size = 0
    position = unwrapped(signed(packets.ack[row]), signed(ends.top[other])) if ends.top[other] != UNKNOWN else UNKNOWN
    if size > 0:
        if ends.top[side] == UNKNOWN:
            ends.top[side] = seq + 4 * REACH
            ends.acked[side] = ends.top[side]
        start = unwrapped(seq, signed(ends.top[side]))
        cause = _data_cause(lives, ends, side, start, start + size, gap_ns)
        if _is_probe(ends, side, start, start + size):
            size = 0  # it comes again with the rest once the window is open
        own = lives.slice[side >> 1]
        own[BYTES + (side & 1)] += max(start + size - max(start, signed(ends.top[side])), 0)
        own[PACKETS + (side & 1)] += 1
        ends.stopped[side] = 0
        ends.largest[side] = max(signed(ends.largest[side]), size)
        ends.small[side] = 1 if size % _segment_bytes(ends, side) else 0
        ends.top[side] = max(signed(ends.top[side]), start + size)
    elif flags & ACK and not flags & (SYN | FIN) and position != UNKNOWN:
        _handshake(lives, ends, side, signed(packets.ts_ns[row]))
        cause = _ack_cause(lives, ends, other, position, gap_ns)
    elif flags & FIN and _is_idle(lives, ends, side, gap_ns):
        cause = APPLICATION
    if flags & ACK and not flags & SYN and position != UNKNOWN:
        _acknowledge(lives, ends, other, position, signed(packets.window_raw[row]), _shift_of(ends, side))
    _time_echoes(ends, packets, row, side)
    return cause


@compiled
def _pass(lives: Lives, ends: Ends, packets: Segments, row: int, side: int, slices: Ints, used: Ints) -> None:
    """One packet of a connection: the time since the one before gets its cause."""
    life, ts_ns = side >> 1, signed(packets.ts_ns[row])
    if lives.last_side[life] == UNKNOWN:
        lives.last_ns[life] = ts_ns
        lives.slice[life, FROM_NS] = ts_ns
    gap_ns = max(ts_ns - lives.last_ns[life], 0)
    if gap_ns >= SLICE_NS and lives.held_ns[life] == 0:
        _close(lives, ends, life, signed(lives.last_ns[life]), slices, used)
    cause = _segment(lives, ends, packets, row, side, gap_ns)
    if cause != OPEN:
        lives.slice[life, NS + cause] += gap_ns
    lives.last_ns[life] += gap_ns
    lives.last_side[life] = side
    lives.last_kind[life] = DATA if packets.payload_bytes[row] > 0 else OTHER
    if lives.last_ns[life] - lives.slice[life, FROM_NS] >= SLICE_NS and lives.held_ns[life] == 0:
        _close(lives, ends, life, signed(lives.last_ns[life]), slices, used)


@compiled
def follow(packets: Segments, first: int, lives: Lives, ends: Ends, index: Index, slices: Ints, used: Ints) -> int:
    """Take in packets from row `first` on; the row to go on from: less than all when room ran out."""
    for row in range(first, packets.ts_ns.size):
        if packets.known[row] == 0:
            continue
        if index.used[0] == index.first_row.size or used[0] + 2 > slices.shape[0]:
            return row
        slot = slot_of(index, packets.flow_id[row])
        life = signed(index.connection[slot])
        side = 2 * life + signed(packets.direction[row])
        if life == UNKNOWN or _is_another(ends, packets, row, side):
            if life != UNKNOWN:
                _end(lives, ends, life, slices, used)
            life = signed(index.used[0])
            index.used[0] += 1
            index.flow_id[slot] = packets.flow_id[row]
            index.connection[slot] = life
            index.first_row[life] = row
            side = 2 * life + signed(packets.direction[row])
        _pass(lives, ends, packets, row, side, slices, used)
    return packets.ts_ns.size


@compiled
def _is_another(ends: Ends, packets: Segments, row: int, side: int) -> bool:
    """Whether a SYN opens another connection on ports that were used before."""
    flags = packets.tcp_flags[row]
    if not flags & SYN or flags & ACK:
        return False
    seen = ends.first_seq[side] != UNKNOWN or ends.top[side] != UNKNOWN
    return seen and signed(ends.first_seq[side]) != signed(packets.seq[row])


@compiled
def close_all(lives: Lives, ends: Ends, first: int, last: int, slices: Ints, used: Ints) -> int:
    """End the slices of connections from `first` to before `last`; the one to go on from, when room ran out."""
    for life in range(first, last):
        if used[0] == slices.shape[0]:
            return life
        if lives.last_side[life] != UNKNOWN:
            _end(lives, ends, life, slices, used)
    return last
