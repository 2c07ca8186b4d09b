"""The manifest of a folder of recordings: for each its files with hashes, and how and where it was made."""

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from zcanalysis.lab.scenarios import Scenario

UNTOUCHED: Final = Scenario(name="as it is").as_json()
OTHERS: Final = (
    "sender_checksum_offload", "receiver_checksum_offload", "autotuning", "quickack", "delack_ms", "link_rate_gbps",
    "reader_bytes", "sender_pages", "zero_copy", "busy_poll_us", "flows", "protocol",
    "pace_gbps", "link_queue_bytes", "reader_pause_us", "request_bytes",
)  # fmt: skip

LICENCE: Final = "BSD-3-Clause, recorded by this project; no payload beyond 96 bytes a packet"


def write_manifest(folder: Path) -> Path:
    """Write `manifest.json` of a folder's recordings, each made by `zcanalysis lab run`; what else it lists stays.

    Returns
    -------
    Path
        The manifest: for each recording its kernel, machine, exact command, licence, and every file's size and sha256.
    """
    recordings = {place.name: _recording(place) for place in sorted(folder.iterdir()) if (place / "host.json").exists()}
    manifest = folder / "manifest.json"
    others = json.loads(manifest.read_text()) if manifest.exists() else {}
    manifest.write_text(json.dumps(others | {"recordings": recordings}, indent=1, sort_keys=True) + "\n")
    return manifest


def _recording(place: Path) -> dict[str, Any]:
    host = json.loads((place / "host.json").read_text())
    lab = host["lab"]
    return {
        "what": f"{_program(lab)} between two network namespaces over veth: {_in_words(lab)}",
        "kernel": host["kernel"],
        "machine": host["machine"],
        "device": f"{host['device']} ({host['driver']})",
        "command": f"zcanalysis lab run {_chosen(lab['name'])} {_options(host)} -o {place.name}",
        "licence": LICENCE,
        "files": {file.name: _file(file) for file in sorted(place.iterdir())},
    }


def _chosen(name: str) -> str:
    """Options that choose a scenario, patched or not.

    Examples
    --------
    >>> _chosen("mtu-1500+gro=on")
    '--scenario mtu-1500 --patch gro=on'
    """
    scenario, *patches = name.split("+")
    return " ".join([f"--scenario {scenario}", *(f"--patch {patch}" for patch in patches)])


def _program(lab: dict[str, Any]) -> str:
    return "our own sender and reader" if Scenario(**lab).has_own_traffic else "iperf3"


def _in_words(lab: dict[str, Any]) -> str:
    words = [f"MTU {lab['mtu']}", f"sender on CPU {lab['sender_cpu']}", f"reader on CPU {lab['reader_cpu']}"]
    words.append("GRO" if lab["receiver_gro"] else "no GRO")
    words.append("GSO" if lab["sender_gso"] else "no GSO")
    if lab["rps_cpu"] is not None:
        words.append(f"RPS to CPU {lab['rps_cpu']}")
    if lab.get("rcvbuf_bytes") is not None:
        words.append(f"receive buffer {lab['rcvbuf_bytes']} bytes")
    if lab.get("hog_cpu") is not None:
        count = lab.get("hogs", 1)
        words.append(f"{'a process that computes' if count == 1 else f'{count} that compute'} on CPU {lab['hog_cpu']}")
    words += [f"{name} {lab[name]}" for name in OTHERS if lab.get(name) not in (None, UNTOUCHED.get(name))]
    return ", ".join([*words, lab["congestion_control"]])


def _seconds(host: dict[str, Any]) -> int:
    elapsed_ns = sum(int(phase["to_ns"]) - int(phase["from_ns"]) for phase in host["phases"])
    return round(elapsed_ns / 1e9)


def _options(host: dict[str, Any]) -> str:
    names = {phase["name"] for phase in host["phases"]}
    absent, traced = "" if "capture" in names else " --no-capture", " --trace" if "trace" in names else ""
    return f"--seconds {_seconds(host)}{absent}{traced}"


def _file(file: Path) -> dict[str, Any]:
    content = file.read_bytes()
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
