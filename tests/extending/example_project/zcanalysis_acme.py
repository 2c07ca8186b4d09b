"""A patch, a stage map and a reader for zcanalysis, as another project would bring them."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from zcanalysis.cpu.stage_maps import StageMap
from zcanalysis.hosts import Host, Price
from zcanalysis.io.compressed import open_bytes
from zcanalysis.io.flow_ids import identified
from zcanalysis.io.host_facts import HostFacts
from zcanalysis.io.readers import Reader
from zcanalysis.patches import Entry, Patch, Setting
from zcanalysis.patches.patch import step
from zcanalysis.patches.values import whole
from zcanalysis.tables import PACKETS, filled

SYSCTL = "net.acme.copy_percent"
MAGIC = b"#acme-tap 1\n"


def copy_setting(patch: Patch, host: HostFacts) -> Setting:
    """How it is done on a host, and undone."""
    before = host.sysctls.get(SYSCTL, "100")
    return step(f"sysctl -w {SYSCTL}={patch.value}", f"sysctl -w {SYSCTL}={before}", "needs ACME's kernel")


def faster_copy(host: Host, patch: Patch) -> Host:
    """A calibrated host with it: the copy takes that part of its time; the replay does the rest."""
    part, now = patch.number / 100, host.copy.ns_per_byte
    price = Price(part * now.value, part * now.low, part * now.high, "assumed", "ACME's manual, page 12")
    return host.with_price("copy.ns_per_byte", price)


COPY = Entry(
    name="acme-copy",
    value=whole(1, 100, "percent"),
    what="the copy to user space takes that part of its time",
    source="ACME's manual, page 12",
    unless="the kernel is not ACME's",
    on=copy_setting,
    effect=faster_copy,
    tries=(50,),
)

DRIVER = StageMap({"acme_clean_rx": "driver_rx", "acme_merge": "gro"})


def is_tap(file: Path, start: bytes) -> bool:
    """Whether the file is one of ACME's tap."""
    return start.startswith(MAGIC)


def tap_packets(file: Path) -> Iterator[pl.DataFrame]:
    """Its packets: comma-separated values behind the first line, columns named as in PACKETS."""
    with open_bytes(file) as stream:
        rows = pl.read_csv(stream.read(), comment_prefix="#")
    yield filled(identified(rows.with_columns(captured_bytes="wire_bytes")), PACKETS)


TAP = Reader(is_tap, packets=tap_packets)
