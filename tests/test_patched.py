"""What each patch does to a host: by hand on a preset, and the laws that every patch keeps."""

import pytest

from tests.hosts.examples import host_of_linux6
from zcanalysis.errors import ImpossibleHostError
from zcanalysis.hosts import Gro, Places, preset
from zcanalysis.patched import EFFECTS, Known, is_priced, patched, without_stage
from zcanalysis.patches import CATALOGUE, parse_patch
from zcanalysis.transfers import transfers

KNOWN = Known({"copy.ns_per_byte": {"copy": 0.9, "page_memory": 0.1}}, 0)
MODERN = preset("modern")


def after(*texts):
    return patched(MODERN, [parse_patch(text) for text in texts], KNOWN)


def test_a_larger_mtu_makes_larger_segments_and_changes_no_price():
    host = after("mtu=9000")
    assert host.link.mss_bytes == 8948
    assert host.prices() == MODERN.prices()


def test_a_buffer_too_small_for_a_segment_cannot_be():
    with pytest.raises(ImpossibleHostError, match="must hold a segment"):
        after("mtu=9000", "rcvbuf=4096")


def window_over_buffer(*texts):
    return after(*texts, "rcvbuf=1000000").socket.window_bytes / 1_000_000


def test_a_buffer_holds_less_window_the_smaller_its_packets_are_and_merged_ones_hold_more():
    # rcv_ssthresh over rcvbuf of recordings with a buffer that grew: 20376479 / 32201453, 30667663 / 33554432,
    # 16240399 / 18155206, 32502794 / 33554432
    assert window_over_buffer("gro=off", "mtu=1500") == pytest.approx(0.633, abs=0.01)
    assert window_over_buffer("gro=off", "mtu=9000") == pytest.approx(0.914, abs=0.01)
    assert window_over_buffer("gro=on", "mtu=1500") == pytest.approx(0.895, abs=0.01)
    assert window_over_buffer("gro=on", "mtu=9000") == pytest.approx(0.969, abs=0.015)


@pytest.mark.parametrize("texts", [("mtu=9000",), ("gro=off",), ("gro=off", "mtu=9000")])
def test_a_given_buffer_is_worth_another_window_whichever_patch_comes_first(texts):
    first = after("rcvbuf=1000000", *texts).socket.window_bytes
    assert first == pytest.approx(after(*texts, "rcvbuf=1000000").socket.window_bytes, abs=2)


def test_three_quarters_of_an_old_kernel_s_buffer_are_window():
    host = patched(preset("host_2002"), [parse_patch("rcvbuf=65536")], KNOWN)
    assert host.socket.window_bytes == 49_152


def test_a_copy_speed_is_eight_bits_over_it():
    assert after("copy-gbps=40").copy.ns_per_byte.value == pytest.approx(0.2)


def test_a_stage_takes_its_part_of_a_price_along():
    host = without_stage(MODERN, "copy", KNOWN.parts)
    assert host.copy.ns_per_byte.value == pytest.approx(0.1 * MODERN.copy.ns_per_byte.value)
    assert after("speedup:copy=50").copy.ns_per_byte.value == pytest.approx(0.55 * MODERN.copy.ns_per_byte.value)


def test_twice_the_clock_halves_every_price_but_sizes_of_the_link():
    host = after("cpu-speed=2")
    for name, price in MODERN.prices().items():
        same = name.startswith(("link.", "nic."))
        assert host.prices()[name].value == pytest.approx(price.value / (1 if same else 2))


def test_every_priced_patch_is_in_the_catalogue_and_leaves_the_host_it_was_given():
    assert set(EFFECTS) <= set(CATALOGUE)
    before = MODERN.prices()
    after("mtu=9000", "rps=1", "competing-load=2", "cpu-speed=3")
    assert MODERN.prices() == before


def test_a_patch_without_a_price_changes_nothing():
    patch = parse_patch("ring=4096")
    assert not is_priced(patch)
    assert patched(MODERN, [patch], KNOWN) is MODERN


def test_the_same_clock_is_no_change():
    assert transfers([after("cpu-speed=1")], 500).elapsed_ns.tolist() == transfers([MODERN], 500).elapsed_ns.tolist()


def sent_from_here(driver_cpu=None):
    places = Places(sender_cpu=0, driver_cpu=driver_cpu, protocol_cpu=0, reader_cpu=1, follows_sender=True)
    return host_of_linux6(gro=Gro(packet_ns=MODERN.gro.packet_ns), places=places)


@pytest.mark.parametrize("texts", [("rps=1",), ("rfs=on",)])
def test_packets_that_are_handed_to_a_cpu_stay_no_longer_where_they_are_sent_from(texts):
    places = patched(sent_from_here(), [parse_patch(text) for text in texts], KNOWN).places
    assert (places.protocol_cpu, places.follows_sender) == (1, False)
    undone = patched(sent_from_here(), [parse_patch("rps=1"), parse_patch("rps=off")], KNOWN).places
    assert (undone.protocol_cpu, undone.follows_sender) == (0, True)


def test_a_poll_is_where_packets_are_sent_from_whatever_is_done_with_them_then():
    places = patched(sent_from_here(driver_cpu=0), [parse_patch("rps=1")], KNOWN).places
    assert (places.protocol_cpu, places.follows_sender) == (1, True)
