"""What each patch does to a host: by hand on a preset, and the laws that every patch keeps."""

import pytest

from zcanalysis.errors import ImpossibleHostError
from zcanalysis.hosts import preset
from zcanalysis.patched import EFFECTS, Known, is_priced, patched, without_stage
from zcanalysis.patches import CATALOGUE, parse_patch
from zcanalysis.transfers import transfers

KNOWN = Known({"copy.ns_per_byte": {"copy": 0.9, "page_memory": 0.1}}, 0.5, 0)
MODERN = preset("modern")


def after(*texts):
    return patched(MODERN, [parse_patch(text) for text in texts], KNOWN)


def test_a_larger_mtu_makes_larger_segments_and_changes_no_price():
    host = after("mtu=9000")
    assert host.link.mss_bytes == 8948
    assert host.prices() == MODERN.prices()


def test_a_buffer_too_small_for_a_segment_cannot_be():
    with pytest.raises(ImpossibleHostError, match="must hold a segment"):
        patched(MODERN, [parse_patch("rcvbuf=4096")], KNOWN._replace(window_share=0.1))


def test_a_buffer_is_worth_its_share_as_window():
    assert after("rcvbuf=1000000").socket.window_bytes == 500_000


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
