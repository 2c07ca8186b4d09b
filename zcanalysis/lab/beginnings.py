"""The first packets of a transfer, handshake included, captured at both ends: what a recorder comes too late for."""

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from zcanalysis.errors import HostError, last_words
from zcanalysis.lab.children import Child, end_group, ending_with_us
from zcanalysis.lab.namespaces import RECEIVER_DEVICE, SENDER_DEVICE, HostPair, inside
from zcanalysis.own_code import our_environment
from zcanalysis.recorder.probes import SNAPLEN_BYTES, compress_file

READY_SECONDS: Final = 20.0
POLL_SECONDS: Final = 0.02
END_SECONDS: Final = 5.0
FILES: Final = {"receiver": "first.pcap", "sender": "sender.pcap"}
"""Their names in a recording, before they are compressed."""


@contextlib.contextmanager
def first_packets(pair: HostPair, count: int, scratch: Path) -> Iterator[None]:
    """Capture the first packets at both devices while the body runs.

    Parameters
    ----------
    pair
        Hosts between which nothing runs yet.
    count
        How many packets of each device; 0 for no capture.
    scratch
        Folder for the captures, called as `FILES` says.

    Raises
    ------
    HostError
        If tcpdump does not begin within 20 s.
    """
    with contextlib.ExitStack() as cleanup:
        if count:
            places = (("receiver", pair.receiver, RECEIVER_DEVICE), ("sender", pair.sender, SENDER_DEVICE))
            for role, namespace, device in places:
                child = _listening(namespace, device, count, scratch / FILES[role])
                cleanup.callback(end_group, child)
                cleanup.callback(_ended, child)
        yield


def keep_first_packets(scratch: Path, directory: Path) -> None:
    """Compress what was captured into a recording."""
    for name in FILES.values():
        if (scratch / name).exists():
            packed = compress_file(scratch / name)
            (directory / packed.name).write_bytes(packed.read_bytes())


def _listening(namespace: str, device: str, count: int, file: Path) -> Child:
    command = ["tcpdump", "-i", device, "-s", str(SNAPLEN_BYTES), "-n", "-Z", "root", "--time-stamp-precision=nano"]
    command += ["-B", "65536", "-c", str(count), "-w", str(file), "tcp"]
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(
            ending_with_us(inside(namespace, command)), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=said, start_new_session=True, env=our_environment(),
        )  # fmt: skip
        deadline = time.monotonic() + READY_SECONDS
        while child.poll() is None and time.monotonic() < deadline:
            if b"listening on" in os.pread(said.fileno(), 4096, 0):
                return child
            time.sleep(POLL_SECONDS)
        end_group(child)
        raise HostError(f"tcpdump does not listen on {device}: {last_words(os.pread(said.fileno(), 4096, 0), '')}")


def _ended(child: Child) -> None:
    """Let tcpdump write what it has; what does not end is killed after."""
    child.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(END_SECONDS)
