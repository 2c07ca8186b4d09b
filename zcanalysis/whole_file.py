"""Files that appear under their name only when they are whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def appearing_whole(target: Path) -> Iterator[Path]:
    """Where to write meanwhile: a name that nobody else has, beside the target, which it replaces at the end.

    Parameters
    ----------
    target
        Stays as it is where the writing fails.
    """
    part = target.with_name(f".{target.name}.{uuid4().hex}.part")
    try:
        yield part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
