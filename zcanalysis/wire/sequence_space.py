"""Packets to connections, one by one: the compiled half of `connections`.

Every side of a connection remembers the end of its data, the holes below it, and the data packets that no ACK has
covered yet. Positions are sequence numbers unwrapped to 64 bits, so nothing here knows about the wrap at 4 GiB.
"""
# ruff: noqa: PLR0913, PLR0917 - compiled loops take numbers

from secrets import randbits
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from zcanalysis.io.packet_bytes import signed
from zcanalysis.io.packet_compile import compiled

FIN: Final = 1
SYN: Final = 2
RST: Final = 4
ACK: Final = 16
TCP: Final = 6

UNKNOWN: Final = -1
UNTIMED: Final = -(1 << 63)
NEVER: Final = 1 << 62
REACH: Final = 1 << 31  # sequence numbers further back than this mean the future
MAX_HOLES: Final = 16_384  # stretches a side may lack; the lowest is given up for a new one
MAX_PROBES: Final = 16_384  # data packets a side waits for ACKs of; an ACK's round trip is that of the latest
NODES_A_PACKET: Final = 3

Ints = npt.NDArray[np.int64]


class Packets(NamedTuple):
    """The columns that matter, one entry a packet, nulls as zero (`ts_ns`: UNTIMED)."""

    ts_ns: Ints
    flow_id: npt.NDArray[np.uint64]
    known: npt.NDArray[np.uint8]  # 0: no flow
    direction: npt.NDArray[np.uint8]
    protocol: npt.NDArray[np.uint8]
    tcp_flags: npt.NDArray[np.uint16]
    seq: npt.NDArray[np.uint32]
    ack: npt.NDArray[np.uint32]
    payload_bytes: Ints
    wire_bytes: Ints


class Sides(NamedTuple):
    """Each side of each connection: number 2 * connection + direction."""

    packets: Ints
    wire_bytes: Ints
    payload_bytes: Ints
    unique_bytes: Ints
    first_ns: Ints
    last_ns: Ints
    rtt_ns: Ints
    first_seq: Ints  # of its SYN, UNKNOWN before
    top: Ints  # end of its data, UNKNOWN before
    first: Ints  # where its data begin, as far as was seen
    hole_low: Ints  # nodes, lowest and highest
    hole_high: Ints
    holes: Ints
    given_up: Ints  # bytes of holes that nothing fills any more
    probe_old: Ints  # nodes, oldest and newest
    probe_new: Ints
    probes: Ints


class Told(NamedTuple):
    """What following told of each packet of a batch."""

    side: Ints  # its side, UNKNOWN where it belongs to no connection
    fresh_bytes: Ints  # payload that covers sequence space for the first time


class Nodes(NamedTuple):
    """Stretches of sequence space in linked lists: holes and unacknowledged packets."""

    start: Ints
    end: Ints
    ts_ns: Ints
    below: Ints
    above: Ints  # in the free list: the next free one


class Index(NamedTuple):
    """From a flow to its latest connection, by open addressing, and the counters of what is used."""

    flow_id: npt.NDArray[np.uint64]
    connection: Ints  # UNKNOWN: free
    first_row: Ints  # of each connection, in the batch that brought it
    used: Ints  # connections, nodes in use, first free node
    salt: npt.NDArray[np.uint64]  # a random odd factor, and how far its product is shifted


def new_sides(connections: int) -> Sides:
    """Room for both sides of `connections`."""
    sides = Sides(*(np.zeros(2 * connections, np.int64) for _ in Sides._fields))
    sides.first_ns.fill(NEVER)
    sides.last_ns.fill(UNTIMED)
    sides.rtt_ns.fill(NEVER)
    for column in (sides.first_seq, sides.top, sides.hole_low, sides.hole_high, sides.probe_old, sides.probe_new):
        column.fill(UNKNOWN)
    return sides


def new_nodes(count: int, first: int = 0) -> Nodes:
    """`count` free nodes, numbered from `first`, in a row."""
    nodes = Nodes(*(np.zeros(count, np.int64) for _ in Nodes._fields))
    nodes.above[:] = np.arange(first + 1, first + count + 1)
    return nodes


def new_told(packets: int) -> Told:
    """Room for what is told of `packets`."""
    return Told(*(np.empty(packets, np.int64) for _ in Told._fields))


def new_index(connections: int) -> Index:
    """Room for `connections`, a power of two."""
    return Index(
        flow_id=np.zeros(2 * connections, np.uint64),
        connection=np.full(2 * connections, UNKNOWN, np.int64),
        first_row=np.zeros(connections, np.int64),
        used=np.zeros(3, np.int64),
        salt=np.array([randbits(64) | 1, 65 - (2 * connections).bit_length()], np.uint64),
    )


@compiled
def slot_of(index: Index, flow_id: np.uint64) -> int:
    """Where the flow stands in the index, or where it may be entered.

    The factor is another one each time, so that nobody can send flows that all want the same place (Dietzfelbinger et
    al., Journal of Algorithms 25, 1997: multiply and shift is universal).
    """
    mask = np.uint64(index.connection.size - 1)
    at = (flow_id * index.salt[0]) >> index.salt[1]
    while index.connection[at] != UNKNOWN and index.flow_id[at] != flow_id:
        at = (at + np.uint64(1)) & mask
    return signed(at)


@compiled
def enter(index: Index, flow_id: np.uint64, connection: int) -> None:
    """Make `connection` the latest one of the flow."""
    at = slot_of(index, flow_id)
    index.flow_id[at] = flow_id
    index.connection[at] = connection


@compiled
def enter_all(old: Index, new: Index) -> None:
    """Everything of a full index into a larger one."""
    for at in range(old.connection.size):
        if old.connection[at] != UNKNOWN:
            enter(new, old.flow_id[at], old.connection[at])


def larger(full: Index) -> Index:
    """The same index with twice the room."""
    connections = full.first_row.size
    more = new_index(2 * connections)
    enter_all(full, more)
    more.first_row[:connections] = full.first_row
    more.used[:] = full.used
    return more


@compiled
def _take(nodes: Nodes, index: Index, start: int, end: int, ts_ns: int) -> int:
    """A free node, filled in; `follow` has made sure that there is one."""
    node = signed(index.used[2])
    index.used[2] = nodes.above[node]
    index.used[1] += 1
    nodes.start[node] = start
    nodes.end[node] = end
    nodes.ts_ns[node] = ts_ns
    nodes.below[node] = UNKNOWN
    nodes.above[node] = UNKNOWN
    return node


@compiled
def _give_back(nodes: Nodes, index: Index, node: int, low: Ints, high: Ints, side: int) -> None:
    """Unlink a node from the list whose ends are ``low[side]`` and ``high[side]``."""
    below, above = nodes.below[node], nodes.above[node]
    if below == UNKNOWN:
        low[side] = above
    else:
        nodes.above[below] = above
    if above == UNKNOWN:
        high[side] = below
    else:
        nodes.below[above] = below
    nodes.above[node] = index.used[2]
    index.used[2] = node
    index.used[1] -= 1


@compiled
def _append(nodes: Nodes, node: int, low: Ints, high: Ints, side: int) -> None:
    """Link a node in at the high end."""
    below = high[side]
    nodes.below[node] = below
    if below == UNKNOWN:
        low[side] = node
    else:
        nodes.above[below] = node
    high[side] = node


@compiled
def _add_hole(sides: Sides, nodes: Nodes, index: Index, side: int, start: int, end: int) -> None:
    _append(nodes, _take(nodes, index, start, end, 0), sides.hole_low, sides.hole_high, side)
    sides.holes[side] += 1
    _give_up(sides, nodes, index, side, end - REACH)


@compiled
def _give_up(sides: Sides, nodes: Nodes, index: Index, side: int, below: int) -> None:
    """Forget the lowest hole if it ends below the position, or if there are too many."""
    lowest = sides.hole_low[side]
    if nodes.end[lowest] < below or sides.holes[side] > MAX_HOLES:
        sides.given_up[side] += max(0, signed(nodes.end[lowest]) - max(signed(nodes.start[lowest]), sides.first[side]))
        _give_back(nodes, index, lowest, sides.hole_low, sides.hole_high, side)
        sides.holes[side] -= 1


@compiled
def _split_hole(nodes: Nodes, index: Index, node: int, start: int, end: int, high: Ints, side: int) -> None:
    """Cut the stretch out of the middle of a hole; the upper part becomes a node of its own."""
    upper = _take(nodes, index, end, signed(nodes.end[node]), 0)
    nodes.end[node] = start
    above = nodes.above[node]
    nodes.below[upper], nodes.above[upper] = node, above
    nodes.above[node] = upper
    if above == UNKNOWN:
        high[side] = upper
    else:
        nodes.below[above] = upper


@compiled
def _fill_holes(sides: Sides, nodes: Nodes, index: Index, side: int, start: int, end: int) -> int:
    """Bytes between `start` and `end` that were still missing."""
    filled = 0
    node = signed(sides.hole_high[side])
    while node != UNKNOWN and nodes.end[node] > start:
        below = signed(nodes.below[node])
        low, high = max(start, signed(nodes.start[node])), min(end, signed(nodes.end[node]))
        if low < high:
            filled += high - low
            if low == nodes.start[node] and high == nodes.end[node]:
                _give_back(nodes, index, node, sides.hole_low, sides.hole_high, side)
                sides.holes[side] -= 1
            elif low == nodes.start[node]:
                nodes.start[node] = high
            elif high == nodes.end[node]:
                nodes.end[node] = low
            else:
                _split_hole(nodes, index, node, low, high, sides.hole_high, side)
                sides.holes[side] += 1
        node = below
    return filled


@compiled
def _forget_probes(sides: Sides, nodes: Nodes, index: Index, side: int, start: int, end: int) -> None:
    """Packets sent twice say nothing about the round trip (Karn)."""
    node = signed(sides.probe_new[side])
    while node != UNKNOWN and nodes.end[node] > start:
        below = signed(nodes.below[node])
        if nodes.start[node] < end:
            _give_back(nodes, index, node, sides.probe_old, sides.probe_new, side)
            sides.probes[side] -= 1
        node = below


@compiled
def _add_probe(sides: Sides, nodes: Nodes, index: Index, side: int, start: int, end: int, ts_ns: int) -> None:
    if ts_ns == UNTIMED:
        return
    if sides.probes[side] == MAX_PROBES:
        _give_back(nodes, index, signed(sides.probe_old[side]), sides.probe_old, sides.probe_new, side)
        sides.probes[side] -= 1
    _append(nodes, _take(nodes, index, start, end, ts_ns), sides.probe_old, sides.probe_new, side)
    sides.probes[side] += 1


@compiled
def unwrapped(number: int, near: int) -> int:
    """The position nearest to `near` whose low 32 bits are `number`."""
    ahead = (number - near) & 0xFFFFFFFF
    return near + (ahead if ahead < REACH else ahead - 2 * REACH)


@compiled
def _data(sides: Sides, nodes: Nodes, index: Index, side: int, start: int, size: int, ts_ns: int) -> None:
    """Payload at position `start`: how much of it is new."""
    top, end = signed(sides.top[side]), start + size
    if size == 1 and start == top - 1:  # keep-alive: one byte that was sent before
        return
    if start >= top:
        if start > top:
            _add_hole(sides, nodes, index, side, top, start)
        _add_probe(sides, nodes, index, side, start, end, ts_ns)
        sides.unique_bytes[side] += size
    else:
        sides.unique_bytes[side] += max(0, end - top) + _fill_holes(sides, nodes, index, side, start, min(end, top))
        if sides.holes[side] > MAX_HOLES:
            _give_up(sides, nodes, index, side, 0)
        _forget_probes(sides, nodes, index, side, start, end)
    sides.top[side] = max(top, end)


@compiled
def _acknowledged(sides: Sides, nodes: Nodes, index: Index, side: int, ack: int, ts_ns: int) -> None:
    """An ACK for this side's data: the round trip of the latest packet it covers first."""
    top = signed(sides.top[side])
    if top == UNKNOWN:
        return
    position = unwrapped(ack, top)
    sent_ns = UNTIMED
    node = signed(sides.probe_old[side])
    while node != UNKNOWN and nodes.end[node] <= position:
        sent_ns = signed(nodes.ts_ns[node])
        above = signed(nodes.above[node])
        _give_back(nodes, index, node, sides.probe_old, sides.probe_new, side)
        sides.probes[side] -= 1
        node = above
    if sent_ns != UNTIMED and ts_ns >= sent_ns:
        sides.rtt_ns[side] = min(signed(sides.rtt_ns[side]), ts_ns - sent_ns)


@compiled
def _is_new(sides: Sides, packets: Packets, row: int, side: int, other: int) -> bool:
    """Whether a SYN opens another connection on ports that were used before."""
    flags = packets.tcp_flags[row]
    if not flags & SYN or packets.protocol[row] != TCP:
        return False
    first_seq, seq = signed(sides.first_seq[side]), signed(packets.seq[row])
    if first_seq == seq:
        return False
    if flags & ACK:  # answers the SYN we know: a second answer, not a second connection
        answered = signed(sides.first_seq[other])
        return first_seq != UNKNOWN and (answered + 1) & 0xFFFFFFFF != packets.ack[row]
    return first_seq != UNKNOWN or sides.top[side] != UNKNOWN


@compiled
def _count(sides: Sides, packets: Packets, row: int, side: int) -> None:
    sides.packets[side] += 1
    sides.wire_bytes[side] += signed(packets.wire_bytes[row])
    sides.payload_bytes[side] += signed(packets.payload_bytes[row])
    if packets.ts_ns[row] != UNTIMED:
        sides.first_ns[side] = min(signed(sides.first_ns[side]), signed(packets.ts_ns[row]))
        sides.last_ns[side] = max(signed(sides.last_ns[side]), signed(packets.ts_ns[row]))


@compiled
def _segment(sides: Sides, nodes: Nodes, index: Index, packets: Packets, row: int, side: int) -> None:
    """TCP's part: sequence space covered, data acknowledged."""
    flags, ts_ns, size = packets.tcp_flags[row], signed(packets.ts_ns[row]), signed(packets.payload_bytes[row])
    start = signed(packets.seq[row])
    if flags & SYN:
        sides.first_seq[side] = start
        start = (start + 1) & 0xFFFFFFFF
    if sides.top[side] == UNKNOWN and not flags & RST:
        sides.top[side] = start + 4 * REACH
        sides.first[side] = sides.top[side]
        if not flags & SYN:  # the capture began later: what came before may still show up
            _add_hole(sides, nodes, index, side, start + 3 * REACH, start + 4 * REACH)
    if size > 0 and not flags & RST:
        _data(sides, nodes, index, side, unwrapped(start, signed(sides.top[side])), size, ts_ns)
    if flags & ACK and ts_ns != UNTIMED:
        _acknowledged(sides, nodes, index, side ^ 1, signed(packets.ack[row]), ts_ns)


@compiled
def follow(packets: Packets, first: int, sides: Sides, nodes: Nodes, index: Index, told: Told) -> int:
    """Take in packets from row `first` on; the row to go on from: less than all when room ran out."""
    for row in range(first, packets.ts_ns.size):
        if packets.known[row] == 0:
            told.side[row] = UNKNOWN
            told.fresh_bytes[row] = 0
            continue
        if index.used[0] == index.first_row.size or index.used[1] + NODES_A_PACKET > nodes.start.size:
            return row
        slot = slot_of(index, packets.flow_id[row])
        connection = signed(index.connection[slot])
        side = 2 * connection + signed(packets.direction[row])
        if connection == UNKNOWN or _is_new(sides, packets, row, side, side ^ 1):
            connection = signed(index.used[0])
            index.used[0] += 1
            index.flow_id[slot] = packets.flow_id[row]
            index.connection[slot] = connection
            index.first_row[connection] = row
            side = 2 * connection + signed(packets.direction[row])
        _count(sides, packets, row, side)
        unique_bytes = signed(sides.unique_bytes[side])
        if packets.protocol[row] == TCP:
            _segment(sides, nodes, index, packets, row, side)
        else:
            sides.unique_bytes[side] += signed(packets.payload_bytes[row])
        told.side[row] = side
        told.fresh_bytes[row] = signed(sides.unique_bytes[side]) - unique_bytes
    return packets.ts_ns.size
