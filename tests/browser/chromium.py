"""A chromium of its own that finds no name but 127.0.0.1, and what it complained of and asked for."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tests.browser.processes import ended

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
OFFLINE = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--enable-precise-memory-info",
]
FROM_THE_NETWORK = ("http", "https", "ws", "wss", "ftp")

in_a_browser = [
    pytest.mark.browser,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver"),
    pytest.mark.filterwarnings("default"),  # selenium's own
]
"""For ``pytestmark`` of a file with such tests."""


@contextmanager
def chromium(profile: Path, width: int = 1200, height: int = 2600) -> Iterator["Chrome"]:
    """A browser with an empty profile; at the end none of its processes is left, whatever happened.

    Parameters
    ----------
    profile
        Folder that it may fill.
    width, height
        Of the window, in px.
    """
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in [*OFFLINE, f"--user-data-dir={profile}", f"--window-size={width},{height}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = Service(str(DRIVER))
    driver = webdriver.Chrome(options=options, service=service)
    with ended(service.process.pid, driver.quit):
        yield driver


def complaints(driver: "Chrome") -> list[str]:
    """Errors and warnings of the page's console since the last call."""
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]


def requests(driver: "Chrome") -> list[str]:
    """Addresses that pages asked the network for since the last call, web sockets among them."""
    told = (json.loads(entry["message"])["message"] for entry in driver.get_log("performance"))
    addresses = (_requested(event["method"], event["params"]) for event in told)
    return [address for address in addresses if urlsplit(address).scheme in FROM_THE_NETWORK]


def external(addresses: list[str]) -> list[str]:
    """Those that are not of this machine."""
    return [address for address in addresses if urlsplit(address).hostname != "127.0.0.1"]


def _requested(method: str, told: dict[str, Any]) -> str:
    if method == "Network.requestWillBeSent":
        return str(told["request"]["url"])
    return str(told["url"]) if method == "Network.webSocketCreated" else ""
