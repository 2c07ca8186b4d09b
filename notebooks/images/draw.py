"""The pictures of the README: of each case the chart of its notebook that says most of its answer. `make pictures`."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

import altair as alt
import polars as pl

from zcanalysis import charts
from zcanalysis.cases import defragmentation, modern, pinned_buffers, published, quadrics
from zcanalysis.cases.kleen_workloads import patch_map
from zcanalysis.cases.modern_suspects import suspects

Drawn = alt.Chart | alt.LayerChart | alt.FacetChart
PLACE: Final = Path(__file__).parent
PIXELS_AN_INCH: Final = 72  # most charts come to some 900 pixels across
KLEEN_ROWS: Final = ("bulk", "bulk, buffer 4 x the window", "request in two writes", "chatroom, no Nagle")


def quadrics_volumes() -> Drawn:
    shares = quadrics.studied().hypotheses
    return charts.volumes(shares.filter(pl.col("branch") == "TCP"))


def kleen_patch() -> Drawn:
    return charts.patch_effect(patch_map().filter(pl.col("workload").is_in(KLEEN_ROWS)))


def relay_machines() -> Drawn:
    return charts.relay_gain(pinned_buffers.gain_bins(), pinned_buffers.REPORTED)


def copies_removed() -> Drawn:
    return charts.walk_gains(defragmentation.gain_table())


def suspects_today() -> Drawn:
    steady = pl.col("recording").is_in(modern.STEADY)
    return charts.suspects(
        suspects(modern.answers()).filter(steady), modern.answer().tables[modern.HOSTS].filter(steady)
    )


def published_errors() -> Drawn:
    return charts.foretold_errors(published.counted(published.foretold()).filter(pl.col("kind") != published.SAMENESS))


PICTURES: Final[dict[str, tuple[Callable[[], Drawn], str]]] = {
    "quadrics": (quadrics_volumes, "Over TCP: share of generated hosts that send 1.4, and receive 0.9 Gbit/s"),
    "kleen_patch": (kleen_patch, "What the patch changes, in per cent, replayed: four ways to use a connection"),
    "pinned_buffers": (relay_machines, "What a relay gains without copying: generated machines that the bus limited"),
    "defragmentation": (copies_removed, "NFS over UDP, generated machines: what each copy removed gives"),
    "modern": (suspects_today, "Today's kernel, three recordings: which suspect of 2002 holds back what"),
    "published": (
        published_errors,
        "Published figures but copies, foretold from each other: how far off (ring: before)",
    ),
}
"""Of each case: its chart and what stands above it."""


def smaller(picture: bytes) -> bytes:
    """The same PNG, compressed as well as zlib can: a quarter of what vl-convert writes."""
    kept, packed, at = picture[:8], b"", 8
    while at < len(picture):
        length, kind = struct.unpack(">I4s", picture[at : at + 8])
        if kind == b"IDAT":
            packed += picture[at + 8 : at + 8 + length]
        elif kind == b"IEND":
            body = b"IDAT" + zlib.compress(zlib.decompress(packed), 9)
            kept += struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)) + picture[at:]
        else:
            kept += picture[at : at + 12 + length]
        at += 12 + length
    return kept


if __name__ == "__main__":
    for name, (chart, words) in PICTURES.items():
        place = PLACE / f"{name}.png"
        title = alt.Title(words, anchor="start", fontSize=14, offset=10)
        chart().properties(title=title).save(place, ppi=PIXELS_AN_INCH)
        place.write_bytes(smaller(place.read_bytes()))
