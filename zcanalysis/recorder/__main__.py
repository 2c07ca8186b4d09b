"""`python -m zcanalysis.recorder`: record as a JSON document on standard input says, inside a namespace.

The document holds `directory` and the fields of `RecordOptions`, phases as lists (name, seconds, probes). Where `tell`
is true, a JSON line on standard output tells each phase as it begins: its name, and the share of the plan that is done.
"""

import contextlib
import json
import sys
from pathlib import Path
from typing import Any, Final

from zcanalysis.errors import ZcError
from zcanalysis.recorder.plan import Phase, RecordOptions
from zcanalysis.recorder.recording import record

INTERRUPTED: Final = 130  # 128 + SIGINT, as a shell reports it


def options_from(document: dict[str, Any]) -> RecordOptions:
    """Options of a parsed JSON document; fields that are absent keep their defaults."""
    fields = {name: value for name, value in document.items() if name not in ("directory", "tell")}
    if document.get("tell"):
        fields["on_progress"] = _tell
    if "plan" in fields:
        fields["plan"] = tuple(Phase(name, seconds, tuple(probes)) for name, seconds, probes in fields["plan"])
    return RecordOptions(**fields)


def _tell(phase: str, share: float) -> None:
    """One line; nothing where nobody listens any more: the recording goes on."""
    with contextlib.suppress(OSError):
        sys.stdout.write(f"{json.dumps([phase, share])}\n")
        sys.stdout.flush()


def main() -> int:
    """Exit status 0, or 2 (130 when interrupted) with one line on standard error."""
    document = json.load(sys.stdin)
    try:
        record(Path(document["directory"]), options_from(document))
    except ZcError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
