"""Small JSON files of a recording."""

import json
from pathlib import Path
from typing import Any, Final

from zcanalysis.errors import TraceError
from zcanalysis.io.compressed import open_bytes

JSON_LIMIT_BYTES: Final = 64 << 20


def read_json(file: Path) -> dict[str, Any]:
    """One JSON object.

    Raises
    ------
    TraceError
        If the file is unreadable, too large, no JSON, or not an object.
    """
    try:
        with open_bytes(file) as stream:
            text = stream.read(JSON_LIMIT_BYTES + 1)
        if len(text) > JSON_LIMIT_BYTES:
            raise TraceError(f"{file}: is larger than {JSON_LIMIT_BYTES >> 20} MB, expected a small JSON file")
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TraceError(f"{file}: is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise TraceError(f"{file}: expected a JSON object, found {type(document).__name__}")
    return document
