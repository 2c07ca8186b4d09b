"""Hosts: one receiver as frozen data, what each stage of its path costs there, how sure that is, and who says so.

A file (TOML), a preset or a calibration comes in; out go rows for the replays of `model` (`replayed`), hosts with one
number changed, and hosts drawn from the intervals. Knows `model` and `errors`, nothing else of the house.

Examples
--------
>>> host = preset("quadrics_elan3")
>>> host.prices()["link.gbps"].value, host.changed("tcp.kleen_bypass", True).tcp.kleen_bypass
(3.2, True)
"""

from zcanalysis.hosts.drawing import drawn_hosts
from zcanalysis.hosts.host import Host
from zcanalysis.hosts.presets import PRESETS, preset
from zcanalysis.hosts.price import Price
from zcanalysis.hosts.sections import (
    Checksum,
    Copy,
    Driver,
    Gro,
    Interrupt,
    Ip,
    Link,
    Nic,
    Places,
    Queue,
    Reader,
    Scheduler,
    Sender,
    Socket,
    Softirq,
    Tcp,
)
from zcanalysis.hosts.toml_text import host_text, parse_host, read_host, write_host

__all__ = [
    "PRESETS", "Checksum", "Copy", "Driver", "Gro", "Host", "Interrupt", "Ip", "Link", "Nic", "Places", "Price",
    "Queue", "Reader", "Scheduler", "Sender", "Socket", "Softirq", "Tcp", "drawn_hosts", "host_text", "parse_host",
    "preset", "read_host", "write_host",
]  # fmt: skip
