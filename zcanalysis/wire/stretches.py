"""Sequence space that waits for its ACK, and time stamps that wait for their echo: lists of stretches, lowest first."""

from typing import Final

from zcanalysis.io.packet_bytes import signed
from zcanalysis.io.packet_compile import compiled
from zcanalysis.wire.linked_list import put_between, take_out
from zcanalysis.wire.sequence_space import UNKNOWN, Ints
from zcanalysis.wire.side_state import Records

MAX_WAITING: Final = 16_384  # stretches a side waits for; more means that no ACK is seen
MAX_ECHOES: Final = 1024
STRETCHES_A_PACKET: Final = 3
IN_USE, FREE = range(2)
ONCE, TWICE, LATE = range(3)


@compiled
def _take(stretches: Records, used: Ints, start: int, end: int, ts_ns: int) -> int:
    """A free stretch, filled in; the caller has made sure that there is one."""
    number = signed(used[FREE])
    stretch = stretches[number]
    used[FREE] = stretch.above
    used[IN_USE] += 1
    stretch.start = start
    stretch.end = end
    stretch.ts_ns = ts_ns
    stretch.again = ONCE
    stretch.below = UNKNOWN
    stretch.above = UNKNOWN
    return number


@compiled
def _release(stretches: Records, used: Ints, number: int) -> None:
    stretches[number].above = used[FREE]
    used[FREE] = number
    used[IN_USE] -= 1


@compiled
def drop_oldest(me: Records, stretches: Records, used: Ints) -> None:
    """Forget the lowest stretch of a side."""
    number = signed(me.oldest)
    take_out(stretches, me, number)
    me.waiting -= 1
    _release(stretches, used, number)


@compiled
def wait_for(me: Records, stretches: Records, used: Ints, start: int, end: int, ts_ns: int) -> None:
    """A stretch above all others was sent."""
    if me.waiting == MAX_WAITING:
        drop_oldest(me, stretches, used)
    number = _take(stretches, used, start, end, ts_ns)
    put_between(stretches, me, number, signed(me.newest), UNKNOWN)
    me.waiting += 1


@compiled
def sent_again(me: Records, stretches: Records, start: int, end: int, ts_ns: int) -> None:
    """Mark what waits in this stretch: sent twice (Karn), last now."""
    number = signed(me.newest)
    while number != UNKNOWN and stretches[number].end > start:
        if stretches[number].start < end:
            stretches[number].again = TWICE
            stretches[number].ts_ns = ts_ns
        number = signed(stretches[number].below)


@compiled
def wait_late(me: Records, stretches: Records, used: Ints, start: int, end: int, ts_ns: int) -> None:
    """A stretch that fills a gap below the newest one."""
    above, below = UNKNOWN, signed(me.newest)
    while below != UNKNOWN and stretches[below].start >= end:
        above, below = below, signed(stretches[below].below)
    if end <= me.acked or me.waiting == MAX_WAITING:
        return
    number = _take(stretches, used, start, end, ts_ns)
    stretches[number].again = LATE
    put_between(stretches, me, number, below, above)
    me.waiting += 1


@compiled
def wait_for_echo(me: Records, stretches: Records, used: Ints, tsval: int, end: int, ts_ns: int) -> None:
    """A time stamp newer than all others was sent, in a packet that ends at position `end`."""
    if me.echoes == MAX_ECHOES:
        drop_echo(me, stretches, used)
    number = _take(stretches, used, tsval, end, ts_ns)
    if me.echo_newest == UNKNOWN:
        me.echo_oldest = number
    else:
        stretches[me.echo_newest].above = number
    me.echo_newest = number
    me.echoes += 1


@compiled
def drop_echo(me: Records, stretches: Records, used: Ints) -> None:
    """Forget the oldest time stamp."""
    number = signed(me.echo_oldest)
    me.echo_oldest = stretches[number].above
    if me.echo_oldest == UNKNOWN:
        me.echo_newest = UNKNOWN
    me.echoes -= 1
    _release(stretches, used, number)
