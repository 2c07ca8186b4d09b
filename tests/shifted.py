"""Copies of recordings and captures as if they had been made later, by whole seconds."""

import gzip
import json
import shutil
import struct
from pathlib import Path

import polars as pl
import zstandard

SECOND_NS = 1_000_000_000


def shifted_recording(source: Path, target: Path, seconds: int) -> Path:
    """A recording's folder, every time of the wall clock moved."""
    target.mkdir(parents=True)
    counters = pl.read_parquet(source / "counters.parquet")
    counters.with_columns(pl.col("ts_ns") + seconds * SECOND_NS).write_parquet(target / "counters.parquet")
    (target / "host.json").write_text(
        json.dumps(_shifted_host(json.loads((source / "host.json").read_text()), seconds))
    )
    for file in source.iterdir():
        if file.name.startswith("capture."):
            (target / "capture.pcap").write_bytes(shifted_pcap(unpacked(file), seconds))
        elif file.name not in ("counters.parquet", "host.json"):
            shutil.copyfile(file, target / file.name)
    return target


def shifted_pcap(content: bytes, seconds: int) -> bytes:
    """A pcap of little-endian records, moved."""
    out, at = bytearray(content), 24
    while at < len(out):
        second, captured_bytes = struct.unpack_from("<I4xI", out, at)
        struct.pack_into("<I", out, at, second + seconds)
        at += 16 + captured_bytes
    return bytes(out)


def unpacked(file: Path) -> bytes:
    """What a .gz or .zst file holds; the content of any other."""
    content = file.read_bytes()
    if file.suffix == ".zst":
        return zstandard.ZstdDecompressor().decompressobj().decompress(content)
    return gzip.decompress(content) if file.suffix == ".gz" else content


def _shifted_host(facts: dict, seconds: int) -> dict:
    moved_ns = seconds * SECOND_NS
    for phase in facts["phases"]:
        phase["from_ns"] += moved_ns
        phase["to_ns"] += moved_ns
    for pair in facts["clock"]:
        pair["realtime_ns"] += moved_ns
    return facts
