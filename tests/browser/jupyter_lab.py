"""JupyterLab as the user has it (`zcanalysis notebook`), driven through a real browser without network.

A test of a notebook takes the fixture `lab` (tests/browser/conftest.py: one server and one browser a test session) and
opens a copy of a notebook in it, or one of its own::

    pytestmark = in_a_browser                                # from tests.browser.chromium

    def test_the_slider_moves_the_line(lab):
        with lab.opened("notebooks/03_explorer.ipynb") as notebook:
            notebook.run_all()                               # fails where a cell does
            notebook.wait_for(".vega-embed svg.marks path")
            line = notebook.drawn(".mark-line path", "d")
            notebook.press(".widget-slider .noUi-handle", Keys.ARROW_RIGHT)
            assert notebook.changed(".mark-line path", "d", line) != line
            notebook.check_offline()                         # no console error, no request that leaves this machine

``lab.write("mine.ipynb", script)`` makes a notebook of a percent script's text. Cells out of sight are drawn too
(windowing is off). At the end of ``opened`` its kernel is shut down. ``notebook.browser`` is selenium's driver, for
everything else; ``notebook.screenshot(path)`` shows what it sees; ``notebook.kernel`` is the kernel's process.

Keys: JupyterLab takes arrow keys for itself unless the element, or one around it, has the attribute
``data-lm-suppress-shortcuts``. ipywidgets' sliders are not touched by that, an ``<input type=range>`` of one's own is.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import psutil

from tests.browser.chromium import complaints, external, requests
from tests.browser.processes import ended

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

CODE = Path(__file__).parents[2]
ADDRESS = re.compile(r"^open +(\S+)$")
CELLS_S = 120
DRAWN_S = 30
NO_NEWS = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
ALL_CELLS_DRAWN = {"windowingMode": "none"}
OPENED = """
const [path, done] = arguments;
(async () => {
  const app = window.jupyterapp;
  await app.restored;
  const panel = await app.commands.execute("docmanager:open", {path});
  await panel.context.ready; await panel.sessionContext.ready; await panel.sessionContext.session.kernel.info;
  window.opened = panel;
  return "";
})().then(done, error => done(String(error)));
"""
RUN = """
const done = arguments[0];
const failed = cell => (cell.sharedModel.outputs || []).filter(one => one.output_type === "error");
(async () => {
  await window.jupyterapp.commands.execute("notebook:run-all-cells");
  const cells = Array.from(window.opened.model.cells);
  return {ran: cells.filter(cell => cell.executionCount).length,
          code: cells.filter(cell => cell.type === "code" && cell.sharedModel.source.trim()).length,
          errors: cells.flatMap(failed).map(one => `${one.ename}: ${one.evalue}`)};
})().then(done, error => done({errors: [String(error)]}));
"""
DRAWN = """
const [css, attribute] = arguments;
return [...document.querySelectorAll(css)].map(one => one[attribute] ?? one.getAttribute(attribute));
"""
SHUT_DOWN = """
const done = arguments[0];
window.opened.context.model.dirty = false;  // else leaving the page would ask
window.opened.sessionContext.shutdown().then(() => done(""), error => done(String(error)));
"""


class Notebook(NamedTuple):
    """A notebook that is open in JupyterLab, with a kernel."""

    browser: "Chrome"
    server: psutil.Process

    def run_all(self) -> int:
        """Run all cells to the last; the number of those that hold code. An error in a cell is a failure."""
        said = self.browser.execute_async_script(RUN)
        assert not said["errors"], said["errors"]
        assert said["ran"] == said["code"], said
        return int(said["ran"])

    def wait_for(self, css: str, *, number: int = 1) -> "list[WebElement]":
        """Elements that match, once there are so many."""
        from selenium.webdriver.common.by import By

        return self.until(lambda page: (at := page.find_elements(By.CSS_SELECTOR, css))[number - 1 :] and at)

    def drawn(self, css: str, attribute: str) -> list[str]:
        """An attribute of each element that matches, such as the ``d`` of paths; ``textContent`` is one too."""
        return list(self.browser.execute_script(DRAWN, css, attribute))

    def changed(self, css: str, attribute: str, before: list[str]) -> list[str]:
        """What `drawn` says once it is neither nothing nor what it was."""
        return self.until(lambda _: (now := self.drawn(css, attribute)) != before and now)

    def press(self, css: str, *keys: str) -> None:
        """Focus the first element that matches, and press keys."""
        element = self.wait_for(css)[0]
        self.browser.execute_script("arguments[0].scrollIntoView({block: 'center'}); arguments[0].focus()", element)
        element.send_keys(*keys)

    def screenshot(self, path: Path) -> None:
        """What the window shows, as PNG."""
        path.write_bytes(self.browser.get_screenshot_as_png())

    @property
    def kernel(self) -> psutil.Process:
        """The kernel's process: the only one the server has started."""
        (kernel,) = self.server.children()
        return kernel

    def check_offline(self) -> None:
        """No complaint in the console, and no request that leaves this machine, since the notebook was opened."""
        assert complaints(self.browser) == []
        asked = requests(self.browser)
        assert asked, "the log of requests is empty: the check would prove nothing"
        assert external(asked) == []

    def until(self, condition: Any) -> Any:
        """What the condition says of the browser, as soon as that is true."""
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.browser, DRAWN_S, poll_frequency=0.05).until(condition)


class Lab(NamedTuple):
    """A running JupyterLab, and the browser that looks at it."""

    folder: Path
    address: str
    server: psutil.Process
    browser: "Chrome"

    def write(self, name: str, script: str) -> str:
        """A notebook made of the text of a percent script; its name, to open it by.

        Parameters
        ----------
        name
            Ends in .ipynb; in a folder beside ``traces``, ``notebooks/…``, paths hold as they do in the shipped ones.
        script
            Its cells; the header may be missing.
        """
        import jupytext

        notebook = jupytext.reads(script, fmt="py:percent")
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        jupytext.write(notebook, self.folder / name)
        return name

    @contextmanager
    def opened(self, name: str) -> Iterator[Notebook]:
        """A notebook in a fresh page, with a fresh kernel that ends with it.

        Parameters
        ----------
        name
            Its path in the server's folder.
        """
        parts = urlsplit(self.address)
        for log in (complaints, requests):
            log(self.browser)
        self.browser.get(f"{parts.scheme}://{parts.netloc}/lab?reset&{parts.query}")
        notebook = Notebook(self.browser, self.server)
        notebook.until(lambda page: page.execute_script("return window.jupyterapp !== undefined"))
        assert self.browser.execute_async_script(OPENED, name) == ""
        try:
            yield notebook
        finally:
            assert self.browser.execute_async_script(SHUT_DOWN) == ""


@contextmanager
def jupyter_lab(place: Path, browser: "Chrome") -> Iterator[Lab]:
    """`zcanalysis notebook` with settings of its own; at the end neither it nor a kernel is left, whatever happened.

    Parameters
    ----------
    place
        An empty folder: the copies go into ``root``, Jupyter's settings beside it.
    browser
        To look at it.
    """
    command = [sys.executable, "-m", "zcanalysis", "notebook", "--no-browser", "--port", str(_free_port())]
    command += ["-o", str(place / "root")]
    environment = _own_settings(place)
    with (place / "server.log").open("w") as log:
        running = subprocess.Popen(command, cwd=CODE, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
    with ended(running.pid, lambda: _interrupt(running)) as server:
        address = _address(running)
        assert address, (place / "server.log").read_text()
        browser.set_script_timeout(CELLS_S)
        yield Lab(place / "root", address, server, browser)


def _free_port() -> int:
    """Not Jupyter's usual one: two sessions of tests may begin at once."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _address(running: subprocess.Popen[str]) -> str:
    """The address it prints when it is ready; empty if it ends without."""
    assert running.stdout is not None
    found = (ADDRESS.match(line) for line in running.stdout)
    return next((match[1] for match in found if match), "")


def _interrupt(running: subprocess.Popen[str]) -> None:
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=30)


def _own_settings(place: Path) -> dict[str, str]:
    """An environment in which Jupyter reads and writes nothing of the user's, and shows itself to scripts."""
    config = place / "config"
    notebooks = place / "settings" / "@jupyterlab" / "notebook-extension"
    for folder in (config / "labconfig", notebooks):
        folder.mkdir(parents=True)
    (config / "labconfig" / "page_config.json").write_text(json.dumps(NO_NEWS))
    (config / "jupyter_lab_config.json").write_text(json.dumps({"LabApp": {"expose_app_in_browser": True}}))
    (notebooks / "tracker.jupyterlab-settings").write_text(json.dumps(ALL_CELLS_DRAWN))
    own = {
        "JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime",
        "IPYTHONDIR": "ipython", "JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    }  # fmt: skip
    return os.environ | {name: str(place / folder) for name, folder in own.items()}
