"""A transfer that was replayed, as the capture that its receiver would have made: whole packets, every checksum right.

Stamped where 2.4 stamps: data as the interrupt ends (netif_rx), ACKs as they leave. The window of each ACK is worked
out by the rules of the replay. Time stamps of TCP count ticks of 10 ms. The capture begins with the handshake.
"""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from zcanalysis.model.linux24 import STAGES, Linux24, Worked

PCAP_NS: Final = struct.Struct("<IHHiIII").pack(0xA1B23C4D, 2, 4, 0, 0, 262_144, 1)
RECORD: Final = struct.Struct("<IIII")
TICK_NS: Final = 10_000_000  # HZ 100
SENDER, RECEIVER = b"\x02\x00\x00\x00\x00\x01", b"\x02\x00\x00\x00\x00\x02"
ADDRESSES: Final = (bytes([192, 168, 0, 1]), bytes([192, 168, 0, 2]))
PORTS: Final = (32_768, 5001)  # ttcp's
FIRST: Final = (1_000_000, 2_000_000)
"""Sequence numbers of both SYNs."""
SYN, ACK, SYN_ACK = 2, 16, 18
HANDSHAKE_NS: Final = 1_000_000
"""How long before the data it begins."""
MOST_WINDOW: Final = 0xFFFF


class Acknowledgement(NamedTuple):
    """An ACK that left."""

    at_ns: int
    segments: int
    """That it covers."""
    window_bytes: int


class Segment(NamedTuple):
    """One packet of the capture."""

    at_ns: int
    from_sender: bool
    flags: int
    seq: int
    ack: int
    window: int
    options: bytes
    payload: bytes = b""


def acknowledgements(host: Linux24, worked: Worked) -> list[Acknowledgement]:
    """Every ACK that the replayed receiver sent.

    Parameters
    ----------
    host, worked
        From `replay_work`.
    """
    left_ns = worked.work["end"][worked.work["stage"] == STAGES.index("ack")]
    acked_ns, copied_ns = (np.ascontiguousarray(worked.packets[name]) for name in ("acked_ns", "copied_ns"))
    covered = np.searchsorted(np.sort(acked_ns[acked_ns >= 0]), left_ns, side="right")
    read = np.searchsorted(copied_ns, left_ns, side="right")
    mss, clamp = host.mss_bytes, _clamp(host)
    found = [Acknowledgement(0, 0, clamp // mss * mss)]
    for at_ns, segments, copied in zip(left_ns.tolist(), covered.tolist(), read.tolist(), strict=True):
        last = found[-1]
        still_open = (last.segments - segments) * mss + last.window_bytes
        free = host.window_bytes - (segments - copied) * mss
        found.append(Acknowledgement(at_ns, segments, max(_window(free, still_open, mss, clamp), still_open)))
    return found[1:]


def _clamp(host: Linux24) -> int:
    return max(min(2 * host.mss_bytes, host.window_bytes), host.window_bytes - host.mss_bytes)


def _window(free: int, last: int, mss: int, clamp: int) -> int:
    """__tcp_select_window, as in the rules of the replay."""
    if free < clamp // 2 and free < mss:
        return 0
    free = min(free, clamp)
    return last if free - mss < last <= free else free // mss * mss


def capture(host: Linux24, worked: Worked, base_ns: int, packets: int) -> bytes:
    """The pcap file of the first packets.

    Parameters
    ----------
    host, worked
        From `replay_work`.
    base_ns
        Time 0 of the replay, since the epoch.
    packets
        Data packets in it.
    """
    segments = sorted(_segments(host, worked, base_ns, packets), key=lambda one: one.at_ns)
    identities = {True: 0, False: 0}
    parts = [PCAP_NS]
    for one in segments:
        identities[one.from_sender] += 1
        frame = _frame(one, identities[one.from_sender] & 0xFFFF)
        parts += [RECORD.pack(one.at_ns // 10**9, one.at_ns % 10**9, len(frame), len(frame)), frame]
    return b"".join(parts)


def stamped_ns(host: Linux24, worked: Worked) -> npt.NDArray[np.int64]:
    """When netif_rx stamped each packet: its softirq's begin.

    Parameters
    ----------
    host, worked
        From `replay_work`.
    """
    stamped: npt.NDArray[np.int64] = worked.packets["softirq_ns"] - host.softirq_packet_ns
    return stamped


def _segments(host: Linux24, worked: Worked, base_ns: int, packets: int) -> Iterator[Segment]:
    shift = max(0, host.window_bytes.bit_length() - MOST_WINDOW.bit_length())
    yield from _handshake(host, base_ns, shift)
    stamped = stamped_ns(host, worked)[:packets]
    acks = [one for one in acknowledgements(host, worked) if one.at_ns <= stamped[-1]]
    left_ns = np.array([one.at_ns for one in acks])
    for at, (came_ns, sent_ns) in enumerate(zip(stamped.tolist(), worked.packets["sent_ns"].tolist(), strict=False)):
        echoed = int(np.searchsorted(left_ns, sent_ns - host.delay_ns))
        yield Segment(
            base_ns + came_ns, True, ACK, FIRST[0] + 1 + at * host.mss_bytes, FIRST[1] + 1, 5840,
            _stamps(base_ns + sent_ns, base_ns + int(left_ns[echoed - 1]) if echoed else base_ns),
            _payload(at, host.mss_bytes),
        )  # fmt: skip
    for ack in acks:
        yield Segment(
            base_ns + ack.at_ns, False, ACK, FIRST[1] + 1, FIRST[0] + 1 + ack.segments * host.mss_bytes,
            min(ack.window_bytes >> shift, MOST_WINDOW),
            _stamps(base_ns + ack.at_ns, base_ns + int(worked.packets["sent_ns"][max(ack.segments - 1, 0)])),
        )  # fmt: skip


def _handshake(host: Linux24, base_ns: int, shift: int) -> Iterator[Segment]:
    begin_ns, clamp = base_ns - HANDSHAKE_NS, _clamp(host)
    size = struct.pack("!BBH", 2, 4, host.mss_bytes + 12) + b"\x04\x02"
    scale = struct.pack("!BBBB", 1, 3, 3, shift)
    reply_ns = begin_ns + 20_000
    done_ns = reply_ns + 2 * host.delay_ns + 20_000
    window = min(clamp // host.mss_bytes * host.mss_bytes, MOST_WINDOW)
    yield Segment(begin_ns, True, SYN, FIRST[0], 0, 5840, size + _bare(begin_ns, None) + scale)
    yield Segment(reply_ns, False, SYN_ACK, FIRST[1], FIRST[0] + 1, window, size + _bare(reply_ns, begin_ns) + scale)
    yield Segment(done_ns, True, ACK, FIRST[0] + 1, FIRST[1] + 1, 5840, _stamps(done_ns, reply_ns))


def _bare(at_ns: int, echo_ns: int | None) -> bytes:
    """The time stamps option; its clock counts ticks."""
    value, echo = (0 if ns is None else ns // TICK_NS & 0xFFFFFFFF for ns in (at_ns, echo_ns))
    return struct.pack("!BBII", 8, 10, value, echo)


def _stamps(at_ns: int, echo_ns: int) -> bytes:
    return b"\x01\x01" + _bare(at_ns, echo_ns)


def _payload(at: int, n_bytes: int) -> bytes:
    """Words that say what it is, and which packet."""
    words = b"generated, packet %08d\n" % at
    return (words * (n_bytes // len(words) + 1))[:n_bytes]


def _frame(one: Segment, identity: int) -> bytes:
    """Ethernet, IPv4, TCP and payload."""
    there, back = (0, 1) if one.from_sender else (1, 0)
    length = 20 + len(one.options) + len(one.payload)
    tcp = struct.pack(
        "!HHIIBBHHH", PORTS[there], PORTS[back], one.seq & 0xFFFFFFFF, one.ack & 0xFFFFFFFF,
        (20 + len(one.options)) // 4 << 4, one.flags, one.window, 0, 0,
    )  # fmt: skip
    pseudo = ADDRESSES[there] + ADDRESSES[back] + struct.pack("!BBH", 0, 6, length)
    checksum = summed(pseudo + tcp + one.options + one.payload)
    tcp = tcp[:16] + struct.pack("!H", checksum) + tcp[18:] + one.options + one.payload
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, identity, 0x4000, 64, 6, 0) + ADDRESSES[there] + ADDRESSES[back]
    ip = ip[:10] + struct.pack("!H", summed(ip)) + ip[12:]
    macs = (RECEIVER + SENDER) if one.from_sender else (SENDER + RECEIVER)
    return macs + b"\x08\x00" + ip + tcp


def summed(data: bytes) -> int:
    """The Internet checksum (RFC 1071).

    Examples
    --------
    >>> hex(summed(bytes.fromhex("0001f203f4f5f6f7")))
    '0x220d'
    """
    whole = data + b"\x00" * (len(data) % 2)
    total = int(np.frombuffer(whole, ">u2").sum(dtype=np.uint64))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
