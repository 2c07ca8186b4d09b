"""Calibrated machines for tests: round numbers, of nobody."""

from zcanalysis.hosts import Price
from zcanalysis.prices.machine import CopyRate, LoadStep, MachinePrice, MachinePrices

KERNEL = "6.18.44-fc-v669"
CPU = "AMD EPYC"


def price(name, value, mtu=None, low=None, high=None):
    bounds = (value / 2 if low is None else low, value * 2 if high is None else high)
    return MachinePrice(name, Price(value, *bounds, "calibrated", f"{name} of a test"), mtu)


def machine(*prices, kernel=KERNEL, cpu_model=CPU):
    return MachinePrices(
        kernel=kernel,
        cpu_model=cpu_model,
        made="2026-11-21T15:00:00+00:00",
        prices=prices or (price("interrupt.idle_ns", 10_000.0), price("gro.packet_ns", 120.0, 1500)),
        copies=(CopyRate("kernel", 65_536, 0.05, 0.04, 0.06),),
        loads=(LoadStep("steered", 1500, 9.5, 800_000.0, 3000.0, {0: 0.5, 1: 1.0}),),
        notes=("checksum.ns_per_byte: too few samples",),
    )
