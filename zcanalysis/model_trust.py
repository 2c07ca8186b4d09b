"""Can the calibrated host be trusted? What its prices rest on, and how near its replay comes to what was measured."""

import math
from typing import Final

import polars as pl

from zcanalysis.modelled import Basis
from zcanalysis.tables import AUDIT, conform, empty

NEAR: Final = 0.15
FAR: Final = 0.4
MOST_NAMED: Final = 4


def model_audit(model: Basis | str) -> pl.DataFrame:
    """AUDIT rows on the calibrated host; one row that says why there is none.

    Parameters
    ----------
    model
        The host, or why there is none.
    """
    if isinstance(model, str):
        return empty(AUDIT)
    rows = [_fit(model), *_undetermined(model)]
    return conform(pl.DataFrame(rows, schema=list(AUDIT), orient="row"), AUDIT)


def _fit(model: Basis) -> tuple[str, str, str, str]:
    off = abs(math.log(model.fit))
    verdict = "ok" if off <= math.log1p(NEAR) else "warn" if off <= math.log1p(FAR) else "bad"
    replayed = model.fit * model.goodput.gbps
    why = "predictions are ratios of replays, so that what is wrong before and after alike cancels"
    return ("replay without patches", verdict, f"{replayed:.1f} of {model.goodput.gbps:.1f} Gbit/s measured", why)


def _undetermined(model: Basis) -> list[tuple[str, str, str, str]]:
    """Prices that this recording cannot tell apart: they keep the width of what was thought before looking."""
    prices = model.calibration.prices
    split = prices.filter(pl.col("determined") == False)  # noqa: E712 - null is not false here
    if split.is_empty():
        return []
    names = split.get_column("price").to_list()
    shown = ", ".join(names[:MOST_NAMED]) + (", …" if len(names) > MOST_NAMED else "")
    condition = float(split.get_column("condition").max())  # type: ignore[arg-type]
    text = f"condition number {condition:.0e}" if math.isfinite(condition) else "they always go together"
    return [(
        "prices told apart by function only", "ok", shown,
        f"{text}: the windows have the same mix, so the split keeps its prior's width",
    )]  # fmt: skip
