"""The shipped notebooks in JupyterLab, as `zcanalysis notebook` opens them: they run, and their charts are drawn."""

import re
from pathlib import Path

from tests.browser.chromium import in_a_browser

pytestmark = in_a_browser

QUICKSTART = Path(__file__).parents[2] / "notebooks" / "01_quickstart.py"


def test_the_quickstart_runs_and_draws_its_charts_without_network(lab):
    script = QUICKSTART.read_text()
    charts = len(re.findall(r"^zc\.charts\.", script, re.MULTILINE))
    assert charts
    with lab.opened("notebooks/01_quickstart.ipynb") as notebook:
        assert notebook.run_all() == len(re.findall(r"^# %%$", script, re.MULTILINE))
        notebook.wait_for("[id^=chart-] svg.marks .mark-rect path", number=charts)
        assert len(notebook.drawn("[id^=chart-]", "id")) == charts
        assert "MTU 1500" in notebook.drawn(".jp-Notebook", "textContent")[0]
        notebook.check_offline()
