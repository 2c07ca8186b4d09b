"""Packets to an account of TCP, one by one: the compiled half of `accounts`."""

from zcanalysis.io.packet_bytes import signed
from zcanalysis.io.packet_compile import compiled
from zcanalysis.wire.acknowledged import acknowledge, offer, open_side
from zcanalysis.wire.record_checks import Marks, Seen, is_copy
from zcanalysis.wire.sent import send, sizes
from zcanalysis.wire.sequence_space import SYN, TCP, UNKNOWN, Nodes, Packets, Sides, Told
from zcanalysis.wire.side_state import Account, Details, Records
from zcanalysis.wire.stretches import IN_USE, STRETCHES_A_PACKET
from zcanalysis.wire.tally import ENTRIES, SERIES


@compiled
def has_room(account: Account) -> bool:
    """Whether one more packet can be taken in."""
    used = account.used
    if used[IN_USE] + STRETCHES_A_PACKET > account.stretches.size:
        return False
    return bool(2 * (used[ENTRIES] + SERIES) <= account.tally.size)


@compiled
def take_in(
    packets: Packets, details: Details, told: Told, memory: tuple[Marks, Seen], account: Account, first: int
) -> int:
    """Take in packets from row `first` on; the row to go on from: less than all when room ran out."""
    for row in range(first, packets.ts_ns.size):
        side = signed(told.side[row])
        if side == UNKNOWN or packets.protocol[row] != TCP:
            continue
        if not has_room(account):
            return row
        me, you = account.sides[side], account.sides[side ^ 1]
        if is_copy(packets, memory[0], row, memory[1]):
            me.duplicated_packets += 1
            me.duplicated_bytes += packets.payload_bytes[row]
            continue
        sizes(me, you, packets, details, row)
        send(me, you, packets, details, told, account, row)
        if packets.tcp_flags[row] & SYN:
            open_side(me, you, packets, details, row)
        acknowledge(me, you, packets, details, account, row, side)
        offer(me, account, packets, details, row, side)
    return packets.ts_ns.size


@compiled
def add_lost(holes: Sides, nodes: Nodes, sides: Records) -> int:
    """Fill in the bytes of each side that were acknowledged and never seen; the sum."""
    total = 0
    for side in range(sides.size):
        me, lost = sides[side], 0
        if me.ack_seen:
            lost = min(signed(holes.given_up[side]), max(0, me.acked - me.first))
            node = signed(holes.hole_high[side])
            while node != UNKNOWN:
                lost += max(0, min(signed(nodes.end[node]), me.acked) - max(signed(nodes.start[node]), me.first))
                node = signed(nodes.below[node])
            lost += max(0, me.acked - max(me.top, me.first))
        me.lost_bytes = lost
        total += lost
    return total
