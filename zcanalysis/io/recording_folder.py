"""Which folders are recordings, and which files belong to one."""

import re
from pathlib import Path
from typing import Final

from zcanalysis.io.recording import CAPTURE_NAMES, SENDER_LOG_NAMES, SOCKET_LOG_NAMES

HOST: Final = "host.json"
COUNTERS: Final = "counters.parquet"
LOGS: Final = (*SOCKET_LOG_NAMES, *SENDER_LOG_NAMES)
OTHER_CAPTURE: Final = re.compile(r"\.(pcap|pcapng|cap|dmp)(\.(gz|zst))?$")


def is_recording(folder: Path) -> bool:
    """Whether a folder is one recording, and not a collection of captures.

    Parameters
    ----------
    folder
        Any path.
    """
    if any((folder / name).is_file() for name in (HOST, COUNTERS)):
        return True
    return any((folder / name).is_file() for name in LOGS) and not _holds_captures(folder)


def _holds_captures(folder: Path) -> bool:
    """Whether captures of other names than a recording's lie there: beside them a log of ss makes no recording."""
    return any(OTHER_CAPTURE.search(one.name) and one.name not in CAPTURE_NAMES for one in folder.iterdir())


def is_part_of(recording: Path, file: Path) -> bool:
    """Whether a file is a recording's own, so that no output may replace it.

    Parameters
    ----------
    recording
        A folder, or a single file.
    file
        May be missing.
    """
    inputs = recording.iterdir() if recording.is_dir() else [recording]
    return file.exists() and any(one.exists() and file.samefile(one) for one in inputs)
