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
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pyshark.packet.packet import Packet

PACKETS: Final = "packets"
FIELDS: Final = "fields"
LAST_WORDS_S: Final = 10.0
MAPPING_FILE: Final = "ek_field_mapping.json"


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


def _looked_at(job: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Rows of `dissect`."""
    import pyshark
    from pyshark.capture.capture import TSharkCrashException

    class Capture(pyshark.FileCapture):  # type: ignore[misc]
        """pyshark kills a tshark that is about to say how it ended: whether we hear of it would be chance."""

        async def _cleanup_subprocess(self, process: asyncio.subprocess.Process) -> None:
            if self._eof_reached:
                await asyncio.wait_for(process.wait(), LAST_WORDS_S)
                await asyncio.gather(*self._stderr_handling_tasks)
            await super()._cleanup_subprocess(process)

    _load_mapping()
    count = [] if job["read"] is None else ["-c", str(job["read"])]
    capture = Capture(
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
        yield None, None, None, None, " ".join(f"tshark stopped: {error}".partition("Try rerunning")[0].split())
    with suppress(TSharkCrashException):  # it says the same again
        capture.close()


def _load_mapping() -> None:
    """The table of field types that pyshark keeps in a file.

    It writes that file in place: a process that is ended meanwhile leaves half of it, and no later one can read that.
    So the file is checked, and written by us, whole or not at all.
    """
    from pyshark import cache
    from pyshark.ek_field_mapping import MAPPING
    from pyshark.tshark import tshark

    version, mapping = str(tshark.get_tshark_version()), None
    with suppress(OSError, ValueError):
        mapping = json.loads((cache.get_cache_dir(version) / MAPPING_FILE).read_bytes())
    if not mapping:
        mapping = tshark.get_ek_field_mapping()
        with suppress(OSError):
            written = cache.get_cache_dir(version) / f"{MAPPING_FILE}.{os.getpid()}"
            written.write_text(json.dumps(mapping))
            written.replace(written.with_suffix(""))
    MAPPING._protocol_to_mapping = mapping


def _layers(packet: "Packet") -> tuple[list[str], list[dict[str, str | None]]]:
    """What EK said, as it said it.

    pyshark's own access fails where a layer occurs twice or says nothing, which many real captures have, and
    makes times floats, which lose their nanoseconds.
    """
    names, fields = [], []
    for layer in (packet.frame_info, *packet.layers):
        said = layer._fields_dict
        for occurrence in said if isinstance(said, list) else [said]:
            names.append(layer.layer_name)
            fields += [{"name": name, "value": value} for name, value in _flat(layer.layer_name, occurrence)]
    return names[1:], fields


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
