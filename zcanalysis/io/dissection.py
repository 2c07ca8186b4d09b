"""A deep look at a few packets: every protocol layer and field, by tshark through pyshark.

Enters: a capture and which packets to look at. Leaves: one row per packet with its layers and fields.

pyshark runs in a process of its own: it wants the main thread's event loop, which a notebook has already taken
(pyshark issues 542 and 630), and in a thread of Python 3.11 it loses packets at the end of one file in eight.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from zcanalysis.errors import TraceError

if TYPE_CHECKING:
    from pyshark.packet.packet import Packet

MAX_PACKETS: Final = 100_000
MAX_FILTERED_BYTES: Final = 1 << 30
TIMEOUT_S: Final = 600.0

DISSECTED: Final = pl.Schema(
    {
        "frame_number": pl.UInt64(),
        "ts_ns": pl.Int64(),
        "layers": pl.List(pl.String()),
        "fields": pl.List(pl.Struct({"name": pl.String(), "value": pl.String()})),
        "error": pl.String(),
    }
)


def dissect(
    path: str | Path,
    *,
    display_filter: str | None = None,
    packets: Iterable[int] | None = None,
    limit: int = 1000,
    timeout_s: float = TIMEOUT_S,
) -> pl.DataFrame:
    """Every layer and field of chosen packets, as tshark sees them.

    Parameters
    ----------
    path
        A capture that tshark can read.
    display_filter
        A Wireshark display filter, for instance ``tcp.analysis.retransmission``.
    packets
        Numbers of packets, the first is 1; both conditions must hold when a filter is given too.
    limit
        At most this many packets; 1 to 100,000 (about 8,000 are looked at per second).
    timeout_s
        Give up after so many seconds.

    Returns
    -------
    polars.DataFrame
        One row per packet: ``frame_number``, ``ts_ns``, ``layers`` outermost first, ``fields`` with names such as
        ``tcp.flags_ack`` (tshark's, dots after the layer turned to underscores) and values as text, and ``error``.
        When tshark stops early, a last row has nothing but its ``error``.

    Raises
    ------
    ValueError
        If `limit` or a packet number is out of range.
    TraceError
        If tshark is not installed, does not accept the filter or the file, takes longer than `timeout_s`, or would
        have to filter more than 1 GiB.

    Examples
    --------
    >>> dissect("capture.pcap", display_filter="tcp.flags.syn == 1", limit=2)  # doctest: +SKIP
    """
    capture = Path(path)
    if not 1 <= limit <= MAX_PACKETS:
        raise ValueError(f"limit must be 1 to {MAX_PACKETS}, got {limit}")
    numbers = None if packets is None else sorted(set(packets))
    if numbers and numbers[0] < 1:
        raise ValueError(f"packet numbers start at 1, got {numbers[0]}")
    if numbers == []:
        return pl.DataFrame(schema=DISSECTED)
    read = _packets_to_read(capture, display_filter, numbers, limit)
    wanted = _filter(display_filter, numbers)
    _check_accepted(capture, wanted)
    job = {"path": str(capture), "wanted": wanted, "read": read, "limit": limit}
    return pl.DataFrame(_run(capture, job, timeout_s), schema=DISSECTED, orient="row")


def _packets_to_read(path: Path, display_filter: str | None, numbers: list[int] | None, limit: int) -> int | None:
    """How far tshark must read; None to the end."""
    if numbers is not None:
        return numbers[-1]
    if display_filter is None:
        return limit
    try:
        size_bytes = path.stat().st_size
    except OSError as error:
        raise TraceError(f"{path}: {error.strerror}") from error
    if size_bytes > MAX_FILTERED_BYTES:
        raise TraceError(
            f"{path}: {size_bytes} bytes are too many to filter with tshark (at most {MAX_FILTERED_BYTES}); "
            f"find packets with scan_pcap first and pass their numbers"
        )
    return None


def _filter(display_filter: str | None, numbers: list[int] | None) -> str | None:
    conditions = [] if display_filter is None else [f"({display_filter})"]
    if numbers is not None:
        if len(numbers) == numbers[-1] - numbers[0] + 1:
            conditions.append(f"frame.number >= {numbers[0]} && frame.number <= {numbers[-1]}")
        else:
            conditions.append(f"frame.number in {{{', '.join(map(str, numbers))}}}")
    return " && ".join(conditions) or None


def _check_accepted(path: Path, wanted: str | None) -> None:
    """Ask tshark for one packet: it says at once when it cannot read the file or the filter."""
    if shutil.which("tshark") is None:
        raise TraceError(f"{path}: a deep look needs tshark, which is not installed (apt install tshark)")
    command = ["tshark", "-n", "-r", str(path), "-c", "1", *([] if wanted is None else ["-Y", wanted])]
    asked = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if asked.returncode != 0:
        raise TraceError(f"{path}: {_complaint(asked.stderr)}")


def _complaint(stderr: str) -> str:
    """What tshark complained about, on one line."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip() and "Running as user" not in line]
    return " ".join(lines[:2]) or "tshark failed without saying why"


def _run(path: Path, job: dict[str, Any], timeout_s: float) -> list[tuple[Any, ...]]:
    command = [sys.executable, "-m", "zcanalysis.io.dissection", json.dumps(job)]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    ) as process:
        try:
            shown, complaints = process.communicate(timeout=timeout_s)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)  # its tshark too
            if isinstance(error, subprocess.TimeoutExpired):
                raise TraceError(f"{path}: tshark took longer than {timeout_s:g} s; look at fewer packets") from error
            raise
    if process.returncode != 0:
        raise TraceError(
            f"{path}: the deep look failed: {(complaints.strip().splitlines() or ['no reason given'])[-1]}"
        )
    return [tuple(json.loads(line)) for line in shown.splitlines()]


def _looked_at(job: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Rows of `dissect`, in the process that runs pyshark."""
    import pyshark
    from pyshark.capture.capture import TSharkCrashException

    count = [] if job["read"] is None else ["-c", str(job["read"])]
    capture = pyshark.FileCapture(
        job["path"],
        display_filter=job["wanted"],
        keep_packets=False,
        use_ek=True,
        custom_parameters=["-n", *count],
    )
    try:
        for number, packet in enumerate(capture, start=1):
            yield int(packet.number), _nanoseconds(packet.sniff_timestamp), *_layers(packet), None
            if number == job["limit"]:
                break
    except TSharkCrashException as error:
        yield None, None, None, None, f"tshark stopped: {str(error).partition(' Try rerunning')[0]}"
    with suppress(TSharkCrashException):  # it says the same again
        capture.close()


def _layers(packet: "Packet") -> tuple[list[str], list[dict[str, str]]]:
    fields = []
    for layer in packet.layers:
        for name in sorted(layer.all_field_names):
            value = layer.get_field(name)
            value = getattr(value, "value", value)
            if value is not None:  # a heading without a value of its own
                fields.append({"name": f"{layer.layer_name}.{name}", "value": _text(value)})
    return [layer.layer_name for layer in packet.layers], fields


def _text(value: object) -> str:
    if isinstance(value, list):
        return ";".join(map(_text, value))
    return value.hex(":") if isinstance(value, bytes) else str(value)


def _nanoseconds(seconds: str) -> int:
    """Seconds with a decimal fraction as nanoseconds.

    Examples
    --------
    >>> _nanoseconds("1700000000.164692001"), _nanoseconds("3")
    (1700000000164692001, 3000000000)
    """
    whole, _, fraction = seconds.partition(".")
    return int(whole + fraction[:9].ljust(9, "0"))


if __name__ == "__main__":
    for row in _looked_at(json.loads(sys.argv[1])):
        sys.stdout.write(json.dumps(row) + "\n")
