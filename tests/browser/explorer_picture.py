"""The README's picture of the explorer, taken in a real JupyterLab: `make screenshot`."""

import base64
import sys
import tempfile
from pathlib import Path
from typing import Final

from notebooks.images.draw import PLACE, smaller
from tests.browser.chromium import chromium
from tests.browser.jupyter_lab import Notebook, jupyter_lab

SPOKEN: Final = ".zc-spoken"
SCALE: Final = 0.7
HIDE_FILES: Final = "window.jupyterapp.shell.collapseLeft()"
PLACE_OF: Final = """
const box = document.querySelector(".zc-explorer").getBoundingClientRect();
return {x: box.x, y: box.y, width: box.width, height: Math.min(box.height, arguments[0])};
"""
HEIGHT: Final = 860
FAST: Final = "at first sight"


def picture(notebook: Notebook) -> bytes:
    """The explorer with larger packets asked, as the notebook leaves it, as PNG."""
    notebook.run_all()
    notebook.browser.execute_script(HIDE_FILES)
    notebook.wait_for(".zc-explorer .vega-embed svg.marks path")
    notebook.until(lambda _: "With mtu=9000" in "".join(notebook.drawn(SPOKEN, "textContent")))
    notebook.browser.execute_script("document.activeElement.blur()")
    notebook.browser.execute_script("document.querySelector('.zc-explorer').scrollIntoView()")
    notebook.until(lambda _: FAST not in "".join(notebook.drawn(SPOKEN, "textContent")))
    clip = notebook.browser.execute_script(PLACE_OF, HEIGHT) | {"scale": SCALE}
    told = notebook.browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png", "clip": clip})
    return base64.b64decode(told["data"])


def main(target: Path) -> None:
    """Take it, and keep it."""
    with (
        tempfile.TemporaryDirectory() as place,
        chromium(Path(place) / "profile", 1320, 1200) as browser,
        jupyter_lab(Path(place) / "jupyter", browser) as lab,
        lab.opened("notebooks/03_explorer.ipynb") as notebook,
    ):
        target.write_bytes(smaller(picture(notebook)))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PLACE / "explorer.png")
