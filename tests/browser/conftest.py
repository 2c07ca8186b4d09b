"""One JupyterLab and one browser for all tests of a session."""

import pytest

from tests.browser.chromium import chromium
from tests.browser.jupyter_lab import jupyter_lab


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """See tests/browser/jupyter_lab.py."""
    place = tmp_path_factory.mktemp("lab")
    with chromium(place / "profile") as browser, jupyter_lab(place / "jupyter", browser) as running:
        yield running
