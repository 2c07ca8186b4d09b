"""The manifest of a folder of recordings: for each its files with hashes, and how and where it was made."""

import hashlib
import json
from pathlib import Path
from typing import Any, Final

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
        "what": f"iperf3 between two network namespaces over veth: {_in_words(lab)}",
        "kernel": host["kernel"],
        "machine": host["machine"],
        "device": f"{host['device']} ({host['driver']})",
        "command": f"zcanalysis lab run --scenario {lab['name']} {_options(host)} -o {place.name}",
        "licence": LICENCE,
        "files": {file.name: _file(file) for file in sorted(place.iterdir())},
    }


def _in_words(lab: dict[str, Any]) -> str:
    words = [f"MTU {lab['mtu']}", f"sender on CPU {lab['sender_cpu']}", f"reader on CPU {lab['reader_cpu']}"]
    words.append("GRO" if lab["receiver_gro"] else "no GRO")
    words.append("GSO" if lab["sender_gso"] else "no GSO")
    if lab["rps_cpu"] is not None:
        words.append(f"RPS to CPU {lab['rps_cpu']}")
    if lab.get("rcvbuf_bytes") is not None:
        words.append(f"receive buffer {lab['rcvbuf_bytes']} bytes")
    if lab.get("hog_cpu") is not None:
        words.append(f"a process that computes on CPU {lab['hog_cpu']}")
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
