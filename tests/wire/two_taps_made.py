"""A transfer between two taps whose delays, losses and clocks are known."""

from typing import NamedTuple

import numpy as np
import polars as pl

from zcanalysis.tables import PACKETS, polars_schema

START_NS = 1_700_000_000_000_000_000
A_ADDRESS, B_ADDRESS = 0x0A000001, 0x0A000002
SEGMENT_BYTES = 1448


class Clocks(NamedTuple):
    """Clock B minus clock A, at START_NS, and what it gains a second."""

    offset_ns: int
    drift: float

    def of_b(self, ns):
        return ns + self.offset_ns + np.rint(self.drift * (np.asarray(ns) - START_NS)).astype(np.int64)


class Made(NamedTuple):
    """PACKETS of both taps, and of each record of A that carries payload what came of it."""

    a: pl.DataFrame
    b: pl.DataFrame
    truth: pl.DataFrame


def packets(rows: list[dict]) -> pl.DataFrame:
    """PACKETS with these columns, in order of time; the others are null."""
    table = pl.DataFrame(rows, infer_schema_length=None).sort("ts_ns", maintain_order=True)
    types = polars_schema(PACKETS)
    return pl.DataFrame(
        {
            name: table[name].cast(kind) if name in table.columns else [None] * table.height
            for name, kind in types.items()
        },
        schema=types,
    )


def row(ts_ns, *, to_b, seq=0, ack=0, size=0, ip_id=0, tsval=None, tsecr=None, flags=0x10, flow_id=77) -> dict:
    """One packet; A's side has the lower address."""
    ends = (A_ADDRESS, B_ADDRESS) if to_b else (B_ADDRESS, A_ADDRESS)
    ports = (40000, 5201) if to_b else (5201, 40000)
    return {
        "ts_ns": int(ts_ns), "protocol": 6, "ip_version": 4, "src": ends[0], "dst": ends[1], "src_port": ports[0],
        "dst_port": ports[1], "tcp_flags": flags, "seq": seq % (1 << 32), "ack": ack % (1 << 32), "payload_bytes": size,
        "window_raw": 512, "ip_id": ip_id % 65536, "tsval": tsval, "tsecr": tsecr, "flow_id": flow_id,
        "direction": not to_b, "wire_bytes": size + 66, "captured_bytes": size + 66,
    }  # fmt: skip


def transfer(
    clocks: Clocks, *, seed=0, records=400, loss=0.02, joined=4, stamped=True, first_seq=(1 << 32) - 90_000
) -> Made:
    """A sends super-packets of `joined` segments, B sees segments in pairs and acknowledges each.

    Every record is lost with probability `loss`, sent again 20.5 ms later, then arrives.
    """
    draw = np.random.default_rng(seed)
    a, b, truth, seq, ip_id = [], [], [], first_seq, 1000
    for number in range(records):
        size, now_ns = joined * SEGMENT_BYTES, START_NS + number * 1_000_000
        copies = [now_ns, now_ns + 20_500_000] if draw.random() < loss else [now_ns]
        for copy, sent_ns in enumerate(copies):
            arrives = copy == len(copies) - 1
            delay_ns = 300_000 + int(draw.exponential(200_000))
            stamps = {"tsval": (sent_ns - START_NS) // 1_000_000, "tsecr": 1} if stamped else {}
            a.append(row(sent_ns, to_b=True, seq=seq, size=size, ip_id=ip_id, **stamps))
            truth.append({"sent_ns": sent_ns, "seq": seq % (1 << 32), "arrived": arrives, "delay_ns": delay_ns})
            for at in range(0, size if arrives else 0, 2 * SEGMENT_BYTES):
                arrival_ns = sent_ns + delay_ns
                seen = min(2 * SEGMENT_BYTES, size - at)
                b.append(
                    row(
                        clocks.of_b(arrival_ns),
                        to_b=True,
                        seq=seq + at,
                        size=seen,
                        ip_id=ip_id + at // SEGMENT_BYTES,
                        **stamps,
                    )
                )
                back = {
                    "ack": seq + at + seen,
                    "ip_id": ip_id + at,
                    "seq": 1,
                    **({"tsval": 5, "tsecr": 6} if stamped else {}),
                }
                left_ns = arrival_ns + 5000 + at
                b.append(row(clocks.of_b(left_ns), to_b=False, **back))
                a.append(row(left_ns + 250_000 + int(draw.exponential(100_000)), to_b=False, **back))
            ip_id += joined
        seq += size
    return Made(packets(a), packets(b), pl.DataFrame(truth))
