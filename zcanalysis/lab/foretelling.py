"""Predictions on disk before anything is measured, so that everybody can see that nothing was changed afterwards.

One file a prediction, in the order they were made; each holds the sha256 of the one before it, so that none can be
put in, taken out or written anew without every later one showing it. `sha256sum -c predictions.sha256` checks them
all, and every result names the sha256 of its prediction, and of those that it superseded.
"""

import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from zcanalysis.lab.draw import Case
from zcanalysis.lab.outcome import Foretold

FOLDER: Final = "predictions"
DIGESTS: Final = "predictions.sha256"
BEFORE_THE_FIRST: Final = "0" * 64
NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


def write_prediction(directory: Path, case: Case, foretold: Foretold, about: Mapping[str, Any] = NOTHING) -> str:
    """Write the prediction of one more case; it is on disk when we return.

    Parameters
    ----------
    directory
        Of the validation.
    case, foretold
        What is foretold of what.
    about
        What else the file says: what it was made from, and which one it supersedes.

    Returns
    -------
    str
        The sha256 of its file.
    """
    digests = directory / DIGESTS
    lines = digests.read_text().splitlines() if digests.exists() else []
    document = {
        "previous_sha256": lines[-1].split()[0] if lines else BEFORE_THE_FIRST,
        "written_ns": time.time_ns(),
        "configuration": case.configuration.as_json(),
        "patches": list(case.patches),
    } | {**about, **foretold._asdict()}
    name = f"{FOLDER}/{len(lines) + 1:03d}.json"
    (directory / FOLDER).mkdir(exist_ok=True)
    write_json(directory / name, document)
    digest = hashlib.sha256((directory / name).read_bytes()).hexdigest()
    write_durably(digests, "".join(f"{line}\n" for line in [*lines, f"{digest}  {name}"]))
    return digest


def write_json(path: Path, document: dict[str, Any]) -> None:
    """One JSON document, on disk when we return; whoever looks meanwhile sees the old one."""
    write_durably(path, json.dumps(document, indent=1, allow_nan=False) + "\n")


def write_durably(path: Path, text: str) -> None:
    """The same of any text."""
    fresh = path.with_name(f".{path.name}.new")
    with fresh.open("w") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(path)
