"""Which resource limits a relay, worked by hand."""

from dataclasses import replace

import numpy as np
import pytest

from zcanalysis.model.memory_bus import Crossings
from zcanalysis.model.relay import BUFFERS, DESIGNS, RESOURCES, Machines, design_crossings, relay_rates

COLD, WARM = dict.fromkeys(BUFFERS, False), dict.fromkeys(BUFFERS, True)


def machines(**given: float) -> Machines:
    plain = {
        "cpus": 1, "front_side_gbps": 4, "memory_gbps": 4, "pci_gbps": 2, "link_gbps": 1, "miss_ns_per_byte": 2,
        "pass_ns_per_byte": 0.5, "packet_ns": 1000, "payload_bytes": 1000, "message_bytes": 8192, "message_ns": 4096,
        "page_ns": 0, "flush_ns": 0, "kept_received": 0, "kept_program": 0, "kept_sent": 0,
    }  # fmt: skip
    return Machines(**{name: np.array([float(value)]) for name, value in (plain | given).items()})


@pytest.mark.parametrize(
    ("design", "cold", "warm"),
    [
        # in 1; sum 1; copy: read 1, fetch 1, back 1; copy: read 1, fetch 1, back 1; out 1
        ("copied, summed apart", Crossings(9, 7, 2, 5), Crossings(3, 2, 2, 1)),
        ("copied, summed meanwhile", Crossings(8, 6, 2, 4), Crossings(3, 2, 2, 1)),
        ("pinned, summed twice", Crossings(4, 2, 2, 2), Crossings(3, 1, 2, 1)),
        ("pinned, sum carried", Crossings(3, 1, 2, 1), Crossings(3, 1, 2, 1)),
        ("pinned, never read", Crossings(2, 0, 2, 0), Crossings(2, 0, 2, 0)),
    ],
)
def test_the_crossings_of_each_design(design, cold, warm):
    assert design_crossings(DESIGNS[design], COLD) == cold
    assert design_crossings(DESIGNS[design], WARM) == warm


def test_mapping_pages_crosses_what_pinning_does():
    for sums in ("summed twice", "sum carried"):
        for kept in (COLD, WARM):
            mapped, pinned = (DESIGNS[f"{how}, {sums}"] for how in ("pages mapped", "pinned"))
            assert design_crossings(mapped, kept) == design_crossings(pinned, kept)


def test_each_resource_by_hand():
    # a byte: 4 lines waited for x 2 ns, 2 passes x 0.5, 1000 ns / 1000 bytes, 4096 / 8192: 8 + 1 + 1 + 0.5 = 10.5 ns
    rates = relay_rates(DESIGNS["copied, summed meanwhile"], machines())
    assert rates.gbps[:, 0] == pytest.approx([8 / 10.5, 4 / 6, 4 / 8, 2 / 2, 1])
    assert RESOURCES[int(rates.limit()[0])] == "memory"
    assert rates.carried_gbps() == pytest.approx([0.5])
    assert rates.waiting_share == pytest.approx([8 / 10.5])


def test_a_cpu_that_reads_nothing_does_not_use_its_bus():
    rates = relay_rates(DESIGNS["pinned, never read"], machines())
    assert rates.gbps[1, 0] == np.inf
    # 1 + 0.5 ns a byte; 4 / 2 of memory; 2 / 2 of PCI; 1: the last two are even, the first of them is named
    assert rates.carried_gbps() == pytest.approx([1.0])
    assert RESOURCES[int(rates.limit()[0])] == "PCI"


@pytest.mark.parametrize(("payload", "pages"), [(1000, 9), (4096, 3), (9000, 3)])
def test_mapping_costs_by_page_and_by_flush(payload, pages):
    # a message of 9,000 bytes in packets of 1,000 is on 9 pages, in whole pages on 3: 2,700 ns of flush are 0.3 a byte
    given = {"message_bytes": 9000, "payload_bytes": payload, "page_ns": 600, "flush_ns": 2700}
    pinned, mapped = (
        8 / relay_rates(DESIGNS[f"{how}, sum carried"], machines(**given)).gbps[0] for how in ("pinned", "pages mapped")
    )
    assert mapped - pinned == pytest.approx([pages * 600 / 9000 + 0.3])


def test_what_half_stays_in_the_cache_crosses_half_way():
    # the program's buffer: 3 crossings of memory or none; 8 - 3 / 2 = 6.5
    rates = relay_rates(DESIGNS["copied, summed meanwhile"], machines(kept_program=0.5))
    assert rates.gbps[2] == pytest.approx([4 / 6.5])


def test_two_cpus_do_twice_the_work_over_the_same_bus():
    one, two = (relay_rates(DESIGNS["pinned, sum carried"], machines(cpus=cpus)).gbps for cpus in (1, 2))
    assert two[0] == pytest.approx(2 * one[0])
    assert two[1:] == pytest.approx(one[1:])


def test_a_negative_price_is_refused():
    with pytest.raises(ValueError, match="packet_ns must be >= 0"):
        replace(machines(), packet_ns=np.array([-1.0]))
