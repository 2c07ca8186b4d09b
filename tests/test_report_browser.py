"""The report in a real browser, opened from disk with the network off: every chart is drawn, no hostile text runs."""

import shutil
from pathlib import Path

import pytest

from tests import builders as make
from tests.test_report import HOSTILE, folder  # noqa: F401 - a fixture
from zcanalysis.answer import answered
from zcanalysis.document import write_report
from zcanalysis.io.recording import read_recording

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
TRACES = Path(__file__).parent.parent / "traces"
CONNECTION = ("sequence", "throughput", "round-trips", "ack-delays")
OFFLINE = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--window-size=1200,2600"),
]
SHIPPED = sorted(path.parent.name for path in TRACES.glob("*/host.json"))

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver"),
    pytest.mark.filterwarnings("default"),  # selenium's own
]


@pytest.fixture
def browser(tmp_path):
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in [*OFFLINE, f"--user-data-dir={tmp_path}/profile", "--host-resolver-rules=MAP * ~NOTFOUND"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


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
    complaints = [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    assert not [entry for entry in complaints if accepted not in entry["message"]]
    return [place.get_attribute("data-chart") for place in places]


@pytest.mark.parametrize("name", SHIPPED)
def test_every_chart_of_a_shipped_recording_is_drawn_offline(browser, tmp_path, name):
    page = tmp_path / "report.html"
    recording, is_tcp = read_recording(TRACES / name), not name.endswith("-udp")
    write_report(answered(recording), page)
    assert drawn_charts(browser, page) == [
        "loss", "ladder", "forecast", "speedup", "costs", "prices", "cpus", *(["limits"] if is_tcp else ()), "rate",
        "flame", *((*CONNECTION, "packet-way", "critical-path") if recording.packets is not None and is_tcp else ()),
    ]  # fmt: skip


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
