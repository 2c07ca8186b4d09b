"""Hostile traffic: every table of `wire` keeps its laws, however the packets come."""

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import builders as make
from tests.fuzz import laws, traffic
from tests.fuzz.cases import follow_holds
from zcanalysis.io.pcap import scan_pcap

SEEDS = st.integers(0, (1 << 32) - 1)


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.__name__)
@settings(max_examples=25, deadline=None)
@given(seed=SEEDS)
def test_hostile_traffic_keeps_the_law(law, seed):
    chance = Random(seed)
    law(traffic.as_table(traffic.hostile_rows(chance, most=120)), chance)


@settings(max_examples=10, deadline=None)
@given(one=SEEDS, other=SEEDS)
def test_two_captures_that_have_little_in_common_are_told_apart_or_matched(one, other):
    laws.two_taps_hold(*(traffic.as_table(traffic.hostile_rows(Random(seed), most=60)) for seed in (one, other)))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=SEEDS)
def test_a_capture_that_grows_has_the_flows_of_the_whole(tmp_path, seed):
    chance = Random(seed)
    path = make.saved(tmp_path, traffic.as_capture(traffic.hostile_rows(chance, most=60)))
    follow_holds(path, chance)


def test_hostile_traffic_in_a_file_is_what_was_written(tmp_path):
    rows = traffic.hostile_rows(Random(3))
    table = traffic.as_table(rows)
    found = scan_pcap(make.saved(tmp_path, traffic.as_capture(rows))).select(table.columns).collect()
    same = ["ts_ns", "src", "dst_port", "tcp_flags", "seq", "ack", "window_raw", "window_scale", "tsval", "ip_id"]
    assert found.height == len(rows)
    assert found.select(same).equals(table.select(same))
    assert found["error"].null_count() == len(rows)
