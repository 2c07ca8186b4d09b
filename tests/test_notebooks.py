"""Every notebook runs from its first cell to its last."""

import re
from html import escape
from pathlib import Path

import pytest

from zcanalysis.notebook_copies import notebook_questions

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
PAGES = NOTEBOOKS.parent / "build" / "notebooks"
SCRIPTS = sorted(NOTEBOOKS.glob("[0-9][0-9]_*.py"))


def test_there_are_notebooks():
    assert SCRIPTS


@pytest.mark.notebook
@pytest.mark.filterwarnings("default")  # what Jupyter warns of is not ours
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_its_page_has_its_charts(script):
    import jupytext
    from nbclient import NotebookClient
    from nbconvert import HTMLExporter

    notebook = jupytext.read(script)
    assert notebook.metadata["kernelspec"]["name"] == "python3"
    resources = {"metadata": {"path": str(NOTEBOOKS)}}
    NotebookClient(notebook, timeout=120, store_widget_state=False, resources=resources).execute()
    pages = HTMLExporter(exclude_input=True, exclude_input_prompt=True, exclude_output_prompt=True)
    question = notebook_questions()[script.stem]
    page, _ = pages.from_notebook_node(notebook, {"metadata": {"name": question}})
    PAGES.mkdir(parents=True, exist_ok=True)
    (PAGES / f"{script.stem}.html").write_text(page)
    shown = re.findall(r"^zc\.charts\.", script.read_text(), re.MULTILINE)
    assert f"<title>{escape(question, quote=False)}</title>" in page
    assert page.count('<div id="chart-') >= len(shown)
