"""Every notebook runs from its first cell to its last."""

from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
SCRIPTS = sorted(NOTEBOOKS.glob("[0-9][0-9]_*.py"))


def test_there_are_notebooks():
    assert SCRIPTS


@pytest.mark.notebook
@pytest.mark.filterwarnings("default")  # what Jupyter warns of is not ours
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_notebook_runs(script):
    import jupytext
    from nbclient import NotebookClient

    notebook = jupytext.read(script)
    assert notebook.metadata["kernelspec"]["name"] == "python3"
    resources = {"metadata": {"path": str(NOTEBOOKS)}}
    NotebookClient(notebook, timeout=120, store_widget_state=False, resources=resources).execute()
