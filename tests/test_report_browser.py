"""The report in a real browser, opened from disk with the network off: every chart is drawn, no hostile text runs."""

from pathlib import Path

import pytest

import zcanalysis as zc
from tests import builders as make
from tests.browser.chromium import chromium, complaints, external, in_a_browser, requests
from tests.test_report import HOSTILE, folder  # noqa: F401 - a fixture
from zcanalysis.answer import answered, gbps_text
from zcanalysis.document import write_report
from zcanalysis.io.recording import read_recording
from zcanalysis.patches import parse_patch

TRACES = Path(__file__).parent.parent / "traces"
CONNECTION = ("sequence", "throughput", "round-trips", "ack-delays")
SHIPPED = sorted(path.parent.name for path in TRACES.glob("*/host.json"))

pytestmark = in_a_browser


@pytest.fixture
def browser(tmp_path):
    with chromium(tmp_path / "profile") as running:
        yield running


def drawn_charts(browser, page: Path, accepted: str = "nothing") -> list[str]:
    """Opens the page, waits until every chart is drawn, and returns their keys; other complaints fail."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get(page.as_uri())
    places = browser.find_elements(By.CSS_SELECTOR, "[data-chart]")
    WebDriverWait(browser, 30).until(
        lambda found: len(found.find_elements(By.CSS_SELECTOR, "[data-drawn=yes], .failed")) == len(places)
    )
    assert not browser.find_elements(By.CSS_SELECTOR, ".failed")
    for place in places:
        assert place.find_elements(By.CSS_SELECTOR, "svg path, canvas"), "a chart is empty"
    assert [entry for entry in complaints(browser) if accepted not in entry] == []
    assert external(requests(browser)) == []
    return [place.get_attribute("data-chart") for place in places]


@pytest.mark.parametrize("name", SHIPPED)
def test_every_chart_of_a_shipped_recording_is_drawn_offline(browser, tmp_path, name):
    page = tmp_path / "report.html"
    recording, is_tcp = read_recording(TRACES / name), not name.endswith("-udp")
    write_report(answered(recording), page)
    assert drawn_charts(browser, page) == [
        "loss", "ladder", "forecast", "combine", "speedup", "costs", "prices", "cpus",
        *(["limits"] if is_tcp else ()), "rate", "flame",
        *((*CONNECTION, "packet-way", "critical-path") if recording.packets is not None and is_tcp else ()),
    ]  # fmt: skip


def test_controls_in_the_page_show_what_what_if_says_without_a_kernel(browser, tmp_path, shipped_answer):
    page = tmp_path / "report.html"
    write_report(shipped_answer, page)
    browser.set_window_size(800, 1200)
    drawn_charts(browser, page)
    recorded = gbps_text(shipped_answer.goodput_gbps, shipped_answer.low_gbps, shipped_answer.high_gbps)
    for texts in (["mtu=9000", "gro=on"], ["mtu=9000", "gro=on", "rps=off"], ["mtu=", "gro=", "rps=off"]):
        for text in texts:
            choose(browser, text)
        patches = [parse_patch(text) for text in texts if not text.endswith("=")]
        row = zc.what_if(shipped_answer, [patches]).row(0, named=True)
        says = gbps_text(row["predicted_gbps"], row["low_gbps"], row["high_gbps"])
        expected = {f"with these changes: {says}, 90%", f"then the limit: {row['limit_after']}", row["patch"]}
        assert expected | {f"as recorded: {recorded}"} <= words_with(browser, row["patch"])
    section = browser.find_element("css selector", "#combine")
    assert browser.execute_script("return arguments[0].scrollWidth <= arguments[0].clientWidth", section)


def choose(browser, text: str) -> None:
    """Click the control that stands for a patch; ``mtu=`` is as recorded."""
    name, _, value = text.partition("=")
    control = browser.find_element("css selector", f"#combine .vega-bind:has(input[value^='{name}='])")
    control.find_element("css selector", f"input[value='{text if value else ''}']").click()


def words_with(browser, patch: str) -> set[str]:
    """Texts drawn in the chart, as soon as the patch is among them."""
    from selenium.webdriver.support.ui import WebDriverWait

    texts = "return [...document.querySelectorAll('#combine svg text')].map(e => e.textContent)"
    return WebDriverWait(browser, 10).until(lambda page: patch in (now := set(page.execute_script(texts))) and now)


CAPTURES = ("limits/loss.first.pcap.zst", "limits/delayed-ack.first.pcap.zst", "prequeue-4.10/mtu-65000.pcap.gz")


def test_a_report_fits_into_a_narrow_window(browser, tmp_path):
    page = tmp_path / "report.html"
    write_report(answered(read_recording(TRACES / "veth-1500")), page)
    browser.set_window_size(800, 1200)
    drawn_charts(browser, page)
    assert browser.execute_script("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.mark.parametrize("name", CAPTURES)
def test_a_captures_charts_are_drawn_and_fit_into_a_narrow_window(browser, tmp_path, name):
    page = tmp_path / "report.html"
    write_report(answered(read_recording(TRACES / name)), page)
    browser.set_window_size(800, 1200)
    assert drawn_charts(browser, page) == ["limits", *CONNECTION]
    assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")


def test_an_unanswered_transfer_has_no_chart_of_its_acks(browser, tmp_path):
    data = [make.ethernet(make.ipv4(make.tcp(seq=1000 + 10 * n, payload=b"x" * 10))) for n in range(20)]
    capture, page = make.saved(tmp_path, make.pcap(data)), tmp_path / "report.html"
    write_report(answered(read_recording(capture)), page)
    assert drawn_charts(browser, page) == ["limits", "sequence", "throughput"]


def test_a_hostile_process_name_stays_text(browser, tmp_path, folder):  # noqa: F811
    page = tmp_path / "report.html"
    write_report(answered(read_recording(folder)), page)
    drawn_charts(browser, page)  # an alert would raise UnexpectedAlertPresentException in here
    assert HOSTILE in browser.execute_script("return document.body.innerText")
