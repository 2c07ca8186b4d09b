"""From key to screen: how long a slider's change takes to be drawn in JupyterLab, and whether memory grows with them.

Run as ``python -m tests.browser.slider_bench [NOTEBOOK]`` (``make bench-ui``): any notebook with a slider and a chart,
``--slider`` and ``--chart`` say where in the page. A change is a key on the slider; its time runs from the key's event
in the page to the end of the first frame after the chart has changed there. Numbers are printed, none is judged.
"""
# ruff: noqa: T201 - a benchmark prints

import argparse
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

from tests.browser.chromium import chromium
from tests.browser.jupyter_lab import Lab, Notebook, jupyter_lab

SLIDER_NOTEBOOK = Path(__file__).with_name("slider.py")
IN_NOTEBOOKS = "traces/veth-1500"
WARM_UP = 5
LOOKS = 4
MIB = 1 << 20
WATCH = """
const chart = arguments[0];
const watch = window.watch = {done: true};
const seen = () => {
  const charts = [...document.querySelectorAll(chart)];
  const pictures = charts.map(one => one.querySelectorAll("svg, canvas").length).reduce((a, b) => a + b, 0);
  return {text: charts.map(one => one.innerHTML).join(), pictures};
};
const framed = () => {
  watch.done = true;
  requestAnimationFrame(() => setTimeout(() => watch.resolve(performance.now() - watch.key)));
};
const changed = () => {
  if (!watch.key || watch.done) return;
  const now = seen();
  if (now.pictures >= watch.before.pictures && now.text !== watch.before.text) framed();  // not while it is taken away
};
watch.arm = () => {
  watch.before = seen();
  watch.key = 0;
  watch.done = false;
  watch.ms = new Promise(resolve => watch.resolve = resolve);
};
document.addEventListener("keydown", () => { watch.key ||= performance.now(); }, true);
new MutationObserver(changed)
  .observe(document.body, {subtree: true, childList: true, attributes: true, characterData: true});
const clear = CanvasRenderingContext2D.prototype.clearRect;
CanvasRenderingContext2D.prototype.clearRect = function (...box) {
  clear.apply(this, box);
  if (watch.key && !watch.done && this.canvas.closest(chart)) framed();
};
"""
AT_ITS_END = """
const [slider, up] = arguments;  // a handle of ipywidgets, or an input of type range
const now = Number(slider.getAttribute("aria-valuenow") ?? slider.value);
const end = side => Number(slider.getAttribute("aria-value" + side) ?? slider[side]);
return up ? now >= end("max") : now <= end("min");
"""
ARM = "window.watch.arm()"
DRAWN_MS = """
const done = arguments[0];
Promise.race([window.watch.ms, new Promise(late => setTimeout(late, 10000, -1))]).then(done);
"""


class Memory(NamedTuple):
    """What is held after so many changes."""

    changes: int
    page_mib: float
    nodes: int
    listeners: int
    kernel_mib: float


def main() -> None:
    """Print the times and the memory."""
    asked = _asked()
    place = Path(tempfile.mkdtemp(prefix="slider-bench-"))
    try:
        with chromium(place / "profile") as browser, jupyter_lab(place / "jupyter", browser) as lab:
            if asked.recording is not None:
                _put_in_place(lab, asked.recording)
            name = lab.write("notebooks/bench.ipynb", asked.notebook.read_text())
            with lab.opened(name) as notebook:
                notebook.run_all()
                notebook.wait_for(f"{asked.chart} *")
                _print(notebook, asked)
    finally:
        shutil.rmtree(place)


def key_to_screen_ms(notebook: Notebook, slider: str, changes: int) -> Iterator[float]:
    """How long each change took; the slider goes to its end and back.

    Parameters
    ----------
    notebook
        In which `watch` has been called.
    slider
        CSS of what takes the keys.
    changes
        How many.
    """
    from selenium.webdriver.common.keys import Keys

    element, up = notebook.wait_for(slider)[0], True
    for change in range(changes):
        if notebook.browser.execute_script(AT_ITS_END, element, up):
            up = not up
        notebook.browser.execute_script(ARM)
        element.send_keys(Keys.ARROW_RIGHT if up else Keys.ARROW_LEFT)
        ms = notebook.browser.execute_async_script(DRAWN_MS)
        assert ms >= 0, f"change {change}: nothing was drawn within 10 s"
        yield ms


def watch(notebook: Notebook, chart: str) -> None:
    """From now on the page notes when a key comes and when the chart changes.

    Parameters
    ----------
    notebook
        Whose page.
    chart
        CSS of what the chart is in: an SVG, HTML or a canvas.
    """
    notebook.browser.execute_script(WATCH, chart)


def memory(notebook: Notebook, changes: int) -> Memory:
    """After a collection of garbage in the page."""
    notebook.browser.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    notebook.browser.execute_cdp_cmd("Performance.enable", {})
    told = notebook.browser.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    page = {one["name"]: one["value"] for one in told}
    kernel = notebook.kernel.memory_info().rss
    counts = (int(page[name]) for name in ("Nodes", "JSEventListeners"))
    return Memory(changes, page["JSHeapUsedSize"] / MIB, *counts, kernel / MIB)


def _print(notebook: Notebook, asked: argparse.Namespace) -> None:
    watch(notebook, asked.chart)
    for _ in key_to_screen_ms(notebook, asked.slider, WARM_UP):
        pass
    times = list(key_to_screen_ms(notebook, asked.slider, asked.changes))
    print(f"{asked.notebook.name}: {asked.changes} changes; load {os.getloadavg()[0]:.1f}")
    p95 = quantiles(times, n=20, method="inclusive")[-1]
    print(f"key to screen: median {median(times):.0f} ms, p95 {p95:.0f}, most {max(times):.0f}")
    print(f"{'changes':>8} {'page MiB':>9} {'nodes':>7} {'listeners':>9} {'kernel MiB':>10}")
    for look in range(LOOKS + 1):
        if look:
            for _ in key_to_screen_ms(notebook, asked.slider, asked.growth // LOOKS):
                pass
        seen = memory(notebook, look * (asked.growth // LOOKS))
        print(
            f"{seen.changes:8} {seen.page_mib:9.1f} {seen.nodes:7} {seen.listeners:9} {seen.kernel_mib:10.1f}",
            flush=True,
        )


def _put_in_place(lab: Lab, recording: Path) -> None:
    """The notebook finds this one where it looks for the shipped one."""
    shutil.rmtree(lab.folder / IN_NOTEBOOKS)
    (lab.folder / IN_NOTEBOOKS).symlink_to(recording.resolve(strict=True))


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebook", nargs="?", type=Path, default=SLIDER_NOTEBOOK, help="a percent script")
    parser.add_argument("--recording", type=Path, help=f"what stands for {IN_NOTEBOOKS}")
    parser.add_argument("--slider", default=".widget-slider .noUi-handle", help="CSS; the first that matches")
    parser.add_argument("--chart", default=".vega-embed", help="CSS of what the charts are in")
    parser.add_argument("--changes", type=int, default=100)
    parser.add_argument("--growth", type=int, default=1000, help="changes over which memory is looked at")
    return parser.parse_args()


if __name__ == "__main__":
    main()
