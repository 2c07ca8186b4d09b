"""Prices measured once on a machine, for its recordings that had no occasion to show them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from zcanalysis.cpu.intervals import SEED
from zcanalysis.errors import TraceError
from zcanalysis.framing import IPV4_TCP_TIMESTAMPS_BYTES
from zcanalysis.hosts import Host, Price
from zcanalysis.hosts.drawing import drawn_values
from zcanalysis.io.host_facts import HostFacts
from zcanalysis.prices.calibration import Calibration

FEWEST_DRAWS: Final = 200
UNITS: Final = {
    "interrupt.send_ns": "signal", "interrupt.receive_ns": "signal", "interrupt.idle_ns": "idle exit",
    "driver.packet_ns": "packet", "gro.packet_ns": "packet", "softirq.run_ns": "run", "softirq.handover_ns": "skb",
    "checksum.ns_per_byte": "byte", "reader.wake_ns": "wake", "reader.schedule_ns": "wake",
}  # fmt: skip
"""Prices that can be calibrated, and what each is paid for."""


class MachinePrice(NamedTuple):
    """One price, and where it holds."""

    name: str
    """As in `Host.prices`: one of `UNITS`."""
    price: Price
    mtu: int | None = None
    """Of the transfer that it was measured in; None: it was no transfer."""


class CopyRate(NamedTuple):
    """What a byte costs to copy out of so much memory, gone through in turn."""

    kind: str
    """``user``: memcpy of a process. ``kernel``: read of a file in memory."""
    ring_bytes: int
    ns_per_byte: float
    low: float
    high: float


class LoadStep(NamedTuple):
    """One of the transfers that prices were taken from, while nothing of ours looked."""

    configuration: str
    mtu: int
    gbps: float
    packets_per_s: float
    interrupts_per_s: float
    """Between CPUs, to the reader's."""
    busy: dict[int, float]
    """Share of each CPU's time, by cpuidle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachinePrices:
    """What `zcanalysis lab calibrate` found on one machine under one kernel."""

    kernel: str
    cpu_model: str
    made: str
    """When, ISO 8601."""
    prices: tuple[MachinePrice, ...]
    checks: tuple[MachinePrice, ...] = ()
    """The same prices measured in another way; nothing uses them."""
    copies: tuple[CopyRate, ...] = ()
    loads: tuple[LoadStep, ...] = ()
    notes: tuple[str, ...] = ()
    """What could not be measured, and why."""

    def price(self, name: str, mtu: int) -> Price | None:
        """The price as measured nearest to an MTU; None where it was not.

        Parameters
        ----------
        name
            As in `Host.prices`.
        mtu
            Bytes of an IP packet.
        """
        found = [one for one in self.prices if one.name == name]
        return min(found, key=lambda one: abs((one.mtu or mtu) - mtu)).price if found else None


def require_same_machine(machine: MachinePrices, host: HostFacts) -> None:
    """Raise a `TraceError` unless a recording says that it is of that machine's kernel and CPU.

    Parameters
    ----------
    machine
        What was calibrated.
    host
        What the recording says.
    """
    for what, of_machine, of_host in (
        ("kernel", machine.kernel, host.kernel), ("CPU", machine.cpu_model, host.cpu_model),
    ):  # fmt: skip
        if of_host is None:
            raise TraceError(f"the recording does not say its {what}: no calibration can be known to be of its machine")
        if of_machine != of_host:
            raise TraceError(f"the calibration is of {what} {of_machine!r}, the recording of {of_host!r}")


def with_calibrated(calibration: Calibration, machine: MachinePrices) -> Calibration:
    """The host of a recording, with what it only assumes replaced by what was measured on its machine.

    Parameters
    ----------
    calibration
        Of a recording. What it measured stays: nothing is nearer to the truth of it.
    machine
        Of the same machine; `require_same_machine` says so.

    Notes
    -----
    Replaced prices are drawn from their own intervals, each for itself, beside the recording's resampled ones.
    """
    mtu = calibration.host.link.mss_bytes + IPV4_TCP_TIMESTAMPS_BYTES
    found = {
        name: known
        for name, price in calibration.host.prices().items()
        if price.origin == "assumed" and (known := machine.price(name, mtu)) is not None
    }
    if not found:
        return calibration
    rng = np.random.default_rng(SEED)
    draws = calibration.draws if calibration.drawn else np.zeros((FEWEST_DRAWS, 0))
    columns = [drawn_values(price, rng, len(draws)) for price in found.values()]
    return replace(
        calibration,
        host=calibration.host.with_prices(found),
        prices=_replaced(calibration.prices, found.items()),
        draws=np.column_stack([draws, *columns]),
        drawn=(*calibration.drawn, *found),
    )


def calibrated_names(host: Host) -> tuple[str, ...]:
    """Its prices that were measured on this machine, but not in this recording.

    Parameters
    ----------
    host
        Any.
    """
    return tuple(name for name, price in host.prices().items() if price.origin == "calibrated")


def _replaced(table: pl.DataFrame, found: Iterable[tuple[str, Price]]) -> pl.DataFrame:
    """The PRICES table with other rows for some prices."""
    new = pl.DataFrame(
        [(name, price.value, price.low, price.high, price.origin, price.source) for name, price in found],
        schema={"price": pl.String, "value": pl.Float64, "low": pl.Float64, "high": pl.Float64,
                "origin": pl.String, "source": pl.String},
        orient="row",
    )  # fmt: skip
    return table.update(new, on="price", how="left", maintain_order="left")
