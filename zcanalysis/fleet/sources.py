"""What there is to analyse: recordings (folders), captures and perf traces (files), found from paths and patterns."""

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from zcanalysis.errors import TraceError
from zcanalysis.io.file_kind import is_capture
from zcanalysis.io.perf import PERF_DATA_MAGICS
from zcanalysis.io.readers import reader_of
from zcanalysis.io.recording import (
    BPFTRACE_NAMES,
    CAPTURE_NAMES,
    PACKET_TRACE_NAMES,
    PERF_NAMES,
    TRACE_NAMES,
)
from zcanalysis.io.recording_folder import COUNTERS, HOST, LOGS, is_recording

MARKER: Final = "dataset.json"
"""In the folder of a dataset: what lies there was made by us, and is no source."""
LOAD: Final = "load.json"
TRACED_NAMES: Final = (*TRACE_NAMES, *PACKET_TRACE_NAMES, *BPFTRACE_NAMES)
PART_NAMES: Final = (*CAPTURE_NAMES, *PERF_NAMES, *TRACED_NAMES, *LOGS, COUNTERS, HOST, LOAD)
NAMED: Final = re.compile(r"(\.(pcap|pcapng|cap|dmp)|perf(\.\w+)*\.(txt|data))(\.(gz|zst))?$")
PATTERN: Final = re.compile(r"[*?\[]")


class Source(NamedTuple):
    """One thing to analyse."""

    path: Path
    """Absolute, links not followed: a link is a source of its own."""

    @property
    def key(self) -> str:
        """Where the dataset keeps what is found: the same for the same path."""
        return hashlib.sha256(os.fsencode(self.path)).hexdigest()[:20]

    @property
    def shown(self) -> str:
        """The path as text that can be written anywhere; a name need not be."""
        return as_text(str(self.path))

    def files(self) -> list[Path]:
        """What would be read."""
        if not self.path.is_dir():
            return [self.path]
        return [self.path / name for name in PART_NAMES if (self.path / name).exists()]


class Looks(NamedTuple):
    """How a source's files look from outside: as long as this stays the same, so does what they hold."""

    size_bytes: int
    modified_ns: int
    """Of the file that was written last."""
    digest: str
    """Of every file's name, size and time."""


def found(paths: Iterable[str | Path]) -> list[Source]:
    """The sources that paths stand for, each once, in the order given.

    Parameters
    ----------
    paths
        Recordings, captures and traces; folders that hold such at any depth; or patterns (``**`` for any depth). A
        path or pattern that stands for nothing is a source too, which then fails and says so.
    """
    every = (one for path in paths for one in _below(Path(path)))
    return list(dict.fromkeys(Source(Path(os.path.abspath(one))) for one in every))  # noqa: PTH100 - links stay


def manifest(file: Path) -> list[Path]:
    """The paths that a text file lists, one a line, relative to its folder; empty lines and those with # do not count.

    Raises
    ------
    TraceError
        If the file cannot be read.
    """
    try:
        lines = file.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError as error:
        raise TraceError(f"{file}: {error.strerror or error}") from error
    return [file.parent / line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def looks(source: Source) -> Looks:
    """How a source looks now.

    Raises
    ------
    OSError
        If a file of it is missing.
    """
    seen = [(file.name, file.stat()) for file in source.files()]
    words = repr([(name, one.st_size, one.st_mtime_ns) for name, one in seen])
    digest = hashlib.sha256(words.encode(errors="surrogateescape")).hexdigest()
    sizes, times = [one.st_size for _, one in seen], [one.st_mtime_ns for _, one in seen]
    return Looks(sum(sizes), max(times, default=0), digest)


def as_text(text: str) -> str:
    """The text without what UTF-8 cannot hold: bytes of file names that are no text."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _below(path: Path) -> Iterator[Path]:
    """Sources at or below a path; the path itself where nothing better is known."""
    if path.is_dir():
        inside = [path] if is_recording(path) else list(_inside(path))
        yield from inside or [path]
    elif path.exists():
        yield path
    else:
        every = [one for match in _matching(path) for one in (_below(match) if match.is_dir() else _if_trace(match))]
        yield from every or [path]


def _matching(pattern: Path) -> list[Path]:
    """What a pattern stands for: hidden names only where it says so, and no links in the place of ``**``."""
    place = pattern
    while not place.exists() and place != place.parent:
        place = place.parent
    wanted = pattern.relative_to(place)
    if not PATTERN.search(str(wanted)):
        return []
    found_names = ((match, match.relative_to(place).parts) for match in sorted(place.glob(str(wanted))))
    hidden = {name for name in wanted.parts if name.startswith(".")}
    return [match for match, names in found_names if all(name[0] != "." or name in hidden for name in names)]


def _inside(folder: Path) -> Iterator[Path]:
    """Sources of a folder that is none itself.

    Hidden ones and those in datasets are passed by, and links are followed to recordings only. A folder that cannot be
    read is a source, which fails and says so.
    """
    unreadable: list[Path] = []
    for place, folders, files in os.walk(folder, onerror=lambda error: unreadable.append(Path(error.filename))):
        here = Path(place)
        if MARKER in files:
            folders.clear()
            continue
        visible = sorted(name for name in folders if not name.startswith("."))
        recordings = {name for name in visible if is_recording(here / name)}
        folders[:] = [name for name in visible if name not in recordings]
        yield from (here / name for name in visible if name in recordings)
        for name in sorted(files):
            yield from _if_trace(here / name)
    yield from unreadable


def _if_trace(file: Path) -> list[Path]:
    """The file, if it is named like a capture or a perf trace, begins like one, or is one that an extension reads."""
    if file.name.startswith("."):
        return []
    return [file] if NAMED.search(file.name) or _begins_like_a_trace(file) else []


def _begins_like_a_trace(file: Path) -> bool:
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            return False
        with file.open("rb") as stream:
            if stream.read(8) in PERF_DATA_MAGICS:
                return True
        return is_capture(file) or reader_of(file) is not None
    except (OSError, TraceError):
        return False
