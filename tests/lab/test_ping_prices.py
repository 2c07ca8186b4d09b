"""Prices from rounds of pings, by hand; rounds that did something else are left out, and that is said."""

import pytest

from zcanalysis.lab.copies import CopyRound
from zcanalysis.lab.medians import median_price
from zcanalysis.lab.ping_prices import copy_rates, ping_prices
from zcanalysis.lab.pings import PingRound, Woken
from zcanalysis.prices.machine import UNITS

IDLE = Woken(write_ns=7000, latency_ns=20_000, interrupts=1.0, idle_exits=1.0)
BUSY = Woken(write_ns=6000, latency_ns=11_000, interrupts=1.0, idle_exits=0.0)
ROUND = PingRound(
    gap_ns=20_000, write_ns=300, read_ns=310, same_cpu_write_ns=900, switch_ns=1700, overtaken=0.0,
    to_idle=IDLE, to_busy=BUSY, lost_ns=5000, lost_interrupts=1.0,
)  # fmt: skip


def values(rounds):
    return {one.name: one.price.value for one in ping_prices(rounds)[0]}


def test_each_price_is_a_difference_of_two_pings():
    # waking costs 900 - 300; asking another CPU 7000 - 900 or 6000 - 900, in the middle 5600;
    # leaving idle 20000 - 11000; what ran lost 5000; switching 1700, of which the read is 310
    assert values([ROUND] * 3) == {
        "interrupt.send_ns": 5600, "interrupt.receive_ns": 5000, "interrupt.idle_ns": 9000,
        "reader.wake_ns": 600, "reader.schedule_ns": 1390,
    }  # fmt: skip


def test_interrupts_that_never_came_are_not_divided_by():
    assert values([ROUND._replace(lost_interrupts=0.95, lost_ns=4750)] * 3)["interrupt.receive_ns"] == pytest.approx(
        5000
    )


@pytest.mark.parametrize(
    ("changed", "absent"),
    [
        ({"to_idle": IDLE._replace(idle_exits=0.1)}, {"interrupt.send_ns", "interrupt.idle_ns"}),
        ({"to_idle": IDLE._replace(interrupts=0.1)}, {"interrupt.send_ns", "interrupt.idle_ns"}),
        ({"to_busy": BUSY._replace(idle_exits=0.5)}, {"interrupt.send_ns", "interrupt.idle_ns"}),
        ({"overtaken": 0.5}, {"interrupt.send_ns", "reader.wake_ns", "reader.schedule_ns"}),
        ({"lost_interrupts": 0.5}, {"interrupt.receive_ns"}),
    ],
)
def test_rounds_that_exercised_something_else_price_nothing(changed, absent):
    prices, notes = ping_prices([ROUND._replace(**changed)] * 9 + [ROUND] * 2)
    assert {one.name for one in prices} == {"interrupt.send_ns", "interrupt.receive_ns", "interrupt.idle_ns",
                                            "reader.wake_ns", "reader.schedule_ns"} - absent  # fmt: skip
    assert {note.partition(":")[0] for note in notes} == absent
    assert all("only 2 of 11 rounds" in note for note in notes)


def test_one_bad_round_of_four_is_not_seen():
    odd = ROUND._replace(to_idle=IDLE._replace(idle_exits=0, write_ns=900_000))
    prices, notes = ping_prices([odd, *[ROUND] * 3])
    assert values([odd, *[ROUND] * 3])["interrupt.send_ns"] == 5600
    assert notes == []
    assert all(one.name in UNITS and one.price.origin == "calibrated" and one.mtu is None for one in prices)


def test_the_interval_is_that_of_the_median_over_rounds():
    # three rounds: their median is drawn as the smallest in 7 of 27 cases, as the largest in as many
    price = median_price([[1.0], [2.0], [9.0]], "")
    assert (price.low, price.value, price.high) == (1.0, 2.0, 9.0)
    many = median_price([[float(value)] for value in range(101)], "")
    assert many.value == 50
    assert 35 < many.low < 47
    assert 53 < many.high < 65


def test_what_comes_out_below_nothing_is_nothing():
    price = median_price([[-5.0], [-1.0], [3.0]], "")
    assert (price.low, price.value) == (0.0, 0.0)


def test_copies_are_told_apart_by_kind_and_ring():
    rounds = [CopyRound(kind, ring, cost) for kind, ring, cost in (
        ("user", 64, 0.1), ("user", 64, 0.3), ("user", 64, 0.2), ("kernel", 64, 0.5), ("user", 128, 0.9),
    )]  # fmt: skip
    found = [(rate.kind, rate.ring_bytes, rate.ns_per_byte) for rate in copy_rates(rounds)]
    assert found == [("kernel", 64, 0.5), ("user", 64, 0.2), ("user", 128, 0.9)]
