"""The notebooks that come with zcanalysis, and copies of them to work on, beside copies of the recordings they read.

The copy has the shape of the checkout, ``notebooks/`` beside ``traces/``, so that the notebooks' paths hold in it; and
recordings are copied, not linked: what is thrown away in JupyterLab's file browser must not be the original.
"""

import re
import shutil
from filecmp import cmp
from pathlib import Path
from typing import Final, NamedTuple

from zcanalysis.cases import CASES
from zcanalysis.errors import ZcError
from zcanalysis.shipped import NOTEBOOKS, TRACES

HEADING: Final = re.compile(r"^# # (.+)$", re.MULTILINE)
OF_THE_GUIDE: Final = frozenset({".md", ".png"})


class Copied(NamedTuple):
    """What is in a folder after notebooks and recordings were copied there."""

    folder: Path
    new: tuple[Path, ...]
    """Notebooks that were not there before."""
    kept: tuple[Path, ...]
    """Notebooks and files of recordings that were there, and differ from those shipped."""


def notebook_questions() -> dict[str, str]:
    """Each notebook's name and the question it answers, in the order to read them.

    Raises
    ------
    ZcError
        If they are missing where they should lie.
    """
    return {script.stem: _question(script) for script in _scripts()}


def named_notebook(part: str) -> str:
    """The name of the one notebook whose name has this part.

    Parameters
    ----------
    part
        ``quickstart``, ``11`` or a whole name.

    Raises
    ------
    ZcError
        If none or several have it.
    """
    names = [script.stem for script in _scripts()]
    found = [part] if part in names else [name for name in names if part and part in name]
    if len(found) == 1:
        return found[0]
    if found:
        raise ZcError(f"notebook {part!r} may be {', '.join(found)}")
    raise ZcError(f"no notebook {part!r}, there are {', '.join(names)}")


def copy_notebooks(folder: Path) -> Copied:
    """Every notebook as .ipynb, the recordings they read and the guide; what is already there stays as it is.

    Parameters
    ----------
    folder
        Made where it does not exist.
    """
    kept = _copy_folder(TRACES, folder / "traces")
    for along in ("guide", "images"):
        kept += _copy_folder(NOTEBOOKS / along, folder / "notebooks" / along, OF_THE_GUIDE)
    places = {script: folder / "notebooks" / f"{script.stem}.ipynb" for script in _scripts()}
    (folder / "notebooks").mkdir(parents=True, exist_ok=True)
    new = []
    for script, place in places.items():
        text = as_ipynb(script)
        if not place.exists():
            place.write_text(text, encoding="utf-8")
            new.append(place)
        elif place.read_text(encoding="utf-8", errors="replace") != text:
            kept.append(place)
    return Copied(folder, tuple(new), tuple(kept))


def as_ipynb(script: Path) -> str:
    """A percent script as the text of an .ipynb; the same text each time.

    Parameters
    ----------
    script
        With a header that names the kernel.
    """
    import jupytext

    notebook = jupytext.read(script)
    notebook.metadata.pop("jupytext", None)  # else saving the copy would write a script beside it
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
    return str(jupytext.writes(notebook, fmt="ipynb"))


def _scripts() -> list[Path]:
    scripts = sorted(NOTEBOOKS.glob("[0-9][0-9]_*.py"))
    if not scripts:
        raise ZcError(f"{NOTEBOOKS} holds no notebooks: they come with zcanalysis, so part of it is missing")
    return scripts


def _question(script: Path) -> str:
    """Its heading; where that is worked out in the notebook, the question of its case."""
    heading = HEADING.search(script.read_text(encoding="utf-8"))
    return heading[1] if heading else CASES.get(script.stem[3:], "")


def _copy_folder(source: Path, target: Path, kinds: frozenset[str] | None = None) -> list[Path]:
    """The files that were there and differ; of some kinds, or all."""
    kept = []
    wanted = (path for path in source.rglob("*") if path.is_file() and (kinds is None or path.suffix in kinds))
    for file in sorted(wanted):
        place = target / file.relative_to(source)
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)
        elif not cmp(file, place, shallow=False):
            kept.append(place)
    return kept
