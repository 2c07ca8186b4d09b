"""The page of a batch in a real browser: a click on a heading sorts, and nothing is fetched."""

import polars as pl
import pytest

from tests.browser.chromium import chromium, complaints, external, in_a_browser, requests
from zcanalysis.fleet.page import write_index
from zcanalysis.tables import RECORDINGS, polars_schema

pytestmark = in_a_browser

ROWS = [("b", 9.5, "ok"), ("a", 10.25, "bad"), ("<i>c", None, "warn"), ("d", 0.125, "ok")]


@pytest.fixture
def page(tmp_path):
    rows = [
        {"name": name, "path": name, "goodput_gbps": gbps, "verdict": verdict, "limit": "link", "doubts": [],
         "answer": "", "connections": 1, "packets": 1000}
        for name, gbps, verdict in ROWS
    ]  # fmt: skip
    write_index(tmp_path / "index.html", pl.DataFrame(rows, schema=polars_schema(RECORDINGS)), [], left=0)
    return tmp_path / "index.html"


def test_a_click_on_a_heading_sorts_and_another_turns_it_round(page, tmp_path):
    from selenium.webdriver.common.by import By

    with chromium(tmp_path / "profile") as browser:
        browser.get(page.as_uri())

        def names_after_a_click(heading: str) -> list[str]:
            browser.find_element(By.XPATH, f"//th/button[text()='{heading}']").click()
            return [cell.text for cell in browser.find_elements(By.CSS_SELECTOR, "#recordings tbody td:nth-child(2)")]

        assert names_after_a_click("goodput") == ["a", "b", "d", "<i>c"]
        assert names_after_a_click("goodput") == ["<i>c", "d", "b", "a"]
        assert [name for name in names_after_a_click("recording") if name != "<i>c"] == ["a", "b", "d"]
        assert names_after_a_click("audit")[:2] == ["a", "<i>c"]
        assert complaints(browser) == []
        assert external(requests(browser)) == []
