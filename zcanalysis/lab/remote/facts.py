"""`python -m zcanalysis.lab.remote.facts`: what a lab must know of this machine, as one JSON line."""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any, Final

from zcanalysis.lab.remote.attendant import is_taken
from zcanalysis.lab.transfer import PORT
from zcanalysis.own_code import VERSION
from zcanalysis.recorder.host_facts import kernel_config, tool_output

TOOLS: Final = ("ip", "ethtool", "tc", "iperf3", "tar")
DEVICES: Final = Path("/sys/class/net")


def facts() -> dict[str, Any]:
    """Everything; `addresses` holds device, IPv4 address and length of the prefix, of devices that are up."""
    return {
        "version": VERSION,
        "root": os.geteuid() == 0,
        "missing": [tool for tool in TOOLS if shutil.which(tool) is None],
        "cpus": sorted(os.sched_getaffinity(0)),
        "hz": kernel_config()["hz"],
        "port_taken": is_taken(PORT),
        "queues": {each.name: len(list(each.glob("queues/rx-*"))) for each in DEVICES.iterdir()},
        "addresses": addresses(tool_output("ip", "-j", "-4", "addr", "show", "up")),
    }


def addresses(text: str) -> list[list[Any]]:
    """Device, address and length of the prefix, from the text of `ip -j addr`; no loopback, nothing link-local.

    Examples
    --------
    >>> addresses('[{"ifname":"eth0","addr_info":[{"local":"10.0.0.1","prefixlen":24,"scope":"global"}]}]')
    [['eth0', '10.0.0.1', 24]]
    """
    return [
        [device["ifname"], each["local"], each["prefixlen"]]
        for device in json.loads(text or "[]")
        for each in device.get("addr_info", ())
        if each.get("scope") == "global" and "local" in each
    ]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(facts()) + "\n")
