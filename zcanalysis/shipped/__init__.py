"""Where the recordings and notebooks lie that come with this code: ``TRACES`` and ``NOTEBOOKS``.

In a checkout they lie beside the package, in ``traces/`` and ``notebooks/``; an installed package holds them here, in
this folder (pyproject.toml puts them there). Nobody else asks which of the two it is.
"""

from pathlib import Path
from typing import Final

from zcanalysis.errors import ZcError


def holder(here: Path) -> Path:
    """The folder that holds ``traces/`` and ``notebooks/``.

    Parameters
    ----------
    here
        This package's folder.
    """
    return here if (here / "traces").is_dir() else here.parents[1]


HERE: Final = Path(__file__).resolve().parent
TRACES: Final = holder(HERE) / "traces"
NOTEBOOKS: Final = holder(HERE) / "notebooks"


def shipped_trace(name: str) -> Path:
    """A recording that comes with zcanalysis, or a file beside the recordings.

    Parameters
    ----------
    name
        Of a folder or file in ``traces/``, as ``veth-1500``.

    Raises
    ------
    ZcError
        If none has that name.

    Examples
    --------
    >>> shipped_trace("veth-1500").name
    'veth-1500'
    """
    first, *_ = Path(name).parts or ("",)
    names = sorted(path.name for path in TRACES.glob("*"))
    if first in names and (TRACES / name).exists():
        return TRACES / name
    raise ZcError(f"no recording {name!r} comes with zcanalysis, there are {', '.join(names) or f'none in {TRACES}'}")


def here_or_shipped(path: str) -> Path:
    """A path as it is; where nothing is there, the shipped recording of that name.

    Parameters
    ----------
    path
        ``traces/veth-1500`` and ``veth-1500`` mean the same where neither exists.
    """
    place = Path(path)
    if place.exists():
        return place
    try:
        return shipped_trace(path.removeprefix("traces/"))
    except ZcError:
        return place
