"""Which packet, skb, segment and copy each byte was in: chains of indices into the events, for every socket at once.

An skb's address is good from the driver to `tcp_probe`, because nobody can free it unseen on the way: it names the
*first* byte of what arrives together. Later bytes of the same aggregate (GRO, the socket's backlog) and all that
follows in the receive queue, where skbs vanish into their neighbours without a tracepoint, are found by position.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from zcanalysis.cpu.byte_positions import (
    APART_BYTES,
    NONE,
    NOWHERE,
    UNKNOWN,
    Flags,
    Integers,
    Pieces,
    apart,
    cut,
    held_shift,
    latest_before,
    neighbours_agree,
    stream_positions,
    unwrapped,
)
from zcanalysis.cpu.packet_events import SEGMENT, PacketEvents

HEADER_BYTES: Final = 52
"""IPv4, TCP and its timestamps: where nothing in the trace tells how long the headers are."""
HEADERS_BYTES: Final = range(40, 161)
SURE_SHARE: Final = 0.99


class Stream(NamedTuple):
    """The same bytes in one of their shapes, one entry each in order of the trace."""

    row: Integers
    ns: Integers
    size_bytes: Integers
    socket: Integers
    """Number of the socket; -1 where it is not known."""
    at: Integers
    """Position of the first byte on the shared axis of all sockets."""
    head: Integers
    """In the shape before, the one that has its address: its first; -1 where that was not traced."""
    address: npt.NDArray[np.uint64]


class Streams(NamedTuple):
    """Payload as packets, as skbs and as segments of TCP."""

    sockets: list[str]
    packets: Stream
    skbs: Stream
    segments: Stream
    header_bytes: int


class Chains(NamedTuple):
    """One entry a byte range that a copy took; -1 where an event is missing."""

    copy: Integers
    size_bytes: Integers
    from_byte: Integers
    """Position in what the trace saw of the socket's copies."""
    segment: Integers
    skb: Integers
    packet: Integers
    early: Flags
    """Its segment would lie before the first one traced."""


class Agreement(NamedTuple):
    """What addresses alone say of the copies, for each copy."""

    asked: Flags
    """The copy is the first of an skb whose segment was traced."""
    odd: Flags
    """Its position says something else than the address."""


def streams(events: PacketEvents) -> Streams:
    """Packets, skbs and segments with payload, each with its position in its socket's stream."""
    sockets = _sockets(events)
    skb_packet = _same_device(events)
    segments, segment_skb = _segments(events)
    header = _header_bytes(events, segments, segment_skb)
    socket = _codes(segments, sockets)
    skb_socket, packet_socket = _owners(events, skb_packet, segment_skb, socket)
    nothing = np.full(events.handed.height, NONE, dtype=np.int64)
    packets = _stream(events.handed, _payload(events.handed, header), packet_socket, nothing)
    skbs = _stream(events.taken, _payload(events.taken, header), skb_socket, skb_packet)
    if SEGMENT in events.recorded:
        length = unwrapped(_array(segments, "length_bytes"), _gaps(socket, segment_skb, skbs.at))
    else:
        length = skbs.size_bytes[segment_skb]
    kept_bytes = np.where(segments.get_column("dropped").to_numpy(), 0, length)
    return Streams(sockets, packets, skbs, _stream(segments, kept_bytes, socket, segment_skb), header)


def _stream(table: pl.DataFrame, size: Integers, socket: Integers, head: Integers) -> Stream:
    at, address = stream_positions(socket, size), table.get_column("skb").to_numpy()
    return Stream(_array(table, "row"), _array(table, "ts_ns"), size, socket, at, head, address)


def _array(table: pl.DataFrame, column: str) -> Integers:
    return table.get_column(column).to_numpy().astype(np.int64)


def _sockets(events: PacketEvents) -> list[str]:
    named = pl.concat([events.copies.get_column("socket"), events.segments.get_column("socket")])
    return [str(socket) for socket in named.unique(maintain_order=True).to_list()]


def _codes(table: pl.DataFrame, sockets: list[str]) -> Integers:
    numbers = {socket: number for number, socket in enumerate(sockets)}
    return (
        table.select(pl.col("socket").replace_strict(numbers, default=NONE, return_dtype=pl.Int64))
        .to_series()
        .to_numpy()
    )


def _latest(among: pl.DataFrame, asked: pl.DataFrame) -> Integers:
    """For each row that is asked for, the latest one before it with the same skb."""
    return latest_before(
        among.get_column("skb").to_numpy(),
        _array(among, "row"),
        asked.get_column("skb").to_numpy(),
        _array(asked, "row"),
    )


def _same_device(events: PacketEvents) -> Integers:
    """For each skb the packet with its address, handed over on the same device."""
    packet = _latest(events.handed, events.taken)
    names = pl.concat([events.handed.get_column("device"), events.taken.get_column("device")]).rank("dense").to_numpy()
    handed, taken = names[: events.handed.height], names[events.handed.height :]
    return np.where(np.append(handed, 0)[packet] == taken, packet, NONE)


def _segments(events: PacketEvents) -> tuple[pl.DataFrame, Integers]:
    """Segments with their first skb; where TCP was not traced, skbs stand for them, of whoever copies most of them."""
    if SEGMENT in events.recorded:
        return events.segments, _latest(events.taken, events.segments)
    reader = _latest(events.taken, events.copies)
    owner = events.copies.with_columns(pl.Series("skb_index", reader)).filter(pl.col("skb_index") >= 0)
    device = owner.with_columns(events.taken.get_column("device").gather(owner.get_column("skb_index")).alias("device"))
    busiest = device.group_by("device").agg(pl.col("socket").mode().sort().first())
    taken = events.taken.with_row_index("index").with_columns(pl.col("index").cast(pl.Int64))
    named = taken.join(busiest, on="device", how="inner", maintain_order="left")
    lengths = named.with_columns(pl.col("len_bytes").alias("length_bytes"), pl.lit(False).alias("dropped"))
    return lengths, _array(named, "index")


def _header_bytes(events: PacketEvents, segments: pl.DataFrame, segment_skb: Integers) -> int:
    """The commonest difference between an skb's length and its payload, by address."""
    if SEGMENT in events.recorded:
        payload, skb = _array(segments, "length_bytes"), segment_skb
    else:
        payload, skb = _array(events.copies, "length_bytes"), _latest(events.taken, events.copies)
    longer = np.append(_array(events.taken, "len_bytes"), 0)[skb] - payload
    usable = longer[(skb != NONE) & (longer >= HEADERS_BYTES.start) & (longer < HEADERS_BYTES.stop)]
    return int(np.bincount(usable).argmax()) if len(usable) else HEADER_BYTES


def _payload(table: pl.DataFrame, header: int) -> Integers:
    return np.maximum(_array(table, "len_bytes") - header, 0)


def _gaps(socket: Integers, skb: Integers, skb_at: Integers) -> Integers:
    """From each segment's first byte to that of the socket's next one, in the stream of skbs; -1 where not known."""
    order = np.argsort(socket, kind="stable")
    at = np.append(skb_at, NOWHERE)[skb[order]]
    following = np.append(at[1:], NOWHERE)
    same = np.append(socket[order][1:] == socket[order][:-1], False)
    gap = np.empty(len(socket), dtype=np.int64)
    gap[order] = np.where(same & (at != NOWHERE) & (following != NOWHERE), following - at, NONE)
    return gap


def _owners(
    events: PacketEvents, skb_packet: Integers, segment_skb: Integers, segment_socket: Integers
) -> tuple[Integers, Integers]:
    """Socket of each skb and each packet: by its own segment, else by what its connection's hash always belonged to."""
    packet_flow, skb_flow = _flows(events, skb_packet)
    found = segment_skb != NONE
    last_flow = int(max(packet_flow.max(initial=0), skb_flow.max(initial=0)))
    of_flow = _sure_owner(skb_flow[segment_skb[found]], segment_socket[found], last_flow)
    skb_socket = of_flow[skb_flow]
    skb_socket[segment_skb[found]] = segment_socket[found]
    packet_socket = of_flow[packet_flow]
    headed = skb_packet != NONE
    packet_socket[skb_packet[headed]] = skb_socket[headed]
    return skb_socket, packet_socket


def _flows(events: PacketEvents, skb_packet: Integers) -> tuple[Integers, Integers]:
    """A number for each device and hash, of packets and of skbs."""
    hashes = np.append(events.handed.get_column("hash").to_numpy(), 0)[skb_packet]
    hashes = np.where(skb_packet == NONE, 0, hashes)
    skbs = events.taken.select("device").with_columns(pl.Series("hash", hashes, dtype=pl.UInt64))
    both = pl.concat([events.handed.select("device", "hash"), skbs])
    flow = both.select(pl.struct("device", "hash").rank("dense")).to_series().to_numpy().astype(np.int64)
    return flow[: events.handed.height], flow[events.handed.height :]


def _sure_owner(flow: Integers, socket: Integers, last_flow: int) -> Integers:
    """For each flow the socket that nearly all of its segments went to; -1 where it is shared."""
    owner = np.full(last_flow + 1, NONE, dtype=np.int64)
    if not len(flow):
        return owner
    pairs, counts = np.unique(np.stack([flow, socket]), axis=1, return_counts=True)
    total = np.bincount(pairs[0], weights=counts, minlength=last_flow + 1)
    sure = counts >= SURE_SHARE * total[pairs[0]]
    owner[pairs[0][sure]] = pairs[1][sure]
    return owner


def chains(events: PacketEvents, seen: Streams) -> tuple[Chains, Agreement]:
    """Every byte that was copied, followed back to its segment, skb and packet."""
    socket, size = _codes(events.copies, seen.sockets), _array(events.copies, "length_bytes")
    copied_at = stream_positions(socket, size)
    shift, agreement = _shifts(events, seen.segments, socket, copied_at)
    arrived_at = np.where(shift == UNKNOWN, NOWHERE, copied_at + shift)
    first = cut(arrived_at, size, seen.segments.at, seen.segments.size_bytes)
    segment = _earlier(seen.segments.row, first.segment, _array(events.copies, "row")[first.interval])
    segment = np.where(_taken_twice(events, seen.segments, first, segment), NONE, segment)
    early = (arrived_at[first.interval] + first.skipped_bytes) < socket[first.interval] * APART_BYTES

    whole = not events.lost_events
    second, skb = _through(first, segment, seen.segments, seen.skbs, whole=whole)
    third, packet = _through(second, skb, seen.skbs, seen.packets, whole=whole)

    piece = second.interval[third.interval]
    copy = first.interval[piece]
    skipped = third.skipped_bytes + second.skipped_bytes[third.interval] + first.skipped_bytes[piece]
    from_byte = copied_at[copy] % APART_BYTES + skipped
    before = np.where(shift[copy] == UNKNOWN, whole, early[piece])  # TCP had taken it unseen
    return Chains(copy, third.size_bytes, from_byte, segment[piece], skb[third.interval], packet, before), agreement


def _through(pieces: Pieces, index: Integers, here: Stream, before: Stream, *, whole: bool) -> tuple[Pieces, Integers]:
    """The pieces cut as they were in the shape before, and which one of it each was in.

    A piece stands as far behind its aggregate's first byte there as it does here, if nothing is missing in between.
    """
    head = np.append(here.head, NONE)[index]
    fits = pieces.inside_bytes + pieces.size_bytes <= np.append(_sure_bytes(here, before, whole=whole), 0)[index]
    start = np.append(before.at, NOWHERE)[head]
    known = (index != NONE) & (head != NONE) & fits & (start != NOWHERE)
    found = cut(np.where(known, start + pieces.inside_bytes, NOWHERE), pieces.size_bytes, before.at, before.size_bytes)
    until = np.append(here.row, 0)[index[found.interval]]
    return found, _earlier(before.row, found.segment, until + 1)


def _sure_bytes(here: Stream, before: Stream, *, whole: bool) -> Integers:
    """How many bytes from its first each one here surely has in common with those that follow its head.

    All, where as many lie between its head and the next one's, or where everything that was traced from its head until
    then is of a known socket and no event was lost; else its head's own.
    """
    gap = _gaps(here.socket, here.head, before.at)
    head_row, own = np.append(before.row, 0)[here.head], np.append(before.size_bytes, 0)[here.head]
    nobodys = before.row[(before.socket == NONE) & (before.size_bytes > 0)]
    clean = np.searchsorted(nobodys, head_row) == np.searchsorted(nobodys, here.row)
    behind = clean & whole & ((gap == NONE) | (gap >= here.size_bytes))
    return np.where((gap == here.size_bytes) | behind, here.size_bytes, np.minimum(own, here.size_bytes))


def _taken_twice(events: PacketEvents, segments: Stream, pieces: Pieces, segment: Integers) -> Flags:
    """Pieces of a segment that another copy has better reason to be of: an skb is copied under its own address."""
    address = events.copies.get_column("skb").to_numpy()[pieces.interval]
    own = (segment != NONE) & (np.append(segments.address, 0)[segment] == address)
    has_own = np.zeros(len(segments.row) + 1, dtype=bool)
    has_own[segment[own]] = True
    has_own[NONE] = False
    begins = np.where(segment == NONE, NOWHERE, np.append(segments.at, 0)[segment] + pieces.inside_bytes)
    order = np.lexsort((~own, begins))
    ends = np.maximum.accumulate(np.where(segment == NONE, NOWHERE, begins + pieces.size_bytes)[order])
    again = np.zeros(len(segment), dtype=bool)
    again[order[1:]] = begins[order[1:]] < ends[:-1]
    twice: Flags = (segment != NONE) & ((has_own[segment] & ~own) | again)
    return twice


def _earlier(rows: Integers, index: Integers, than: Integers) -> Integers:
    """The indices, -1 instead of those whose event is not before."""
    return np.where((index != NONE) & (np.append(rows, 0)[index] < than), index, NONE)


def _shifts(
    events: PacketEvents, segments: Stream, socket: Integers, copied_at: Integers
) -> tuple[Integers, Agreement]:
    """How far each copy stands from the arrivals of its socket; `UNKNOWN` where none of its skbs was seen at both."""
    copies = events.copies
    row = _array(copies, "row")
    segment = latest_before(segments.address, segments.row, copies.get_column("skb").to_numpy(), row)
    first = np.zeros(len(row), dtype=bool)
    first[np.unique(segment, return_index=True)[1]] = True
    same = np.append(segments.socket, NONE)[segment] == socket
    asked = first & same & (segment != NONE)
    said = np.where(asked, np.append(segments.at, 0)[segment] - copied_at, UNKNOWN)
    shift, odd = np.full(len(row), UNKNOWN), np.zeros(len(row), dtype=bool)
    size = _array(copies, "length_bytes")
    for number in np.unique(socket):
        mine = np.flatnonzero(socket == number)
        if (said[mine] != UNKNOWN).any():
            shift[mine], odd[mine] = _believed(said[mine], copied_at[mine], size[mine])
    return shift, Agreement(asked, odd)


def _believed(said: Integers, copied_at: Integers, size: Integers) -> tuple[Integers, Flags]:
    """Shifts of one socket's copies, and which addresses disagree with those around them.

    Such an address is right where nobody else takes the bytes that it names: what came out of order is copied elsewhere
    in the stream than it arrived. An address used again unseen would name bytes that were copied long ago.
    """
    agree = neighbours_agree(said)
    odd = (said != UNKNOWN) & ~agree
    arrived_at = copied_at + held_shift(said, agree)
    rest = ~odd
    free = apart((copied_at + said)[odd], size[odd], arrived_at[rest], size[rest])
    agree[np.flatnonzero(odd)[free]] = True
    return held_shift(said, agree), odd
