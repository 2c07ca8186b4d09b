"""Machines that Dave Miller may have had in mind in January 2001: ranges written down before any outcome was looked at.

The keynote's notes name cards and copies, and no rate, processor or gain.
"""

from dataclasses import replace
from typing import Final

from zcanalysis.cases.pinned_buffers_machines import BUS_BITS, OF_2000
from zcanalysis.cases.ranges import Choice, Ranges
from zcanalysis.hosts.price import Price
from zcanalysis.model.arrays import Floats
from zcanalysis.model.nfs import BUFFERS, Prices

UNKNOWN: Final = "the keynote does not say; wide on purpose"
STREAM: Final = OF_2000.prices["front-side bus reached (of raw)"].source

CHOICES: Final[dict[str, Choice]] = {
    "bus clock (MHz)": OF_2000.choices["bus clock (MHz)"],
    "request: rsize, wsize (bytes)": Choice((8192,), "assumed", "the block that was usually asked for over UDP then"),
    "payload of a piece (bytes)": Choice((1480,), "published", "Ethernet: 1500 less the header of IPv4"),
}
RANGES: Final[dict[str, Price]] = {
    "memory reached (of raw)": replace(
        OF_2000.prices["memory reached (of raw)"],
        source=f"{STREAM}; less where CPU and cards change rows and direction",
    ),
    **{name: OF_2000.prices[name] for name in ("CPU waits for a line (ns/byte)", "a pass in the cache (ns/byte)")},
    "a sum meanwhile (of a pass)": Price(0.2, 0.05, 0.6, "assumed", "a sum made while copying waits for nothing more"),
    "a piece, received or sent (ns)": Price(
        6_000, 3_000, 15_000, "assumed", "half of 1 GHz for 1 Gbit/s, 12,000 ns for 1,500 bytes, which has a copy in it"
    ),
    "a request: UDP, RPC, NFS, files (ns)": Price(40_000, 15_000, 100_000, "assumed", UNKNOWN),
    "packets still cached (share)": Price(0.5, 0.05, 0.95, "assumed", UNKNOWN),
    "datagram still cached (share)": Price(0.5, 0.05, 0.95, "assumed", UNKNOWN),
    "page cache still cached (share)": Price(0.2, 0.02, 0.6, "assumed", "files are larger than caches of 256 KB"),
    "program still cached (share)": Price(0.5, 0.05, 0.95, "assumed", UNKNOWN),
}  # fmt: skip
OF_2001: Final = Ranges(CHOICES, RANGES)


def prices(values: dict[str, Floats]) -> Prices:
    """The machines that those values make."""
    return Prices(
        miss_ns_per_byte=values["CPU waits for a line (ns/byte)"],
        pass_ns_per_byte=values["a pass in the cache (ns/byte)"],
        fused_share=values["a sum meanwhile (of a pass)"],
        packet_ns=values["a piece, received or sent (ns)"],
        packet_bytes=values["payload of a piece (bytes)"],
        request_ns=values["a request: UDP, RPC, NFS, files (ns)"],
        request_bytes=values["request: rsize, wsize (bytes)"],
        memory_gbps=values["bus clock (MHz)"] * BUS_BITS / 1e3 * values["memory reached (of raw)"],
        kept={name: values[f"{name} still cached (share)"] for name in BUFFERS},
    )
