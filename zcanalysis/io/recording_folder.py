"""Which folders are recordings, and which files belong to one."""

from pathlib import Path
from typing import Final

from zcanalysis.io.recording import SENDER_LOG_NAMES, SOCKET_LOG_NAMES

HOST: Final = "host.json"
COUNTERS: Final = "counters.parquet"


def is_recording(folder: Path) -> bool:
    """Whether a folder is one recording, and not a collection of captures.

    Parameters
    ----------
    folder
        Any path.
    """
    return any((folder / name).is_file() for name in (HOST, COUNTERS, *SOCKET_LOG_NAMES, *SENDER_LOG_NAMES))


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
    return file.exists() and any(file.samefile(one) for one in inputs)
