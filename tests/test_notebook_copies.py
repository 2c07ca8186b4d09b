"""Copies of notebooks and recordings: whole, the same each time, and never at the price of what the user wrote."""

import re
from filecmp import dircmp
from pathlib import Path

import nbformat
import pytest

from zcanalysis import notebook_copies
from zcanalysis.errors import ZcError
from zcanalysis.notebook_copies import as_ipynb, copy_notebooks, named_notebook, notebook_questions

ROOT = Path(__file__).parent.parent
SCRIPTS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.py"))


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    return copy_notebooks(tmp_path_factory.mktemp("copies") / "made" / "here")


def test_every_notebook_is_copied_and_the_jupyter_format_accepts_it(copied):
    assert [path.stem for path in copied.new] == [script.stem for script in SCRIPTS]
    assert copied.kept == ()
    for path in copied.new:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        assert notebook.metadata["kernelspec"]["name"] == "python3"
        assert "jupytext" not in notebook.metadata  # else JupyterLab would save a script beside it


def test_recordings_are_whole_copies_where_the_notebooks_look_for_them(copied):
    compared = dircmp(ROOT / "traces", copied.folder / "traces")
    assert compared.left_only == compared.right_only == compared.diff_files == []
    for path in copied.new:
        beside = path.parent / "../traces/veth-1500/host.json"
        assert not beside.is_symlink()
        assert beside.read_bytes() == (ROOT / "traces/veth-1500/host.json").read_bytes()


def test_the_guide_comes_along_with_its_pictures(copied):
    pages = sorted((copied.folder / "notebooks" / "guide").iterdir())
    assert [page.name for page in pages] == sorted(page.name for page in (ROOT / "notebooks" / "guide").iterdir())
    shown = [page.parent / link for page in pages for link in re.findall(r"\]\((.+?\.png)\)", page.read_text())]
    assert len(shown) > 5
    assert [str(picture) for picture in shown if not picture.is_file()] == []


def test_a_copy_is_the_same_text_each_time():
    assert as_ipynb(SCRIPTS[0]) == as_ipynb(SCRIPTS[0])


def test_what_the_user_changed_is_kept_and_said_and_what_is_missing_comes_back(tmp_path):
    copy_notebooks(tmp_path)
    mine, gone = (tmp_path / "notebooks" / f"{script.stem}.ipynb" for script in SCRIPTS[:2])
    counters = tmp_path / "traces/veth-1500/counters.parquet"
    mine.write_bytes(b"mine, and no UTF-8: \xff")
    counters.write_text("mine too")
    gone.unlink()
    again = copy_notebooks(tmp_path)
    assert again.new == (gone,)
    assert again.kept == (counters, mine)
    assert mine.read_bytes() == b"mine, and no UTF-8: \xff"
    assert counters.read_text() == "mine too"


def test_every_notebook_has_its_question():
    questions = notebook_questions()
    assert list(questions) == [script.stem for script in SCRIPTS]
    assert questions["01_quickstart"] == "Where does the receiver's time go?"
    assert all(text.endswith(("?", ".")) for text in questions.values())


def test_a_part_of_a_name_is_enough_if_one_notebook_has_it():
    assert named_notebook("quickstart") == "01_quickstart"
    assert named_notebook("11") == "11_quadrics"
    assert named_notebook("06_wire") == "06_wire"
    with pytest.raises(ZcError, match="no notebook 'nothing', there are 01_quickstart, "):
        named_notebook("nothing")
    with pytest.raises(ZcError, match="no notebook ''"):
        named_notebook("")
    with pytest.raises(ZcError, match="'1' may be 01_quickstart, 11_quadrics"):
        named_notebook("1")


def test_missing_notebooks_are_said(monkeypatch, tmp_path):
    monkeypatch.setattr(notebook_copies, "NOTEBOOKS", tmp_path)
    with pytest.raises(ZcError, match="holds no notebooks"):
        notebook_questions()
