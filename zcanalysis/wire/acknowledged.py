"""What a packet says of the data it acknowledges, and of its sender as a receiver: round trips, delays, windows."""
# ruff: noqa: PLR0913, PLR0917 - compiled loops take numbers

from typing import Final

from zcanalysis.io.packet_bytes import signed
from zcanalysis.io.packet_compile import compiled
from zcanalysis.wire.sent import STALL_NS, segment_bytes
from zcanalysis.wire.sequence_space import ACK, FIN, NEVER, REACH, RST, SYN, UNKNOWN, UNTIMED, Packets, unwrapped
from zcanalysis.wire.side_state import Account, Details, Records
from zcanalysis.wire.stretches import ONCE, TWICE, drop_echo, drop_oldest
from zcanalysis.wire.tally import ACK_BYTES, ACK_DELAY, RTT, RTT_TS, WINDOW, count

LARGEST_WINDOW_BYTES: Final = 1 << 30
LARGEST_SHIFT: Final = 14  # RFC 7323, section 2.3
QUICK_ACKS: Final = 4  # so many ACKs of one segment each, one after the other, are a quick-ACK phase


@compiled
def open_side(me: Records, you: Records, packets: Packets, details: Details, row: int) -> None:
    """What a SYN announces."""
    me.syn_flags = signed(packets.tcp_flags[row])
    me.mss = signed(details.mss[row])
    me.scale = min(signed(details.scale[row]), LARGEST_SHIFT) if details.scaled[row] else UNKNOWN
    me.sack_permitted = signed(details.sack_permitted[row])
    me.timestamps = signed(details.timed[row])
    if me.syn_ns == UNTIMED:
        me.syn_ns = signed(packets.ts_ns[row])
    me.shift = _shift(me, you)
    you.shift = _shift(you, me)
    if min(me.scale, you.scale) > UNKNOWN:
        me.scaling = you.scaling = 1


@compiled
def _shift(me: Records, you: Records) -> int:
    """How far the windows of `me` are shifted; UNKNOWN where the handshake does not tell."""
    if me.syns == 0:
        return 0 if you.syns > 0 and you.scale == UNKNOWN else UNKNOWN
    if me.scale == UNKNOWN:
        return 0
    if me.syn_flags & ACK:
        return signed(me.scale)
    if you.syns == 0:
        return UNKNOWN
    return 0 if you.scale == UNKNOWN else signed(me.scale)


@compiled
def offer(me: Records, account: Account, packets: Packets, details: Details, row: int, side: int) -> None:
    """The window that a packet advertises."""
    flags, raw, ts_ns = packets.tcp_flags[row], signed(details.window_raw[row]), signed(packets.ts_ns[row])
    if flags & RST or not flags & (ACK | SYN):
        return
    if flags & ACK:
        _shut(me, raw, ts_ns)
    if me.shift == UNKNOWN and not flags & SYN:
        return
    window = raw if flags & SYN else raw << me.shift
    if not flags & SYN:
        count(account.tally, account.used, side, WINDOW, window)
        me.window = window
        if me.scaling == 1 and window > 0:  # a SYN's window is never scaled
            me.scaling = 2
            me.window_min_bytes = me.window_max_bytes = window
    me.window_max_bytes = max(signed(me.window_max_bytes), window)
    if window > 0:
        me.window_min_bytes = min(signed(me.window_min_bytes), window)


@compiled
def _shut(me: Records, raw: int, ts_ns: int) -> None:
    """Zero windows and how long they last."""
    if raw == 0:
        me.zero_windows += 1
        if me.zero_since_ns == UNTIMED:
            me.zero_since_ns = ts_ns
    elif me.zero_since_ns != UNTIMED:
        shut_ns = max(0, ts_ns - me.zero_since_ns) if ts_ns != UNTIMED else 0
        me.zero_window_ns = min(me.zero_window_ns + shut_ns, NEVER)
        me.zero_until_ns = ts_ns
        me.zero_since_ns = UNTIMED


@compiled
def _blocks(me: Records, you: Records, details: Details, row: int, ack: int) -> None:
    """SACK blocks, and whether the first reports what had already arrived (RFC 2883)."""
    me.sack_packets += 1
    left, size = signed(details.left[row]), (signed(details.right[row]) - signed(details.left[row])) & 0xFFFFFFFF
    repeated = (ack - left - size) & 0xFFFFFFFF < REACH
    if not repeated and details.sacks[row] > 1:
        above = (left - signed(details.next_left[row])) & 0xFFFFFFFF
        span = (signed(details.next_right[row]) - signed(details.next_left[row])) & 0xFFFFFFFF
        repeated = above < REACH and above + size <= span
    if repeated and size < LARGEST_WINDOW_BYTES:
        me.dsack_packets += 1
        if size > 1:  # probes and keep-alives are reported too
            you.spurious_packets += 1
            you.spurious_bytes += size


@compiled
def _covered(me: Records, you: Records, account: Account, position: int, ts_ns: int, side: int) -> int:
    """Let go of what the ACK covers; when the oldest of it was sent, UNTIMED where that tells no delay."""
    stretches, exact, waited_ns, newest_ns = account.stretches, False, NEVER, signed(you.resent_ns)
    clean, first, sent_ns = True, UNKNOWN, UNTIMED
    while you.oldest != UNKNOWN and stretches[you.oldest].start < position:
        oldest = stretches[you.oldest]
        exact, sent_ns, first = (
            oldest.end == position and oldest.again != TWICE,
            signed(oldest.ts_ns),
            signed(oldest.start),
        )
        clean = clean and oldest.again == ONCE
        newest_ns, waited_ns = max(newest_ns, sent_ns), min(waited_ns, sent_ns)
        drop_oldest(you, stretches, account.used)
    if exact and newest_ns <= sent_ns <= ts_ns and sent_ns != UNTIMED:
        _sample(you, account, ts_ns - sent_ns, side ^ 1)
        if first == you.first and you.syns == 1 and you.handshake_ns == NEVER:
            you.handshake_ns = ts_ns - sent_ns
    told = clean and you.resent_ns < waited_ns <= ts_ns and waited_ns != UNTIMED
    return waited_ns if told else UNTIMED


@compiled
def _sample(you: Records, account: Account, rtt_ns: int, side: int) -> None:
    you.rtt_samples += 1
    you.rtt_sum_ns = min(you.rtt_sum_ns + rtt_ns, NEVER)
    you.rtt_min_ns = min(signed(you.rtt_min_ns), rtt_ns)
    you.rtt_max_ns = max(signed(you.rtt_max_ns), rtt_ns)
    count(account.tally, account.used, side, RTT, rtt_ns)


@compiled
def _echo(you: Records, account: Account, tsecr: int, position: int, ts_ns: int, side: int) -> None:
    """A time stamp came back with an ACK of the packet that brought it."""
    if you.echo_oldest == UNKNOWN:
        return
    echoed = unwrapped(tsecr, signed(you.tsval))
    stretches = account.stretches
    while you.echo_oldest != UNKNOWN and stretches[you.echo_oldest].start < echoed:
        drop_echo(you, stretches, account.used)
    if you.echo_oldest == UNKNOWN or stretches[you.echo_oldest].start != echoed:
        return
    oldest = stretches[you.echo_oldest]
    if position >= oldest.end and ts_ns >= oldest.ts_ns:
        rtt_ns = ts_ns - oldest.ts_ns
        you.rtt_ts_samples += 1
        you.rtt_ts_min_ns = min(signed(you.rtt_ts_min_ns), rtt_ns)
        count(account.tally, account.used, side, RTT_TS, rtt_ns)
        drop_echo(you, stretches, account.used)


@compiled
def _advance(me: Records, you: Records, account: Account, size: int, position: int, ts_ns: int, side: int) -> None:
    """An ACK of something new: how much, how long it was held back, whether ACKs come one a segment."""
    floor_ns = you.rtt_min_ns  # before this ACK: what the way to the acknowledging side and its work take
    newly = position - you.acked
    handshake = you.acked == you.first and you.syns > 0
    waited_ns = _covered(me, you, account, position, ts_ns, side)
    you.acked = position
    newly -= (1 if handshake else 0) + (1 if you.fins > 0 and position == you.top else 0)
    if newly <= 0:
        return
    me.advancing_acks += 1
    me.acked_bytes += newly
    count(account.tally, account.used, side, ACK_BYTES, newly)
    if waited_ns != UNTIMED:
        delay_ns = ts_ns - waited_ns
        me.ack_delay_samples += 1
        me.delayed_ack_stalls += 1 if delay_ns - (floor_ns if floor_ns < NEVER else 0) >= STALL_NS else 0
        count(account.tally, account.used, side, ACK_DELAY, delay_ns)
    if size == 0:
        _quick(me, newly <= segment_bytes(you, me))


@compiled
def _quick(me: Records, single: bool) -> None:
    me.quick_run = me.quick_run + 1 if single else 0
    me.single_acks += 1 if single else 0
    me.quick_ack_phases += 1 if me.quick_run == QUICK_ACKS else 0


@compiled
def _is_duplicate(me: Records, you: Records, details: Details, size: int, flags: int, position: int, row: int) -> bool:
    """An ACK that says again what the one before said, while data waits (RFC 5681, with SACK RFC 6675)."""
    if size > 0 or flags & (SYN | FIN | RST) or position != you.acked or you.top <= position or not you.ack_seen:
        return False
    return bool(details.sacks[row] > 0 or details.window_raw[row] == me.window_last)


@compiled
def acknowledge(
    me: Records, you: Records, packets: Packets, details: Details, account: Account, row: int, side: int
) -> None:
    """Everything that a packet says of the other side's data."""
    flags, ts_ns, size = signed(packets.tcp_flags[row]), signed(packets.ts_ns[row]), signed(packets.payload_bytes[row])
    if not flags & ACK or you.top == UNKNOWN:
        return
    ack = signed(packets.ack[row])
    if details.sacks[row] > 0:
        _blocks(me, you, details, row, ack)
    position = unwrapped(ack, signed(you.top))
    if position - you.top > LARGEST_WINDOW_BYTES:  # no window is that large: not an ACK of this connection's data
        return
    if _is_duplicate(me, you, details, size, flags, position, row):
        me.duplicate_acks += 1
    if position > you.acked:
        _advance(me, you, account, size, position, ts_ns, side)
        if position >= you.top:
            you.clear_ns = ts_ns
    if details.timed[row]:
        _echo(you, account, signed(details.tsecr[row]), position, ts_ns, side ^ 1)
    you.ack_seen = 1
    if not flags & RST:
        me.window_last = signed(details.window_raw[row])
