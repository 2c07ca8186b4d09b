"""Prices from transfers at several loads, by hand."""

import numpy as np
import pytest

from zcanalysis.lab.steps import (
    MERGED,
    STEERED,
    STEP_PRICES,
    STRETCHES,
    UNSUMMED,
    Load,
    Step,
    batch_price,
    pooled,
    step_of,
    step_prices,
)
from zcanalysis.prices.charges import charged
from zcanalysis.prices.machine import UNITS

FLAT = np.full(STRETCHES, 100.0)
NONE = np.zeros(STRETCHES)


def step(configuration=STEERED, mtu=1500, load=None, samples=20, used=None, foreign=0.0, **spent):
    names = {asked.name: spent.get(asked.name.replace(".", "_"), NONE) for asked in STEP_PRICES}
    counts = {name: samples if times.any() else 0 for name, times in names.items()}
    load = load or Load(1e5, 1e3, {0: 1e8, 1: 5e8})
    return Step(configuration, mtu, 1.0, foreign, load, names, counts, used or {"packet": 10.0})


def test_all_time_is_divided_by_all_uses():
    # 1000 ns for 10 packets at one load, 3000 ns for 20 at another: 4000 / 30, between 100 and 150
    price = pooled([FLAT, 3 * FLAT], [10.0, 20.0], "how")
    assert price.value == pytest.approx(4000 / 30)
    assert (price.low, price.high) == (100, 150)
    assert (price.origin, price.source) == ("calibrated", "how")


def test_uneven_stretches_widen_the_interval():
    even, uneven = pooled([FLAT], [10.0], ""), pooled([FLAT * np.tile([0, 2], STRETCHES // 2)], [10.0], "")
    assert even.low == even.high == even.value == uneven.value == 100
    assert uneven.low < 70
    assert uneven.high > 130


def test_a_price_is_taken_from_its_own_configuration_and_mtu():
    steps = [
        step(MERGED, gro_packet_ns=FLAT), step(MERGED, 9000, gro_packet_ns=9 * FLAT), step(STEERED, gro_packet_ns=FLAT),
        step(UNSUMMED, used={"byte": 1000.0}, checksum_ns_per_byte=FLAT),
        step(STEERED, used={"signal": 5.0}, interrupt_send_ns=FLAT),
    ]  # fmt: skip
    prices, checks, notes = step_prices(steps, 1500)
    assert {one.name: one.price.value for one in prices} == {"gro.packet_ns": 100.0, "checksum.ns_per_byte": 1.0}
    assert [(one.name, one.price.value) for one in checks] == [("interrupt.send_ns", 200.0)]
    assert {one.mtu for one in (*prices, *checks)} == {1500}
    assert {one.name: one.price.value for one in step_prices(steps, 9000)[0]} == {"gro.packet_ns": 900.0}
    assert {note.partition(":")[0] for note in notes} == {
        "driver.packet_ns", "softirq.handover_ns", "softirq.run_ns", "interrupt.receive_ns",
    }  # fmt: skip


def test_few_samples_make_no_price():
    few = [step(MERGED, samples=9, gro_packet_ns=FLAT)]
    assert step_prices(few, 1500)[0] == []
    assert "gro.packet_ns: only 9 CPU samples of it at MTU 1500" in step_prices(few, 1500)[2]


def test_what_nobody_counted_makes_no_price():
    assert step_prices([step(MERGED, used={"skb": 3.0}, gro_packet_ns=FLAT)], 1500)[0] == []


def loads(*rates):
    # every packet takes 400 ns of CPU 1, every interrupt 5000
    return [step(load=Load(p, i, {0: 0.0, 1: 400 * p + 5000 * i})) for p, i in rates]


def test_busy_time_at_several_loads_tells_interrupts_from_packets():
    found = batch_price(loads((1e5, 2e4), (2e5, 2.5e4), (4e5, 1e4), (8e5, 3e3)), STEERED, 1500, 1)
    assert found.price.value == pytest.approx(5000)
    assert found.price.low <= 5000 <= found.price.high
    assert (found.name, found.mtu) == ("interrupt.receive_ns", 1500)


def test_two_loads_are_too_few_to_tell():
    assert batch_price(loads((1e5, 2e4), (2e5, 1e4)), STEERED, 1500, 1) is None
    assert batch_price(loads((1e5, 2e4), (2e5, 1e4), (3e5, 1e4)), MERGED, 1500, 1) is None
    assert batch_price(loads((1e5, 2e4), (2e5, 1e4), (3e5, 1e4)), STEERED, 1500, 7) is None


def test_every_price_of_steps_can_be_calibrated_and_is_charged():
    assert {asked.name for asked in STEP_PRICES} <= set(UNITS)


def test_a_shipped_recordings_figures_are_its_prices(shipped_answer):
    seen, host = shipped_answer.evidence, shipped_answer.model.calibration.host
    made = step_of(seen, STEERED, 1500, (0, 1))
    for name, unit in (("softirq.run_ns", "run"), ("interrupt.send_ns", "signal")):
        assert made.spent_ns[name].sum() / made.used[unit] == pytest.approx(host.prices()[name].value, rel=0.02)
    mine = charged(seen.stages).filter(STEP_PRICES[-1].belongs(0, 1))
    assert made.samples["interrupt.receive_ns"] == mine.height > 0
    assert made.load.packets == pytest.approx(made.gbps * 1e9 / 8 / 1448, rel=0.03)
    assert 0.9 < made.load.busy_ns[1] / 1e9 <= 1.0
    assert made.foreign_share < 0.05
