"""What a packet says of the data its side sends: new, again, late, a probe, a pause."""
# ruff: noqa: PLR0913, PLR0917 - compiled loops take numbers

from typing import Final

from zcanalysis.io.packet_bytes import signed
from zcanalysis.io.packet_compile import compiled
from zcanalysis.wire.record_checks import LARGEST_MTU_BYTES
from zcanalysis.wire.sequence_space import ACK, FIN, NEVER, REACH, RST, SYN, UNKNOWN, UNTIMED, Packets, Told, unwrapped
from zcanalysis.wire.side_state import Account, Details, Records
from zcanalysis.wire.stretches import sent_again, wait_for, wait_for_echo, wait_late
from zcanalysis.wire.tally import IN_FLIGHT, count

ECE: Final = 64
CWR: Final = 128
CE: Final = 3
TIMESTAMP_BYTES: Final = 12  # what the option takes of every segment, padding included
ETHERNET_MSS_BYTES: Final = 1460
REORDERED_NS: Final = 3_000_000  # without a known round trip, what comes later than this was sent again (as tshark)
IDLE_NS: Final = 200_000_000  # the smallest retransmission timeout of Linux: shorter pauses are no idle periods
STALL_NS: Final = 35_000_000  # delayed ACK timers start at 40 ms
# numbered as in `side_columns`
NO_CAUSE, TIMEOUT, ZERO_WINDOW, WINDOW_FULL, DELAYED_ACK, ROUND_TRIP, PEER, APPLICATION, UNTOLD = range(9)


@compiled
def place(me: Records, packets: Packets, row: int) -> int:
    """The position of a packet's sequence number, as `sequence_space` counts; UNKNOWN for a reset before anything."""
    seq, flags = signed(packets.seq[row]), packets.tcp_flags[row]
    if me.top == UNKNOWN:
        if flags & RST:
            return UNKNOWN
        syn = 1 if flags & SYN else 0
        me.top = ((seq + syn) & 0xFFFFFFFF) + 4 * REACH - syn
        me.first = me.top
        me.acked = me.top
    return unwrapped(seq, signed(me.top))


@compiled
def sizes(me: Records, you: Records, packets: Packets, details: Details, row: int) -> None:
    """Marks of the packet itself: congestion, super-packets, the wire packets it stands for."""
    size, flags, ecn = signed(packets.payload_bytes[row]), packets.tcp_flags[row], details.ecn[row]
    if ecn > 0:
        me.ect_packets += 1
        me.ce_packets += 1 if ecn == CE else 0
    if flags & (ECE | CWR) and not flags & SYN:
        me.ece_packets += 1 if flags & ECE else 0
        me.cwr_packets += 1 if flags & CWR else 0
    if size == 0:
        me.wire_packets += 1
        me.pure_acks += 1 if flags & ACK and not flags & (SYN | FIN | RST) else 0
        return
    me.data_packets += 1
    me.largest_payload_bytes = max(me.largest_payload_bytes, size)
    me.super_packets += 1 if size > (you.mss if you.mss > 0 else LARGEST_MTU_BYTES) else 0
    me.unsized_packets += 1 if you.mss == 0 and size > ETHERNET_MSS_BYTES else 0
    room = segment_bytes(me, you) - (TIMESTAMP_BYTES if details.timed[row] else 0)
    me.wire_packets += 1 if size <= room else -(-size // max(1, room))


@compiled
def segment_bytes(me: Records, you: Records) -> int:
    """The largest segment `me` sends, as far as the handshake tells."""
    if you.mss == 0:
        return ETHERNET_MSS_BYTES
    return signed(min(me.mss, you.mss) if me.mss > 0 else you.mss)


@compiled
def _is_probe(me: Records, you: Records, start: int, size: int, flags: int) -> bool:
    """Keep-alives and probes of a zero window repeat the byte before the next, or carry none of it."""
    if flags & (SYN | FIN | RST) or size > 1 or start != me.top - 1:
        return False
    if you.zero_since_ns != UNTIMED:
        me.window_probes += 1
    else:
        me.keep_alives += 1
    return True


@compiled
def _below_top(
    me: Records,
    you: Records,
    account: Account,
    told: Told,
    details: Details,
    start: int,
    end: int,
    size: int,
    ts_ns: int,
    row: int,
) -> None:
    """Payload or a FIN below the end of what was seen: again, or late, or lost before the tap and sent again."""
    fresh = signed(told.fresh_bytes[row])
    if size > 0 and fresh == size:
        if _is_late(me, you, details, ts_ns, row):
            me.out_of_order_packets += 1
        else:
            me.recovered_packets += 1
        wait_late(me, account.stretches, account.used, start, end, ts_ns)
        return
    if size > 0:
        me.resent_packets += 1
        me.resent_bytes += size - fresh
    me.resent_ns = ts_ns
    sent_again(me, account.stretches, start, end, ts_ns)
    if end > me.top:
        wait_for(me, account.stretches, account.used, signed(me.top), end, ts_ns)


@compiled
def _is_late(me: Records, you: Records, details: Details, ts_ns: int, row: int) -> bool:
    """Whether a packet that fills a gap was sent before its successors: by its time stamp, else by the gap's age."""
    if details.timed[row] and me.timestamps:
        age = unwrapped(signed(details.tsval[row]), signed(me.top_tsval)) - me.top_tsval
        if age != 0:
            return bool(age < 0)
    if min(me.hole_ns, ts_ns) == UNTIMED:
        return True
    there, back = me.handshake_ns, you.handshake_ns
    patience_ns = there + back if there < NEVER and back < NEVER else REORDERED_NS
    return bool(ts_ns - me.hole_ns < max(patience_ns, REORDERED_NS))


@compiled
def _pause(me: Records, you: Records, start: int, size: int, ts_ns: int) -> None:
    """The time since this side's last data, and what it was spent on."""
    if min(me.data_ns, ts_ns) > UNTIMED:
        pause_ns = ts_ns - me.data_ns
        if pause_ns >= IDLE_NS:
            me.idle_periods += 1
            me.idle_ns += pause_ns
        if pause_ns > me.stall_ns:
            me.stall_ns = pause_ns
            me.stall_at_ns = me.data_ns
            me.stall_cause = _cause(me, you, start, size, ts_ns, pause_ns)
    if ts_ns != UNTIMED:
        me.data_ns = max(signed(me.data_ns), ts_ns)


@compiled
def _cause(me: Records, you: Records, start: int, size: int, ts_ns: int, pause_ns: int) -> int:
    """Why nothing was sent for so long, as far as the packets around tell."""
    if you.zero_since_ns != UNTIMED or you.zero_until_ns > me.data_ns:
        return ZERO_WINDOW
    if start < me.top:
        return TIMEOUT
    if you.ack_seen == 0:
        return UNTOLD
    if me.acked < me.top:
        in_flight = me.top - me.acked
        return WINDOW_FULL if you.window >= 0 and in_flight + size > you.window else UNTOLD
    waited_ns = me.clear_ns - me.data_ns if me.clear_ns != UNTIMED else 0
    if 2 * waited_ns >= pause_ns:
        floor_ns = me.rtt_min_ns if me.rtt_min_ns < NEVER else 0
        return DELAYED_ACK if waited_ns - floor_ns >= STALL_NS else ROUND_TRIP
    return PEER if you.data_ns > me.data_ns and 2 * (ts_ns - you.data_ns) <= pause_ns else APPLICATION


@compiled
def _above(me: Records, you: Records, account: Account, start: int, end: int, ts_ns: int, side: int) -> None:
    """New data at the end: it waits for its ACK, and adds to what is in flight."""
    if start > me.top:
        me.hole_ns = ts_ns
    wait_for(me, account.stretches, account.used, start, end, ts_ns)
    if you.ack_seen:
        in_flight = max(0, end - me.acked)
        me.in_flight_max_bytes = max(me.in_flight_max_bytes, in_flight)
        count(account.tally, account.used, side, IN_FLIGHT, in_flight)


@compiled
def send(me: Records, you: Records, packets: Packets, details: Details, told: Told, account: Account, row: int) -> None:
    """Everything that a packet says of its sender's data."""
    flags, size, ts_ns = packets.tcp_flags[row], signed(packets.payload_bytes[row]), signed(packets.ts_ns[row])
    start = place(me, packets, row)
    me.resets += 1 if flags & RST else 0
    if start == UNKNOWN or flags & RST:
        return
    me.syns += 1 if flags & SYN else 0
    me.fins += 1 if flags & FIN else 0
    if _is_probe(me, you, start, size, signed(flags)):
        return
    end = start + size + (1 if flags & SYN else 0) + (1 if flags & FIN else 0)
    if end == start:
        return
    if size > 0:
        _pause(me, you, start, size, ts_ns)
    if start >= me.top:
        _above(me, you, account, start, end, ts_ns, signed(told.side[row]))
    else:
        _below_top(me, you, account, told, details, start, end, size, ts_ns, row)
    if details.timed[row]:
        _stamp(me, account, details, start, end, ts_ns, row)
    me.top = max(signed(me.top), end)


@compiled
def _stamp(me: Records, account: Account, details: Details, start: int, end: int, ts_ns: int, row: int) -> None:
    """A time stamp that was not sent before waits for its echo."""
    if not me.timestamps:
        me.timestamps = 1
        me.tsval = signed(details.tsval[row]) + 4 * REACH - 1
        me.top_tsval = me.tsval
    tsval = unwrapped(signed(details.tsval[row]), signed(me.tsval))
    if start >= me.top:
        me.top_tsval = tsval
    if tsval > me.tsval:
        me.tsval = tsval
        if ts_ns != UNTIMED:
            wait_for_echo(me, account.stretches, account.used, tsval, end, ts_ns)
