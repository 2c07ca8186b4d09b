"""Prices at which the replay spends what the samples show."""

import pytest

from zcanalysis.hosts.presets import preset
from zcanalysis.prices.settling import MOST, REPLAYED, settled
from zcanalysis.rates import BITS_PER_BYTE
from zcanalysis.transfers import transfers


@pytest.fixture(scope="module")
def host():
    return preset("modern")


def spent_ns_per_byte(host, name):
    done = transfers([host])
    bytes_per_s = float(done.gbps[0]) * 1e9 / BITS_PER_BYTE
    return host.prices()[name].value * done.per_s[0][REPLAYED[name]] / bytes_per_s


def test_a_host_that_spends_what_was_measured_keeps_its_prices(host):
    name = "reader.syscall_ns"
    after = settled(host, {name: spent_ns_per_byte(host, name)})
    assert after.prices()[name].value == pytest.approx(host.prices()[name].value, rel=0.02)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_the_replay_then_spends_what_was_measured(host, factor):
    name = "reader.syscall_ns"
    wanted_ns = factor * spent_ns_per_byte(host, name)
    after = settled(host, {name: wanted_ns})
    assert spent_ns_per_byte(after, name) == pytest.approx(wanted_ns, rel=0.1)


def test_a_price_stays_within_its_bounds_and_keeps_its_relative_interval(host):
    name = "reader.syscall_ns"
    before = host.prices()[name]
    after = settled(host, {name: 1000 * spent_ns_per_byte(host, name)}).prices()[name]
    assert after.value == pytest.approx(MOST * before.value)
    assert after.high / after.value == pytest.approx(before.high / before.value)


def test_a_price_that_the_replay_does_not_count_is_left_alone(host):
    assert settled(host, {"copy.ns_per_byte": 5.0}) == host
