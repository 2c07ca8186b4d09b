"""What was advised and what came of it: one JSON file an advice, in the user's state directory.

The files may have been written by anybody: they are read field by field, and their text is never trusted.
"""

import json
import os
import re
import secrets
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import polars as pl

from zcanalysis.errors import HostError, TraceError
from zcanalysis.io.json_file import read_json

ALPHABET: Final = "23456789abcdefghjkmnpqrstvwxyz"  # nothing that looks like something else
ID_CHARACTERS: Final = 4
ADVICE_ID: Final = re.compile(rf"[{ALPHABET}]{{{ID_CHARACTERS}}}")
CHANGE_ID: Final = re.compile(rf"({ADVICE_ID.pattern})-(\d)", re.ASCII)
SCHEMA_VERSION: Final = 1
LONGEST_TEXT: Final = 4000
LONGEST_COMMAND: Final = 1 << 20  # one `echo` a queue and mask: 256 queues of a large machine take 60,000 characters
HIGHEST_GBPS: Final = 1e6
MOST_ROWS: Final = 1000


class Change(NamedTuple):
    """One change that was advised, and what it was predicted to give."""

    id: str
    patch: str
    command: str | None
    undo: str | None
    predicted_gbps: float | None
    low_gbps: float | None
    high_gbps: float | None


class Verification(NamedTuple):
    """What was measured after a change."""

    id: str
    """Of the change."""
    made: str
    """When, ISO 8601."""
    goodput_gbps: float
    low_gbps: float | None
    high_gbps: float | None
    in_place: bool | None
    """Whether the host was seen with the change; None when its facts do not say."""
    inside: bool | None
    """Whether the goodput lies in the predicted range; None when the change was not in place or had no range."""


class KeptAdvice(NamedTuple):
    """One advice, with its verifications."""

    id: str
    made: str
    device: str
    kernel: str | None
    goodput_gbps: float
    low_gbps: float | None
    high_gbps: float | None
    limit: str
    changes: tuple[Change, ...]
    verifications: tuple[Verification, ...] = ()


def ledger_directory() -> Path:
    """Where advice is kept, by the XDG base directory specification; a relative XDG_STATE_HOME is passed over.

    Raises
    ------
    HostError
        If neither XDG_STATE_HOME nor a home directory is known.
    """
    named = Path(os.environ.get("XDG_STATE_HOME", ""))
    try:
        return (named if named.is_absolute() else Path.home() / ".local" / "state") / "zcanalysis"
    except RuntimeError as error:
        raise HostError("no directory to keep advice in: set HOME or XDG_STATE_HOME") from error


def new_id() -> str:
    """An id that no kept advice has: short, and easy to type.

    Raises
    ------
    HostError
        If the directory cannot be looked into.
    """
    while True:
        found = "".join(secrets.choice(ALPHABET) for _ in range(ID_CHARACTERS))
        if not _exists(_file(found)):
            return found


def _exists(file: Path) -> bool:
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise HostError(f"{file}: kept advice cannot be read: {error.strerror or error}") from error
    return True


def now() -> str:
    """The present moment, as the ledger writes it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def keep(advice: KeptAdvice) -> Path:
    """Write the advice in one step, in place of what was kept under its id.

    Raises
    ------
    HostError
        If the directory cannot be made or written.
    """
    file = _file(advice.id)
    document: dict[str, Any] = {"schema": SCHEMA_VERSION} | advice._asdict()
    document["changes"] = [change._asdict() for change in advice.changes]
    document["verifications"] = [done._asdict() for done in advice.verifications]
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write_at_once(file, json.dumps(document, indent=1, allow_nan=False) + "\n")
    except OSError as error:
        raise HostError(f"{error.filename or file}: the advice cannot be kept: {error.strerror or error}") from error
    return file


def _write_at_once(file: Path, text: str) -> None:
    handle, unfinished = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(handle, "w") as stream:
            stream.write(text)
        Path(unfinished).replace(file)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise


def kept_change(change_id: str) -> tuple[KeptAdvice, Change]:
    """The advice and the change of an id like ``k7f2-1``.

    Raises
    ------
    TraceError
        If it is no such id, nothing is kept under it, or the file is damaged.
    HostError
        If the directory cannot be looked into.
    """
    found = CHANGE_ID.fullmatch(change_id)
    advice_id = found[1] if found else change_id
    if not ADVICE_ID.fullmatch(advice_id):
        raise TraceError(f"{change_id[:40]}: is no id of a change; they look like k7f2-1, see: advise --ledger")
    file = _file(advice_id)
    if not _exists(file):
        raise TraceError(f"{change_id}: no such advice in {file.parent}; see: zcanalysis advise --ledger")
    advice = read_advice(file)
    change = next((one for one in advice.changes if one.id == change_id), None)
    if change is None:
        there = ", ".join(f"{one.id} ({one.patch})" for one in advice.changes) or "none"
        raise TraceError(f"{change_id}: no such change; that advice has {there}")
    return advice, change


def all_kept() -> tuple[list[KeptAdvice], list[str]]:
    """Every kept advice, oldest first, and one line for each file that cannot be read."""
    advices, damaged = [], []
    for file in _files():
        try:
            advices.append(read_advice(file))
        except TraceError as error:
            damaged.append(str(error))
    return sorted(advices, key=lambda advice: advice.made), damaged


def read_advice(file: Path) -> KeptAdvice:
    """One file of the ledger.

    Raises
    ------
    TraceError
        If it is no JSON object, a field has the wrong type or size, or the id is not that of the file's name;
        unknown fields are passed over.
    """
    document = read_json(file)
    try:
        advice = _advice(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TraceError(f"{file}: is no advice that was kept here: {type(error).__name__}: {error}") from error
    if file.stem != advice.id:
        raise TraceError(f"{file}: is no advice that was kept here: holds the id {advice.id}")
    return advice


def outcomes(advices: list[KeptAdvice]) -> pl.DataFrame:
    """Predicted against measured, one row a change and verification; changes never verified have nulls.

    Returns
    -------
    pl.DataFrame
        ``id``, ``made``, ``device``, ``patch``, ``before_gbps``, ``predicted_gbps``, ``low_gbps``, ``high_gbps``,
        ``measured_gbps``, ``in_place``, ``inside``.
    """
    rows = [
        (change.id, advice.made, advice.device, change.patch, advice.goodput_gbps, change.predicted_gbps,
         change.low_gbps, change.high_gbps, *_outcome(done))
        for advice in advices
        for change in advice.changes
        for done in _of(advice, change)
    ]  # fmt: skip
    texts = dict.fromkeys(("id", "made", "device", "patch"), pl.String)
    rates = dict.fromkeys(("before_gbps", "predicted_gbps", "low_gbps", "high_gbps", "measured_gbps"), pl.Float64)
    schema = texts | rates | dict.fromkeys(("in_place", "inside"), pl.Boolean)
    return pl.DataFrame(rows, schema=schema, orient="row")


def _of(advice: KeptAdvice, change: Change) -> list[Verification | None]:
    return [done for done in advice.verifications if done.id == change.id] or [None]


def _outcome(done: Verification | None) -> tuple[float | None, bool | None, bool | None]:
    return (done.goodput_gbps, done.in_place, done.inside) if done else (None, None, None)


def _files() -> list[Path]:
    place = ledger_directory()
    try:
        return sorted(file for file in place.iterdir() if file.suffix == ".json")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise HostError(f"{place}: kept advice cannot be read: {error.strerror or error}") from error


def _file(advice_id: str) -> Path:
    return ledger_directory() / f"{advice_id}.json"


def _advice(document: Mapping[str, Any]) -> KeptAdvice:
    changes, verifications = document["changes"], document["verifications"]
    if not isinstance(changes, list) or not isinstance(verifications, list):
        raise TypeError("changes and verifications are lists")
    if len(changes) > MOST_ROWS or len(verifications) > MOST_ROWS:
        raise ValueError(f"more than {MOST_ROWS} rows")
    return KeptAdvice(
        id=_id(document["id"], ADVICE_ID),
        made=str(datetime.fromisoformat(_required(document["made"]))),
        device=_required(document["device"]),
        kernel=_text(document["kernel"]),
        goodput_gbps=_measured(document["goodput_gbps"]),
        low_gbps=_rate(document["low_gbps"]),
        high_gbps=_rate(document["high_gbps"]),
        limit=_required(document["limit"]),
        changes=tuple(_change(change) for change in changes),
        verifications=tuple(_verification(done) for done in verifications),
    )


def _change(row: Mapping[str, Any]) -> Change:
    return Change(
        id=_id(row["id"], CHANGE_ID),
        patch=_required(row["patch"]),
        command=_text(row["command"], LONGEST_COMMAND),
        undo=_text(row["undo"], LONGEST_COMMAND),
        predicted_gbps=_rate(row["predicted_gbps"]),
        low_gbps=_rate(row["low_gbps"]),
        high_gbps=_rate(row["high_gbps"]),
    )


def _verification(row: Mapping[str, Any]) -> Verification:
    return Verification(
        id=_id(row["id"], CHANGE_ID),
        made=str(datetime.fromisoformat(_required(row["made"]))),
        goodput_gbps=_measured(row["goodput_gbps"]),
        low_gbps=_rate(row["low_gbps"]),
        high_gbps=_rate(row["high_gbps"]),
        in_place=_flag(row["in_place"]),
        inside=_flag(row["inside"]),
    )


def _id(value: Any, form: re.Pattern[str]) -> str:  # noqa: ANN401 - whatever JSON held
    if not isinstance(value, str) or not form.fullmatch(value):
        raise ValueError("an id has another form")
    return value


def _text(value: Any, longest: int = LONGEST_TEXT) -> str | None:  # noqa: ANN401 - whatever JSON held
    if value is not None and (not isinstance(value, str) or len(value) > longest):
        raise ValueError(f"text of at most {longest} characters was expected")
    return None if value is None else value.encode("utf-8", "replace").decode("utf-8")


def _required(value: Any) -> str:  # noqa: ANN401 - whatever JSON held
    text = _text(value)
    if text is None:
        raise ValueError("a text is missing")
    return text


def _rate(value: Any) -> float | None:  # noqa: ANN401 - whatever JSON held
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("a rate is no number")
    if not 0 <= value < HIGHEST_GBPS:  # before it becomes a float: JSON has integers that no float holds
        raise ValueError(f"a rate of {str(value)[:20]} Gbit/s")
    return float(value)


def _measured(value: Any) -> float:  # noqa: ANN401 - whatever JSON held
    rate = _rate(value)
    if rate is None:
        raise ValueError("a goodput is missing")
    return rate


def _flag(value: Any) -> bool | None:  # noqa: ANN401 - whatever JSON held
    if value is not None and not isinstance(value, bool):
        raise TypeError("a verdict is neither true nor false")
    return value
