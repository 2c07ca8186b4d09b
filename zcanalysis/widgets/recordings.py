"""What an explorer can be opened on: a recording, an answer, a host, a folder of recordings, or several of them."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NamedTuple

from zcanalysis.answer import Answer, answered
from zcanalysis.errors import TraceError
from zcanalysis.hosts import Host
from zcanalysis.io.recording import Recording, read_recording
from zcanalysis.io.recording_folder import is_recording

Asked = str | Path | Recording | Answer | Host
MOST_FOLDERS: Final = 200


class Choice(NamedTuple):
    """One of the things to choose from; what takes long is done when it is chosen."""

    name: str
    """A folder's or file's: never trusted text."""
    place: str | None
    """Its path; None for a host that nobody recorded."""
    load: Callable[[], Answer | Host]


def choices(asked: Asked | Iterable[Asked]) -> list[Choice]:
    """What there is to choose from.

    Parameters
    ----------
    asked
        A recording or its path, an answer, a host; a folder of recordings, which are then all of them; or several.

    Raises
    ------
    TraceError
        If a path is missing, or holds no recording.
    """
    if not isinstance(asked, str | Path | Recording | Answer | Host):
        return [choice for one in asked for choice in choices(one)]
    if isinstance(asked, Host):
        return [Choice(asked.name, None, lambda: asked)]
    if isinstance(asked, Answer):
        return [Choice(asked.recording.name, str(asked.recording.path), lambda: asked)]
    if isinstance(asked, Recording):
        return [Choice(asked.name, str(asked.path), lambda: answered(asked))]
    place = Path(asked)
    inside = _recordings(place) if place.is_dir() and not is_recording(place) else []
    if inside:
        return [_of_path(one) for one in inside]
    read_recording(place)  # says what is wrong with it, before anything is drawn
    return [_of_path(place)]


def _of_path(place: Path) -> Choice:
    return Choice(place.resolve().name, str(place), lambda: answered(read_recording(place)))


def _recordings(folder: Path) -> list[Path]:
    found = sorted(one for one in folder.iterdir() if one.is_dir() and is_recording(one))
    if len(found) > MOST_FOLDERS:
        raise TraceError(f"{folder}: holds {len(found)} recordings, at most {MOST_FOLDERS} can be chosen from")
    return found
