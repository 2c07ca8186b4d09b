"""Where the recordings are that come with a checkout: cases that answer from our own measurements read them."""

from pathlib import Path
from typing import Final

from zcanalysis.errors import ZcError

BESIDE_THE_CODE: Final = Path(__file__).resolve().parents[2] / "traces"


def shipped(name: str) -> Path:
    """One of ``traces/``, of the checkout that this code is part of, or in the current directory or beside it.

    Parameters
    ----------
    name
        Of a folder or file there.

    Raises
    ------
    ZcError
        If it is in none of these places: an installed package comes without recordings.
    """
    for folder in (BESIDE_THE_CODE, Path("traces"), Path("../traces")):
        if (folder / name).exists():
            return folder / name
    raise ZcError(
        f"traces/{name} is missing: recordings come with the source, not with the installed package;"
        " run this in the top folder of a checkout"
    )
