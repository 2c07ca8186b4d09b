"""Measure this machine, or reuse what was measured: once per kernel and CPU."""

from collections.abc import Callable, Sequence
from pathlib import Path

from zcanalysis.errors import HostError
from zcanalysis.lab.machine_prices import CalibrateOptions, calibrate_machine, machine_facts_of
from zcanalysis.prices.machine import MachinePrices
from zcanalysis.prices.machine_file import cache_file, read_machine_prices, write_machine_prices


def calibrated_machine(
    file: Path | None,
    mtus: Sequence[int],
    *,
    again: bool = False,
    on_progress: Callable[[str, float], None] = lambda what, share: None,
    measure: Callable[[CalibrateOptions], MachinePrices] = calibrate_machine,
) -> tuple[MachinePrices, Path]:
    """The prices of this machine, and the file that holds them.

    Parameters
    ----------
    file
        Where they are or go; None: the user's cache, by kernel and CPU.
    mtus
        Of the transfers; prices that are kept without one of these are measured anew.
    again
        Measure even if they are kept.
    on_progress
        Told what happens and the share that is done (0 to 1).
    measure
        What measures; tests bring their own.

    Raises
    ------
    HostError
        If this machine cannot be measured, or the file holds another's prices.
    TraceError
        If the file is there and no calibration.
    """
    kernel, cpu_model = machine_facts_of()
    place = cache_file(kernel, cpu_model) if file is None else file
    if place.exists() and not again:
        kept = read_machine_prices(place)
        if (kept.kernel, kept.cpu_model) != (kernel, cpu_model):
            raise HostError(f"{place}: is of kernel {kept.kernel!r} on {kept.cpu_model!r}; --again replaces it")
        if set(mtus) <= {one.mtu for one in kept.prices}:
            return kept, place
    machine = measure(CalibrateOptions(mtus=mtus, on_progress=on_progress))
    write_machine_prices(machine, place)
    return machine, place


def known_machine(file: Path | None) -> tuple[MachinePrices, Path] | None:
    """The prices of this machine, and the file that holds them, without measuring; None where none are kept.

    Parameters
    ----------
    file
        Where they are; None: the user's cache, where they may be absent.

    Raises
    ------
    HostError
        If the file holds another machine's prices.
    TraceError
        If a file is no calibration, or the one that is named is absent.
    """
    if file is None:
        try:
            place = cache_file(*machine_facts_of())
        except HostError:  # a machine without a name, or a user without a home, has nothing kept
            return None
        return (read_machine_prices(place), place) if place.exists() else None
    named, here = read_machine_prices(file), machine_facts_of()
    if (named.kernel, named.cpu_model) != here:
        raise HostError(f"{file}: is of kernel {named.kernel!r} on {named.cpu_model!r}, not of this machine")
    return named, file
