"""Packet explorer and journey view in JupyterLab: what the page shows is what the library gives."""

import re
from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains

import zcanalysis as zc
from tests.browser.chromium import in_a_browser
from zcanalysis.journey_work import packet_at
from zcanalysis.wire.packet_list import numbered_packets, packet_list

pytestmark = in_a_browser

CAPTURE = Path(__file__).parents[2] / "traces" / "veth-1500" / "capture.pcap.zst"
NOTEBOOK = """
# %%
import zcanalysis as zc
zc.widgets.packet_explorer("../traces/veth-1500/capture.pcap.zst")

# %%
zc.widgets.journey_view("../traces/veth-1500/capture.pcap.zst")
"""
COUNTED = re.compile(r"([\d,]+) packets of both sides from ([\d.]+) to ([\d.]+) s")
STEP = re.compile(r"([\d.,]+) µs")
ROUNDED_S = 5e-7
BLANK = "\N{NO-BREAK SPACE}"


def counted(notebook):
    """How many packets the explorer says there are, from when to when."""
    (found,) = filter(None, map(COUNTED.search, notebook.drawn(".zc-text p", "textContent")))
    return int(found[1].replace(",", "")), float(found[2]), float(found[3])


def steps_us(notebook):
    """How long each step of the packet's way is said to take, from top to bottom."""
    found = map(STEP.match, notebook.drawn(".mark-text text", "textContent"))
    return [float(step[1].replace(",", "")) for step in found if step]


def press(notebook, name):
    (button,) = (one for one in notebook.wait_for("button.jupyter-button") if one.text == name)
    notebook.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()


def test_a_brush_lists_the_packets_of_its_time_and_a_zoom_draws_them_finer(lab):
    flow = zc.flows(CAPTURE).sort("payload_bytes").row(-1, named=True)
    packets = numbered_packets(zc.scan_pcap(CAPTURE), flow)
    with lab.opened(lab.write("notebooks/packets.ipynb", NOTEBOOK)) as notebook:
        notebook.run_all()
        (picture, *_) = notebook.wait_for(".vega-embed svg.marks", number=3)
        whole = counted(notebook)
        assert whole[0] == packet_list(packets, flow).packets
        notebook.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", picture)
        drag = ActionChains(notebook.browser).move_to_element_with_offset(picture, -60, -80)
        drag.click_and_hold().move_by_offset(50, 0).release().perform()
        shown, from_s, to_s = notebook.until(lambda _: (now := counted(notebook)) != whole and now)
        inner, outer = (
            packet_list(packets, flow, (from_s - by, to_s + by)) for by in (-ROUNDED_S, ROUNDED_S)
        )  # the page says microseconds
        assert 0 < inner.packets <= shown <= outer.packets < whole[0]
        rows = notebook.drawn(".zc-rows option", "textContent")
        assert len(rows) == 200
        first = int(rows[0].strip(BLANK).split(BLANK)[0].replace(",", ""))
        assert first in outer.table["number"].head(10)
        marks = notebook.drawn(".mark-rect path", "d")
        press(notebook, "Zoom in")
        notebook.changed(".mark-rect path", "d", marks)
        assert any(
            f"From {from_s:.6f} to {to_s:.6f} s:" in said for said in notebook.drawn(".zc-text p", "textContent")
        )

        journeys = zc.widgets.journey_view(CAPTURE)
        before = steps_us(notebook)
        press(notebook, "Slowest")
        journeys.packet = packet_at(journeys.journeys, 1)
        took_us = (journeys.way["to_ns"] - journeys.way["from_ns"]) / 1000
        assert took_us.sum() > sum(before)
        shown_us = notebook.until(lambda _: (now := steps_us(notebook)) != before and now)
        assert shown_us == pytest.approx(took_us, rel=5e-3)
        (words,) = re.findall(r"<p>(Packet .*?)</p>", journeys._says.value)
        notebook.until(lambda _: words in notebook.drawn(".zc-text p", "textContent"))
        notebook.check_offline()
