"""What-ifs of hosts that nobody recorded: the receiver of 2002, and one of today."""

import polars as pl
import pytest

from zcanalysis.hosts import preset
from zcanalysis.patches import parse_patch
from zcanalysis.tables import PATCHES
from zcanalysis.whatif import what_if


def asked(name, *texts):
    table = what_if(preset(name), [parse_patch(text) for text in texts])
    assert list(table.columns) == list(PATCHES)
    assert set(table.get_column("tier")) == {"host"}
    return dict(zip(texts, table.to_dicts(), strict=True))


def test_quadrics_receives_what_was_published_and_a_faster_processor_would_help():
    rows = asked("quadrics_elan3", "cpu-speed=2", "prequeue-bypass")
    assert rows["cpu-speed=2"]["no_change_gbps"] == pytest.approx(0.9, rel=0.02)
    assert rows["cpu-speed=2"]["predicted_gbps"] > 1.5
    # who checksums in software keeps the prequeue under Kleen's patch
    assert rows["prequeue-bypass"]["predicted_gbps"] == pytest.approx(0.9, rel=0.02)


def test_where_the_device_verifies_checksums_the_bypass_acts():
    host = preset("quadrics_elan3").changed("nic.hardware_checksum", "verified")
    slow = host.with_price("reader.delay_ns", 2_000_000)
    row = what_if(slow, [parse_patch("prequeue-bypass")]).row(0, named=True)
    assert row["predicted_gbps"] != pytest.approx(row["no_change_gbps"], rel=1e-3)


def test_a_full_link_stays_the_limit_whatever_is_free():
    rows = asked("host_2002", "kernel-bypass", "copy-gbps=80")
    assert {row["limit_after"] for row in rows.values()} == {"link"}
    assert all(row["predicted_gbps"] == pytest.approx(row["no_change_gbps"], rel=1e-3) for row in rows.values())


def test_what_this_generation_has_not_got_says_so():
    rows = asked("modern", "prequeue-bypass", "ring=4096", "copy-gbps=8")
    assert not rows["prequeue-bypass"]["applies"]
    assert "linux-2.4" in rows["prequeue-bypass"]["why"]
    assert rows["ring=4096"]["why"] == "the model does not know ring=4096"
    assert rows["ring=4096"]["predicted_gbps"] is None
    assert rows["copy-gbps=8"]["predicted_gbps"] < 10


def test_no_command_is_invented_for_a_host_without_facts():
    table = what_if(preset("modern"), [parse_patch("mtu=4000")])
    assert table.select(pl.col("command", "undo").is_null().all()).row(0) == (True, True)
