"""Machines that Lincoln Dale may have had: ranges written down before any outcome was looked at, and draws from them.

His mail names no processor, card, bus, message or number of links; only what limited him, and how much he gained.
"""

from typing import Final

import numpy as np

from zcanalysis.cases.ranges import Choice, Ranges
from zcanalysis.hosts.price import Price
from zcanalysis.model.arrays import Floats
from zcanalysis.model.relay import Machines

REPORTED_GAIN: Final = 1.6  # "an immediate 60% performance gain"
TOLERANCE: Final = 0.05  # a round figure: 55 to 65 %
BUS_BITS: Final = 64
UNKNOWN: Final = "the mail does not say; wide on purpose"

CHOICES: Final[dict[str, Choice]] = {
    "bus clock (MHz)": Choice(
        (100, 133), "published", "Intel's P6 front-side buses of 2000, 64 bit: 6.4, 8.5 Gbit/s raw"
    ),
    "PCI raw (Gbit/s)": Choice(
        (1.056, 2.112, 4.224),
        "published",
        "bits x clock: 32 x 33, 64 x 33, 64 x 66 MHz; UCL thesis of Li, table of A.2",
    ),
    "PCI buses (buses)": Choice((1, 2), "assumed", UNKNOWN),
    "CPUs (CPUs)": Choice((1, 2), "assumed", UNKNOWN),
}
RANGES: Final[dict[str, Price]] = {
    "front-side bus reached (of raw)": Price(
        0.65, 0.45, 0.85, "assumed",
        "STREAM on a Pentium III, Sandra at bluesmoke.net, 6 March 2002: 356 MB/s, and half as much again crosses",
    ),
    "memory reached (of raw)": Price(
        0.6, 0.4, 0.8, "assumed", "the same figure; less where CPU and cards change rows and direction"
    ),
    "PCI reached (of raw)": Price(0.65, 0.5, 0.8, "assumed", "bursts of cards of the time, arbitration"),
    "links, one way (Gbit/s)": Price(1.0, 0.4, 4.0, "assumed", f"four Fast Ethernets to four gigabits: {UNKNOWN}"),
    "CPU waits for a line (ns/byte)": Price(
        2.5, 1.5, 4.0, "assumed",
        "32 bytes in 48 to 128 ns; above is the whole aligned copy of a Pentium III, 4.1 (A. Morton, 7 October 2002)",
    ),
    "a pass in the cache (ns/byte)": Price(
        0.7, 0.3, 1.5, "assumed", "0.72 is a copy of a P4 Xeon 1.5 GHz, aligned (M. Anand, 9 October 2002); slower then"
    ),
    "a packet, in and out (ns)": Price(
        15_000, 7_000, 35_000, "assumed", "1 GHz for 1 Gbit/s: 12,000 ns for 1,500 bytes, one way, its copy included"
    ),
    "payload of a packet (bytes)": Price(1200, 600, 1448, "assumed", "streams of content in Ethernet packets"),
    "message (bytes)": Price(16_384, 4_096, 65_536, "assumed", UNKNOWN),
    "calls and wake-up of a message (ns)": Price(6_000, 2_000, 20_000, "assumed", "two calls and a switch"),
    "map, lock, unmap a page (ns)": Price(1_500, 500, 4_000, "assumed", "no figure of 2000 was found"),
    "flush the TLB (ns)": Price(4_000, 500, 15_000, "assumed", "one CPU's own, to others interrupted; no figure found"),
    "received bytes still cached (share)": Price(0.5, 0.05, 0.95, "assumed", UNKNOWN),
    "program's buffer still cached (share)": Price(0.5, 0.05, 0.95, "assumed", UNKNOWN),
    "sent bytes still cached (share)": Price(0.5, 0.05, 0.95, "assumed", UNKNOWN),
}  # fmt: skip
OF_2000: Final = Ranges(CHOICES, RANGES)


def drawn(draws: int) -> dict[str, Floats]:
    """Every choice and range, drawn for itself; shape (draws,) each."""
    values = OF_2000.drawn(draws)
    name = "payload of a packet (bytes)"
    return values | {name: np.minimum(values[name], RANGES[name].high)}


def machines(values: dict[str, Floats]) -> Machines:
    """The machines that those values make."""
    raw_gbps = values["bus clock (MHz)"] * BUS_BITS / 1e3
    return Machines(
        cpus=values["CPUs (CPUs)"],
        front_side_gbps=raw_gbps * values["front-side bus reached (of raw)"],
        memory_gbps=raw_gbps * values["memory reached (of raw)"],
        pci_gbps=values["PCI raw (Gbit/s)"] * values["PCI reached (of raw)"] * values["PCI buses (buses)"],
        link_gbps=values["links, one way (Gbit/s)"],
        miss_ns_per_byte=values["CPU waits for a line (ns/byte)"],
        pass_ns_per_byte=values["a pass in the cache (ns/byte)"],
        packet_ns=values["a packet, in and out (ns)"],
        payload_bytes=values["payload of a packet (bytes)"],
        message_bytes=values["message (bytes)"],
        message_ns=values["calls and wake-up of a message (ns)"],
        page_ns=values["map, lock, unmap a page (ns)"],
        flush_ns=values["flush the TLB (ns)"],
        kept_received=values["received bytes still cached (share)"],
        kept_program=values["program's buffer still cached (share)"],
        kept_sent=values["sent bytes still cached (share)"],
    )
