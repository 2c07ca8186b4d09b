"""The harness sees what it is for: a complaint, a request that leaves, a cell that fails, a change of a slider."""

from itertools import islice

import pytest

from tests.browser.chromium import complaints, external, in_a_browser, requests
from tests.browser.slider_bench import SLIDER_NOTEBOOK, key_to_screen_ms, memory, watch

pytestmark = in_a_browser

LEAVES = """
# %%
from IPython.display import HTML
HTML("<script>fetch('https://example.org/asked').catch(() => console.error('it complained'))</script><i id=there>x</i>")
"""


def test_a_request_that_leaves_and_a_complaint_are_seen(lab):
    with lab.opened(lab.write("leaves.ipynb", LEAVES)) as notebook:
        assert notebook.run_all() == 1
        notebook.wait_for("#there")
        with pytest.raises(AssertionError):
            notebook.check_offline()
    with lab.opened("leaves.ipynb") as notebook:
        notebook.run_all()
        told: list[str] = []
        notebook.until(lambda page: told.extend(complaints(page)) or any("it complained" in line for line in told))
        assert external(requests(notebook.browser)) == ["https://example.org/asked"]


def test_a_cell_that_fails_fails_the_test(lab):
    script = "# %%\n1\n\n# %%\nraise ValueError('of this cell')\n\n# %%\n2\n"
    with lab.opened(lab.write("fails.ipynb", script)) as notebook, pytest.raises(AssertionError, match="of this cell"):
        notebook.run_all()


def test_a_change_of_the_slider_is_timed_from_key_to_chart(lab):
    with lab.opened(lab.write("notebooks/slider.ipynb", SLIDER_NOTEBOOK.read_text())) as notebook:
        notebook.run_all()
        notebook.wait_for(".vega-embed svg .mark-line path")
        line = notebook.drawn(".mark-line path", "d")
        watch(notebook, ".vega-embed")
        times = list(islice(key_to_screen_ms(notebook, ".widget-slider .noUi-handle", 3), 3))
        assert notebook.drawn(".mark-line path", "d") != line
        assert notebook.drawn(".widget-readout", "textContent") == ["53"]
        assert all(ms > 0 for ms in times)
        seen = memory(notebook, 3)
        assert min(seen.page_mib, seen.kernel_mib, seen.nodes, seen.listeners) > 0
