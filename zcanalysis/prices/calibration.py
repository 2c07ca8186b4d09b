"""From a recording to a host: every price with its interval, and what the recording could not tell."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from zcanalysis.blame import LimitingCpu
from zcanalysis.cpu.intervals import HIGH_QUANTILE, LOW_QUANTILE, SEED, STRETCHES, drawn_sums
from zcanalysis.errors import TraceError
from zcanalysis.evidence import Evidence
from zcanalysis.goodput import Ceiling
from zcanalysis.hosts import Host, Price
from zcanalysis.prices.charges import CHARGES, Charge, charged
from zcanalysis.prices.fit import Fit, fitted
from zcanalysis.prices.places import places, receiving_cpus
from zcanalysis.prices.settings import host_of, shape_of
from zcanalysis.prices.settling import settled
from zcanalysis.prices.uses import Uses, uses
from zcanalysis.tables import PRICES, conform

Floats = npt.NDArray[np.float64]

MEASURED: Final = "CPU samples over counted uses"
BY_PRIOR: Final = "the windows do not tell its parts apart: split by function, half as wide again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A host as a recording shows it."""

    host: Host
    prices: pl.DataFrame
    """The PRICES table."""
    draws: Floats
    """Shape (draws, prices), in the order of `drawn`: prices resampled together, so that they stay correlated."""
    drawn: tuple[str, ...]
    spent_ns: dict[str, float]
    """CPU time behind each measured price."""
    parts: dict[str, dict[str, float]]
    """What part of each price is which stage of `STAGES`; the parts of a price sum to 1."""

    def hosts(self, draws: int) -> list[Host]:
        """So many of the resampled hosts, the first ones."""
        rows = self.draws[: min(draws, len(self.draws))]
        known = self.host.prices()
        return [
            self.host.with_prices(
                {name: known[name].at(float(value)) for name, value in zip(self.drawn, row, strict=True)}
            )
            for row in rows
        ]


def calibration(seen: Evidence, top: Ceiling, limit: LimitingCpu | None) -> Calibration:
    """The host of a recording.

    Parameters
    ----------
    seen
        Gathered from the recording.
    top
        Whose link the host's is.
    limit
        The CPU that the report names; where none is full, an unseen sender is what holds the goodput.

    Raises
    ------
    TraceError
        If there are no CPU samples, or no counters of the same time: then nothing has a price.
    """
    recording = seen.recording
    if seen.stages.is_empty():
        raise TraceError(f"{recording.path}: no CPU samples, so no stage has a price; record with perf, or give --perf")
    if seen.sampled is None or not seen.sampled.packets:
        raise TraceError(f"{recording.path}: no counters of the sampled time, so no stage has a price; use record")
    where, shape = places(seen), shape_of(seen)
    counted = uses(seen, shape, where.reader_cpu)
    samples = charged(seen.stages, receiving_cpus(seen, where))
    found = [_charge(charge, samples, counted) for charge in CHARGES]
    fits = [one for one in found if one is not None]
    names = tuple(dict.fromkeys(name for fit in fits for name in fit.names))
    values = {name: sum(fit.value(name) for fit in fits) for name in names}
    draws = _draws(fits, names)
    prices = {
        name: Price(values[name], *_bounds(draws[:, at], values[name]), "measured", _source(name, fits))
        for at, name in enumerate(names)
    }
    host = host_of(seen, where, shape, prices, held=limit is None or not limit.saturated, top=top)
    spent_ns = {name: sum(fit.ns(name) for fit in fits) for name in names}
    kept = [at for at, name in enumerate(names) if name in host.prices() and host.prices()[name] is prices[name]]
    payload_bytes = max(counted.total("byte"), 1.0)
    before = host.prices()
    host = settled(host, {names[at]: spent_ns[names[at]] / payload_bytes for at in kept})
    after = host.prices()
    draws *= [after[name].value / before[name].value if name in after and before[name].value else 1.0 for name in names]
    return Calibration(
        host=host,
        prices=_table(host, fits, counted),
        draws=draws[:, kept],
        drawn=tuple(names[at] for at in kept),
        spent_ns=spent_ns,
        parts={name: _parts(name, fits, samples) for name in names},
    )


@dataclass(frozen=True, slots=True)
class _Charged:
    """One charge of this recording."""

    charge: Charge
    names: tuple[str, ...]
    fit: Fit
    units: tuple[str, ...]
    totals: Floats
    """Uses of each price."""
    by_stretch: Floats
    """Nanoseconds of each stretch of time, for resampling."""

    def value(self, name: str) -> float:
        return float(self.fit.prices[self.names.index(name)]) if name in self.names else 0.0

    def ns(self, name: str) -> float:
        """Time that the price takes in this charge."""
        return self.value(name) * float(self.totals[self.names.index(name)]) if name in self.names else 0.0


def _charge(charge: Charge, samples: pl.DataFrame, counted: Uses) -> _Charged | None:
    """None where nobody spent such time, or nobody counted what for."""
    mine = samples.filter(pl.col("charge") == charge.name)
    prices = [price for price in charge.prices if price[1] in counted.counts]
    if mine.is_empty() or not prices:
        return None
    columns = np.column_stack([counted.counts[unit] for _, unit, _ in prices])
    shares = np.array([thought for _, _, thought in prices]) * columns.sum(axis=0)
    fit = fitted(_by_window(mine, samples, counted), columns, shares / shares.sum())
    names, units = tuple(name for name, _, _ in prices), tuple(unit for _, unit, _ in prices)
    return _Charged(charge, names, fit, units, columns.sum(axis=0), _by_stretch(mine, samples))


def _by_window(mine: pl.DataFrame, samples: pl.DataFrame, counted: Uses) -> Floats:
    """Nanoseconds in each counted window: the samples' own time runs through all windows without pauses."""
    ends = np.cumsum(counted.seconds) * 1e9
    first_ns = float(samples.get_column("at_ns").min() or 0)  # type: ignore[arg-type]
    at = np.searchsorted(ends[:-1], mine.get_column("at_ns").to_numpy() - first_ns, side="right")
    return _sums(at, mine, len(ends))


def _by_stretch(mine: pl.DataFrame, samples: pl.DataFrame) -> Floats:
    times = samples.get_column("at_ns").to_numpy()
    first_ns, span_ns = int(times.min()), int(times.max() - times.min()) + 1
    at = (mine.get_column("at_ns").to_numpy() - first_ns) * STRETCHES // span_ns
    return _sums(at, mine, STRETCHES)


def _sums(at: npt.NDArray[np.int64], mine: pl.DataFrame, bins: int) -> Floats:
    weights = mine.get_column("weight_ns").to_numpy().astype(np.float64)
    return np.bincount(at, weights, bins).astype(np.float64)


def _draws(fits: list[_Charged], names: tuple[str, ...]) -> Floats:
    """Prices under resampled time; where a charge has several, its split is drawn too, within the fit's spread."""
    sums = drawn_sums(np.column_stack([fit.by_stretch for fit in fits]))
    rng = np.random.default_rng(SEED)
    drawn = np.zeros((len(sums), len(names)))
    for column, fit in enumerate(fits):
        scale = sums[:, column] / max(fit.by_stretch.sum(), 1.0)
        parts = np.outer(scale, fit.fit.prices * fit.totals)
        if len(fit.names) > 1:
            tilted = parts * np.exp(rng.standard_normal(parts.shape) * fit.fit.spread)
            parts = tilted * (parts.sum(axis=1) / np.maximum(tilted.sum(axis=1), 1e-9))[:, None]
        for at, name in enumerate(fit.names):
            drawn[:, names.index(name)] += parts[:, at] / fit.totals[at]
    return drawn


def _bounds(draws: Floats, value: float) -> tuple[float, float]:
    low, high = np.quantile(draws, [LOW_QUANTILE, HIGH_QUANTILE])
    return min(float(low), value), max(float(high), value)


def _source(name: str, fits: list[_Charged]) -> str:
    split = any(name in fit.names and fit.fit.rank < len(fit.names) for fit in fits)
    return BY_PRIOR if split else MEASURED


def _parts(name: str, fits: list[_Charged], samples: pl.DataFrame) -> dict[str, float]:
    """Stages of the samples behind a price, as shares of it."""
    parts: dict[str, float] = {}
    whole = sum(fit.ns(name) for fit in fits)
    for fit in fits:
        if not fit.ns(name) > 0 or not whole > 0:
            continue
        mine = samples.filter(pl.col("charge") == fit.charge.name)
        by_stage = mine.group_by("stage").agg(pl.col("weight_ns").sum()).sort("stage")
        total = float(by_stage.get_column("weight_ns").sum())
        for stage, ns in by_stage.iter_rows():
            parts[stage] = parts.get(stage, 0.0) + fit.ns(name) / whole * ns / total
    return parts


def _table(host: Host, fits: list[_Charged], counted: Uses) -> pl.DataFrame:
    """The PRICES table: one row a price of the host."""
    seconds = float(counted.seconds.sum())
    rows = []
    for name, price in host.prices().items():
        of = [fit for fit in fits if name in fit.names]
        unit = of[0].units[of[0].names.index(name)] if of else None
        rank = min((fit.fit.rank for fit in of), default=None)
        rows.append({
            "price": name, "value": price.value, "low": price.low, "high": price.high, "per": unit,
            "uses_per_s": counted.total(unit) / seconds if unit else None,
            "determined": None if rank is None else rank >= max(len(fit.names) for fit in of),
            "condition": max((fit.fit.condition for fit in of), default=None),
            "origin": price.origin, "source": price.source,
        })  # fmt: skip
    return conform(pl.DataFrame(rows, schema_overrides={"condition": pl.Float64}, infer_schema_length=None), PRICES)
