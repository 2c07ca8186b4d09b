from importlib.resources import files

import pytest

from zcanalysis.errors import ImpossibleHostError
from zcanalysis.hosts import PRESETS, host_text, parse_host, preset, read_host, write_host
from zcanalysis.hosts.replayed import linux6, linux24
from zcanalysis.model import linux6 as model6
from zcanalysis.model import linux24 as model24

PACKETS = 2000


def received_gbps(*hosts):
    if hosts[0].generation == "linux-6":
        replay = model6.replay([linux6(host) for host in hosts], PACKETS)
        assert not replay.counts["overflows"].any()
    else:
        replay = model24.replay([linux24(host) for host in hosts], PACKETS)
    return [
        8 * PACKETS * host.link.mss_bytes / elapsed_ns
        for host, elapsed_ns in zip(hosts, replay.elapsed_ns.tolist(), strict=True)
    ]


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_goes_to_a_file_and_back(name, tmp_path):
    write_host(preset(name), tmp_path / "host.toml")
    assert read_host(tmp_path / "host.toml") == preset(name)
    assert preset(name).name == name
    shipped = (files("zcanalysis.hosts") / "presets" / f"{name}.toml").read_text(encoding="utf-8")
    assert host_text(parse_host(shipped)) == shipped


@pytest.mark.parametrize("name", PRESETS)
def test_every_price_of_a_preset_says_where_it_is_from_and_none_claims_to_be_measured(name):
    for price in preset(name).prices().values():
        assert price.source
        assert price.origin in ("published", "assumed")


def test_there_is_a_file_for_every_name_and_no_other():
    folder = files("zcanalysis.hosts") / "presets"
    assert {file.name for file in folder.iterdir()} == {f"{name}.toml" for name in PRESETS}
    with pytest.raises(ImpossibleHostError, match="no preset 'lab_veth', there are modern, host_2002, quadrics_elan3"):
        preset("lab_veth")


def test_quadrics_receives_what_was_published_because_its_driver_is_fitted_to_it_and_says_so():
    host = preset("quadrics_elan3")
    assert received_gbps(host) == [pytest.approx(0.9, abs=0.01)]
    driver = host.driver.packet_ns
    assert driver is not None
    assert (driver.origin, driver.source.startswith("fitted to the published 0.9 Gbit/s")) == ("assumed", True)
    assert "fitted" in host.about


def test_quadrics_with_a_cheap_driver_receives_what_is_sent():
    host = preset("quadrics_elan3").with_price("driver.packet_ns", 1500)
    # 8 / 5.714 ns a byte; the sender is the limit, so a free link changes nothing
    assert received_gbps(host, host.changed("link.gbps", None)) == [pytest.approx(1.4, abs=0.01)] * 2


def test_the_host_of_2002_fills_its_gigabit():
    # 1448 of 1538 bytes are payload
    assert received_gbps(preset("host_2002")) == [pytest.approx(1448 / 1538, abs=0.003)]


def test_the_modern_host_receives_about_what_its_prices_were_published_with():
    assert received_gbps(preset("modern")) == [pytest.approx(26.59, rel=0.1)]
