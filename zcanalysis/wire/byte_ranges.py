"""Which record of one tap carried the bytes that a record of another tap carries: the compiled half of `match_taps`.

Offloads cut and join segments on either side of a tap, so payload is matched by position in its stream, not by packet.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from zcanalysis.io.packet_bytes import signed
from zcanalysis.io.packet_compile import compiled

NONE: Final = -1
SYN: Final = 2
REACH: Final = 1 << 31
MAX_SCANNED: Final = 64  # copies of the same bytes that are looked at
MAX_PIECES: Final = 1024  # of one record
PIECES_A_RECORD: Final = 4

Ints = npt.NDArray[np.int64]


class Records(NamedTuple):
    """Data records of one tap, by stream and first position; `NONE` where a field is absent."""

    stream: Ints
    start: Ints
    end: Ints
    reached: Ints
    """Highest end in the stream up to and including this record."""
    ts_ns: Ints
    tsval: Ints
    ip_id: Ints


class Pieces(NamedTuple):
    """Stretches of the later tap's records, and the earlier tap's record of each (`NONE`: none)."""

    down: Ints
    up: Ints
    start: Ints
    end: Ints
    certain: npt.NDArray[np.uint8]


def new_pieces(records: int) -> Pieces:
    """Room for the pieces of so many records of both taps: each ends where a record of either ends."""
    room = PIECES_A_RECORD * records + 1
    down, up, start, end = np.zeros((4, room), np.int64)
    return Pieces(down, up, start, end, np.zeros(room, np.uint8))


@compiled
def unwrap(stream: Ints, seq: Ints, flags: Ints, position: Ints, life: Ints) -> None:
    """Positions of 64 bits, in file order within each stream; a SYN with another number begins a new life."""
    first_seq = NONE
    for row in range(stream.size):
        if row == 0 or stream[row] != stream[row - 1]:
            first_seq, near, current = NONE, signed(seq[row]), 0
        elif flags[row] & SYN and seq[row] != first_seq:
            near, current = signed(seq[row]), current + 1
        if flags[row] & SYN:
            first_seq = signed(seq[row])
        ahead = (seq[row] - near) & 0xFFFFFFFF
        near += ahead if ahead < REACH else ahead - 2 * REACH
        position[row] = near
        life[row] = current


@compiled
def reach(records: Records) -> None:
    """Fill in `reached`."""
    for row in range(records.start.size):
        records.reached[row] = records.end[row]
        if row > 0 and records.stream[row] == records.stream[row - 1]:
            records.reached[row] = max(signed(records.end[row]), signed(records.reached[row - 1]))


@compiled
def _after(up: Records, stream: int, position: int) -> int:
    """The first record behind those of the stream that start at or before the position."""
    low, high = 0, up.start.size
    while low < high:
        middle = (low + high) // 2
        if up.stream[middle] < stream or (up.stream[middle] == stream and up.start[middle] <= position):
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def _same_copy(down: Records, row: int, up: Records, candidate: int) -> bool:
    """Whether nothing says that these are two transmissions of the same bytes."""
    if down.tsval[row] != NONE and up.tsval[candidate] != NONE and down.tsval[row] != up.tsval[candidate]:
        return False
    if down.start[row] != up.start[candidate]:  # only the first packet of a record shows its id
        return True
    return bool(down.ip_id[row] <= 0 or up.ip_id[candidate] <= 0 or down.ip_id[row] == up.ip_id[candidate])


@compiled
def _carrier(down: Records, row: int, up: Records, position: int, slack_ns: int) -> tuple[int, int]:
    """The record that carried the byte, and how many may have.

    Of several the latest that was sent in time; `slack_ns` is the error of the clocks, below 0 if they are unknown.
    """
    best, latest, count, scanned = NONE, NONE, 0, 0
    candidate = _after(up, signed(down.stream[row]), position) - 1
    while candidate >= 0 and scanned < MAX_SCANNED:
        if up.stream[candidate] != down.stream[row] or up.reached[candidate] <= position:
            break
        if up.end[candidate] > position and _same_copy(down, row, up, candidate):
            count += 1
            if best == NONE:
                best = candidate
            in_time = slack_ns >= 0 and up.ts_ns[candidate] <= down.ts_ns[row] + slack_ns
            if in_time and (latest == NONE or up.ts_ns[candidate] > up.ts_ns[latest]):
                latest = candidate
        candidate -= 1
        scanned += 1
    if scanned == MAX_SCANNED:
        count += 1
    if count > 1:
        best = latest
    return best, count


@compiled
def match(down: Records, up: Records, slack_ns: int, pieces: Pieces) -> int:
    """Cut the later tap's records where the earlier one's end; how many pieces there are.

    `up.ts_ns` is in the clock of `down`.
    """
    found, room = 0, pieces.down.size
    for row in range(down.start.size):
        position, end, cut = signed(down.start[row]), signed(down.end[row]), 0
        while position < end:
            rest = cut == MAX_PIECES or found + down.start.size - row >= room
            carrier, count, stop = NONE, 0, end
            if not rest:
                carrier, count = _carrier(down, row, up, position, slack_ns)
                if carrier != NONE:
                    stop = min(end, signed(up.end[carrier]))
                else:
                    following = _after(up, signed(down.stream[row]), position)
                    if following < up.start.size and up.stream[following] == down.stream[row]:
                        stop = min(end, signed(up.start[following]))
            pieces.down[found], pieces.up[found] = row, carrier
            pieces.start[found], pieces.end[found] = position, stop
            pieces.certain[found] = count == 1
            found, cut, position = found + 1, cut + 1, stop
    return found
