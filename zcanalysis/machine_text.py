"""Prices of a calibrated machine as a terminal shows them: a table of prices, one of copies, what could not be told."""

from collections.abc import Sequence
from typing import Final

from rich.table import Table

from zcanalysis.prices.machine import UNITS, CopyRate, MachinePrice, MachinePrices
from zcanalysis.terminal import emit, safe

KIB: Final = 1 << 10
CHECKS: Final = "the same measured in other ways; nothing uses these:"


def print_machine(machine: MachinePrices, kept: str | None) -> None:
    """Everything that was measured.

    Parameters
    ----------
    machine
        What was found, or kept.
    kept
        Where it is now; None where nowhere.
    """
    emit(f"[bold]{safe(machine.cpu_model)}[/bold], kernel {safe(machine.kernel)}, {safe(machine.made)}", "")
    emit(_prices(machine.prices))
    if machine.checks:
        emit("", CHECKS, _prices(machine.checks))
    if machine.copies:
        emit("", "copying a byte out of so much memory, gone through in turn:", _copies(machine.copies))
    for note in machine.notes:
        emit(f"note: {safe(note)}")
    if kept is not None:
        emit("", f"kept in {safe(kept)}; use: zcanalysis predict RECORDING --patch … --calibrated")


def _prices(prices: Sequence[MachinePrice]) -> Table:
    shown = Table(box=None, pad_edge=False)
    for name, justify in (("price", "left"), ("value", "right"), ("90 %", "right"), ("per", "left")):
        shown.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    shown.add_column("how measured", overflow="fold")
    for one in prices:
        price = one.price
        shown.add_row(
            safe(one.name), number_text(price.value), f"{number_text(price.low)}-{number_text(price.high)}",
            UNITS[one.name], safe(price.source),
        )  # fmt: skip
    return shown


def _copies(rates: Sequence[CopyRate]) -> Table:
    shown = Table(box=None, pad_edge=False)
    for name in ("KB", "memcpy, ns a byte", "90 %", "read of a file in memory", "90 %"):
        shown.add_column(name, justify="right", no_wrap=True)
    for ring in sorted({rate.ring_bytes for rate in rates}):
        cells = [str(ring // KIB)]
        for kind in ("user", "kernel"):
            found = [rate for rate in rates if (rate.kind, rate.ring_bytes) == (kind, ring)]
            cells += (
                [number_text(found[0].ns_per_byte), f"{found[0].low:.3g}-{found[0].high:.3g}"] if found else ["-"] * 2
            )
        shown.add_row(*cells)
    return shown


def _of(rate: CopyRate) -> list[str]:
    return [number_text(rate.ns_per_byte), f"{number_text(rate.low)}-{number_text(rate.high)}"]


def number_text(value: float) -> str:
    """Three digits, or whole nanoseconds.

    Examples
    --------
    >>> number_text(5231.62), number_text(0.05571), number_text(37.55)
    ('5232', '0.0557', '37.5')
    """
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits
