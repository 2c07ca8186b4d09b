"""The gallery in a real browser, offline: every chart fits into the page, flames zoom and are searched."""

import shutil

import pytest

from tests.charts import gallery
from tests.charts.small_tables import SMALL
from tests.test_report_browser import browser, drawn_charts  # noqa: F401 - a fixture

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not (shutil.which("chromium") and shutil.which("chromedriver")), reason="needs chromium"),
    pytest.mark.filterwarnings("default"),  # selenium's own
]
STEPPED = "Detected faceted independent scales"  # vega-lite, of panels with rows of their own; their size is checked
TOO_WIDE = """return [...document.querySelectorAll("[data-chart]")]
    .filter((place) => place.firstElementChild.offsetWidth > place.clientWidth).map((place) => place.dataset.chart)"""
BOXES = "return document.querySelectorAll('#flame_graph .mark-rect path').length"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    place = tmp_path_factory.mktemp("gallery") / "gallery.html"
    place.write_text(gallery.page(SMALL), encoding="utf-8")
    return place


@pytest.mark.parametrize("pixels", [1200, 800])
def test_every_chart_is_drawn_and_fits(browser, page, pixels):  # noqa: F811
    browser.set_window_size(pixels, 1000)
    assert drawn_charts(browser, page, STEPPED) == list(gallery.EXHIBITS)
    assert browser.execute_script(TOO_WIDE) == []
    assert browser.execute_script("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_a_click_zooms_a_flame_and_a_search_marks_functions(browser, page):  # noqa: F811
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    drawn_charts(browser, page, STEPPED)
    all_boxes, wait = browser.execute_script(BOXES), WebDriverWait(browser, 10)
    chosen = next(
        box
        for box in browser.find_elements(By.CSS_SELECTOR, "#flame_graph .mark-rect path")
        if "function: skb_copy_datagram_iter" in box.get_attribute("aria-label")
    )
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", chosen)
    ActionChains(browser).move_to_element(chosen).click().perform()
    wait.until(lambda one: 0 < one.execute_script(BOXES) < all_boxes)
    search = browser.find_element(By.CSS_SELECTOR, "#flame_graph input[type=search]")
    search.send_keys("COPY_datagram")
    wait.until(lambda one: len(faded(one)) > 0)
    assert not any("skb_copy_datagram_iter" in label for label in faded(browser))
    box = browser.find_element(By.CSS_SELECTOR, "#flame_graph .mark-rect path")
    ActionChains(browser).double_click(box).perform()
    wait.until(lambda one: one.execute_script(BOXES) == all_boxes)


def faded(browser) -> list[str]:  # noqa: F811
    """Names of the boxes that a search did not find."""
    return browser.execute_script(
        "return [...document.querySelectorAll('#flame_graph .mark-rect path')]"
        ".filter((box) => box.getAttribute('fill-opacity') === '0.2').map((box) => box.getAttribute('aria-label'))"
    )
