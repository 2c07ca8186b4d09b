"""The page of a comparison in a real browser, opened from disk with the network off."""

from tests.browser.chromium import in_a_browser
from tests.small_recordings import recorded
from tests.test_comparison_page import COPY, HOSTILE, HOSTILE_FUNCTION, SOFTIRQ, made_of
from tests.test_report_browser import browser, drawn_charts  # noqa: F401 - a fixture
from zcanalysis.comparison_page import write_comparison

pytestmark = in_a_browser


def test_charts_are_drawn_offline_in_a_narrow_window_and_hostile_names_stay_text(browser, tmp_path):  # noqa: F811
    hostile = {f"handle_softirqs;{HOSTILE_FUNCTION}": 20, SOFTIRQ: 20, COPY: 30}
    now = recorded(tmp_path / "now", hostile, 1_000_000, comm=HOSTILE)
    before = recorded(tmp_path / "before", {SOFTIRQ: 20, COPY: 50}, 1_000_000)
    page = tmp_path / "page.html"
    write_comparison(made_of(([now], [before])), page)
    browser.set_window_size(800, 1200)
    assert drawn_charts(browser, page) == ["compared", "flame"]  # an alert would raise in here
    assert HOSTILE_FUNCTION.removesuffix(">") in browser.execute_script("return document.body.innerText")
    assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
