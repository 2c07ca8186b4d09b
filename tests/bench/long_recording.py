"""A recording of a million packets for what must stay quick with one: a shipped one whose capture goes on and on.

Run as ``python -m tests.bench.long_recording`` (``make bench-data``); it is left in build/ and labelled as generated.
Each further round of the capture's packets follows the one before in time, in both sequence spaces and in TCP's time
stamps, so that it is still one connection. Counters and samples are those of the shipped recording.
"""

import json
import shutil
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from zcanalysis.io.compressed import open_bytes
from zcanalysis.io.recording import GENERATED_CAPTURE

SOURCE: Final = Path(__file__).parents[2] / "traces" / "veth-1500"
PLACE: Final = Path("build") / "veth-1500-million-generated"
PACKETS: Final = 1_000_000
NS_MAGIC: Final = bytes.fromhex("4d3cb2a1")
FILE_HEADER, RECORD_HEADER = 24, 16
# offsets from a record's begin: Ethernet, IPv4 without options, TCP with time stamps as its first option
L3_LENGTH, SEQ, ACK, TCP_OFFSET, TIME_OPTION, TSVAL, TSECR = (RECORD_HEADER + at for at in (16, 38, 42, 46, 54, 58, 62))
SOURCE_PORT: Final = RECORD_HEADER + 34
IS_TIME_OPTION: Final = 0x0101080A
Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]


class Round(NamedTuple):
    """The capture's records, and by how much each number in them grows from one round to the next."""

    records: Bytes
    begin: Numbers
    """Where each record begins."""
    ns: Numbers
    round_ns: int
    seq_step: Numbers
    ack_step: Numbers


def main() -> None:
    """Write it, and say where it is."""
    made = write_recording(PLACE, PACKETS)
    print(f"{PLACE}: {made:,} packets, generated from {SOURCE.name}")  # noqa: T201 - a command


def write_recording(place: Path, packets: int) -> int:
    """The number of packets written, whole rounds: at least those asked for.

    Parameters
    ----------
    place
        Folder, made anew.
    packets
        At least.
    """
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(SOURCE, place, ignore=shutil.ignore_patterns("capture.*"))
    made, rounds = write_capture(place / GENERATED_CAPTURE, packets)
    facts = json.loads((place / "host.json").read_text())
    facts["generated"] = f"the packets of {SOURCE.name} {rounds} times over; all else is as recorded there"
    (place / "host.json").write_text(json.dumps(facts, indent=1))
    return made


def write_capture(file: Path, packets: int) -> tuple[int, int]:
    """The capture alone: how many packets were written, in how many rounds.

    Parameters
    ----------
    file
        Written anew.
    packets
        At least.
    """
    with open_bytes(SOURCE / "capture.pcap.zst") as source:
        header, records = source.read(FILE_HEADER), np.frombuffer(source.read(), np.uint8)
    assert header[:4] == NS_MAGIC
    one = _round(records)
    rounds = -(-packets // len(one.begin))
    with file.open("wb") as out:
        out.write(header)
        for number in range(rounds):
            out.write(_later(one, number).tobytes())
    return rounds * len(one.begin), rounds


def _round(recorded: Bytes) -> Round:
    records = _of_the_connection(recorded)
    begin = _begins(records)
    ns = _little(records, begin) * 10**9 + _little(records, begin + 4)
    ports = _big(records, begin + SOURCE_PORT) >> 16
    header = 20 + (records[begin + TCP_OFFSET].astype(np.int64) >> 4) * 4
    payload = (_big(records, begin + L3_LENGTH - 2) & 0xFFFF) - header
    sent = {port: _span(_big(records, begin + SEQ)[ports == port], payload[ports == port]) for port in np.unique(ports)}
    (one, its), (other, others) = sent.items()
    steps = {one: (its, others), other: (others, its)}
    seq_step, ack_step = (np.array([steps[port][at] for port in ports.tolist()]) for at in (0, 1))
    span_ns = int(ns.max() - ns.min())
    return Round(records, begin, ns, span_ns + span_ns // len(begin), seq_step, ack_step)


def _of_the_connection(recorded: Bytes) -> Bytes:
    """Without what else was on the wire, which has no time stamps of TCP."""
    begin = _begins(recorded)
    kept = _big(recorded, np.minimum(begin + TIME_OPTION, len(recorded) - 4)) == IS_TIME_OPTION
    return recorded[np.repeat(kept, np.diff(begin, append=len(recorded)))]


def _begins(records: Bytes) -> Numbers:
    found, at, data = [], 0, memoryview(records)
    while at < len(data):
        found.append(at)
        at += RECORD_HEADER + int.from_bytes(data[at + 8 : at + 12], "little")
    return np.array(found)


def _span(seq: Numbers, payload: Numbers) -> int:
    """How far a direction's sequence went: to the end of its last byte, from its first packet's begin."""
    from_first = (seq - seq[0] + (1 << 31)) % (1 << 32) - (1 << 31)
    return int((from_first + payload).max() - from_first.min())


def _later(one: Round, number: int) -> Bytes:
    """The records as they are some rounds later."""
    out = one.records.copy()
    ns = one.ns + number * one.round_ns
    _put(out, one.begin, ns // 10**9, "<u4")
    _put(out, one.begin + 4, ns % 10**9, "<u4")
    tick = np.int64(number * one.round_ns // 1_000_000)
    for offset, step in ((SEQ, number * one.seq_step), (ACK, number * one.ack_step), (TSVAL, tick), (TSECR, tick)):
        _put(out, one.begin + offset, (_big(out, one.begin + offset) + step) % (1 << 32), ">u4")
    return out


def _words(data: Bytes, at: Numbers) -> Bytes:
    return np.ascontiguousarray(data[at[:, None] + np.arange(4)])


def _big(data: Bytes, at: Numbers) -> Numbers:
    return _words(data, at).view(">u4")[:, 0].astype(np.int64)


def _little(data: Bytes, at: Numbers) -> Numbers:
    return _words(data, at).view("<u4")[:, 0].astype(np.int64)


def _put(data: Bytes, at: Numbers, values: Numbers, kind: str) -> None:
    data[at[:, None] + np.arange(4)] = values.astype(kind)[:, None].view(np.uint8)


if __name__ == "__main__":
    main()
