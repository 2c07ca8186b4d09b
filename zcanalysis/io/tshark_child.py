"""The process that runs tshark for us: `python -m zcanalysis.io.tshark_child JOB DESCRIPTOR`.

It prints what the job asks for, and ends with everything it has started as soon as the descriptor, a pipe whose other
end the asking process holds, is closed there.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

PACKETS: Final = "packets"
FIELDS: Final = "fields"
Row = tuple[int | None, int | None, list[str] | None, list[dict[str, str | None]] | None, str | None]
LAST_WORDS_S: Final = 10.0


def main() -> None:
    """Do the job."""
    job, descriptor = json.loads(sys.argv[1]), int(sys.argv[2])
    threading.Thread(target=_end_with, args=(descriptor,), daemon=True).start()
    if job["kind"] == FIELDS:
        sys.exit(_print_fields(job))
    for row in _looked_at(job):
        sys.stdout.write(json.dumps(row) + "\n")


def _end_with(descriptor: int) -> None:
    """Wait until whoever asked is gone."""
    while os.read(descriptor, 1):
        pass
    os.killpg(0, signal.SIGKILL)


def _print_fields(job: dict[str, Any]) -> int:
    """What tshark prints, and as a last line, if it stopped early, the reason behind a form feed."""
    ran = subprocess.run(job["command"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    said = ran.stderr.decode(errors="replace")
    if ran.returncode:
        sys.stdout.write("\f" + "\r".join(said.splitlines()) + "\n")
    return 0


def _looked_at(job: dict[str, Any]) -> Iterator[Row]:
    """Rows of `dissect`."""
    import pyshark
    from pyshark.capture.capture import TSharkCrashException
    from pyshark.tshark.output_parser.tshark_ek import TsharkEkJsonParser

    class Parser(TsharkEkJsonParser):  # type: ignore[misc]
        """pyshark's packets fail where a layer occurs twice or says nothing, and round times: rows come straight."""

        def _parse_single_packet(self, packet: bytes) -> Row:
            return _row(packet)

    class Capture(pyshark.FileCapture):  # type: ignore[misc]
        """pyshark kills a tshark that is about to say how it ended: whether we hear of it would be chance."""

        def _setup_tshark_output_parser(self) -> Parser:
            return Parser()

        async def _cleanup_subprocess(self, process: asyncio.subprocess.Process) -> None:
            if self._eof_reached:
                await asyncio.wait_for(process.wait(), LAST_WORDS_S)
                await asyncio.gather(*self._stderr_handling_tasks)
            await super()._cleanup_subprocess(process)

    count = [] if job["read"] is None else ["-c", str(job["read"])]
    capture = Capture(
        job["path"],
        display_filter=job["wanted"],
        keep_packets=False,
        use_ek=True,
        custom_parameters=["-n", *count],
    )
    try:
        for number, row in enumerate(capture, start=1):
            yield row
            if number == job["limit"]:
                break
    except TSharkCrashException as error:
        yield None, None, None, None, " ".join(f"tshark stopped: {error}".partition("Try rerunning")[0].split())
    with suppress(TSharkCrashException):  # it says the same again
        capture.close()


def _row(packet: bytes) -> Row:
    """One packet, from a line of EK."""
    try:
        said = json.loads(packet.decode(errors="replace"))["layers"]
        frame = said.pop("frame")
        number, seconds = int(frame["frame_frame_number"]), frame.get("frame_frame_time_epoch")
        layers, fields = _layers(frame, said)
        return number, None if seconds is None else _nanoseconds(seconds), layers, fields, None
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        return None, None, None, None, f"what tshark said of a packet cannot be read: {type(error).__name__}: {error}"


def _layers(frame: dict[str, Any], said: dict[str, Any]) -> tuple[list[str], list[dict[str, str | None]]]:
    """Names of the layers, outermost first, and their fields as EK says them."""
    named = dict.fromkeys(name for name in frame.get("frame_frame_protocols", "").split(":") if name in said)
    names: list[str] = []
    fields = [{"name": name, "value": value} for name, value in _flat("frame", frame)]
    for layer in {**named, **dict.fromkeys(said)}:
        for occurrence in said[layer] if isinstance(said[layer], list) else [said[layer]]:
            names.append(layer)
            fields += [{"name": name, "value": value} for name, value in _flat(layer, occurrence)]
    return names, fields


def _flat(layer: str, said: object) -> Iterator[tuple[str, str | None]]:
    """Names and values of one occurrence of a layer, or of a part of it."""
    if not isinstance(said, dict):
        if said is not None:
            yield layer, _text(said)
        return
    doubled = f"{layer}_{layer}_".replace(".", "_")
    single = doubled[: len(doubled) // 2]
    for key, value in said.items():
        name = f"{layer}.{key.removeprefix(doubled if key.startswith(doubled) else single)}"
        if isinstance(value, dict):
            yield from _flat(layer, value)  # a note: its fields are the layer's
        else:
            yield name, None if value is None else _text(value)


def _text(value: object) -> str:
    if isinstance(value, list):
        return ";".join(map(_text, value))
    return json.dumps(value) if isinstance(value, dict) else str(value)


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
    main()
