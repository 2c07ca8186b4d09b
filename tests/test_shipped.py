"""Shipped recordings are found by name, from anywhere, in a checkout and in an installed package."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import zcanalysis as zc
from zcanalysis.errors import ZcError
from zcanalysis.shipped import NOTEBOOKS, TRACES, here_or_shipped, holder

ROOT = Path(__file__).parent.parent


def test_a_checkout_holds_them_beside_the_package_an_installed_package_inside(tmp_path):
    assert (TRACES, NOTEBOOKS) == (ROOT / "traces", ROOT / "notebooks")
    installed = tmp_path / "site-packages" / "zcanalysis" / "shipped"
    (installed / "traces").mkdir(parents=True)
    assert holder(installed) == installed


def test_a_shipped_recording_is_found_by_name_from_anywhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert zc.shipped_trace("veth-1500") == TRACES / "veth-1500"
    assert here_or_shipped("veth-1500") == TRACES / "veth-1500"
    assert here_or_shipped("traces/limits/loss.first.pcap.zst") == TRACES / "limits" / "loss.first.pcap.zst"


def test_what_is_there_goes_before_what_is_shipped(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "veth-1500").mkdir()
    assert here_or_shipped("veth-1500") == Path("veth-1500")


@pytest.mark.parametrize("name", ["nothing", "", ".", "..", "../README.md", "veth-1500/nothing", "/etc/hostname"])
def test_nothing_else_is_found_by_name(name):
    with pytest.raises(ZcError, match=r"no recording '.*' comes with zcanalysis, there are .*veth-1500") as raised:
        zc.shipped_trace(name)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("path", ["nothing", "../README.mdx", "traces/../README.mdx", "/nowhere/veth-1500"])
def test_other_paths_stay_as_they_are(path):
    assert here_or_shipped(path) == Path(path)


def test_commands_take_the_name_of_a_shipped_recording(tmp_path):
    command = [sys.executable, "-m", "zcanalysis", "flows", "veth-9000", "--json"]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True, timeout=120
    )
    assert json.loads(done.stdout)["flows"][0]["packets"] > 0
