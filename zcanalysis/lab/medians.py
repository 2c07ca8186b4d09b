"""What a few repeats say: their median, and where it would have come out with others."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from zcanalysis.cpu.intervals import DRAWS, HIGH_QUANTILE, LOW_QUANTILE, SEED
from zcanalysis.hosts import Price

FEWEST: Final = 3


def median_price(rounds: Sequence[Sequence[float]], source: str) -> Price:
    """The median over all values of all rounds, with the 5 and 95 % bounds of it under redrawn rounds.

    Parameters
    ----------
    rounds
        At least one, each with at least one value; below 0 counts as 0. A round's values are drawn together: what
        disturbed one disturbed all.
    source
        How it was measured.

    Examples
    --------
    >>> median_price([[7.0]], "once")
    Price(value=7.0, low=7.0, high=7.0, origin='calibrated', source='once')
    """
    rng = np.random.default_rng(SEED)
    chosen = rng.integers(0, len(rounds), (DRAWS, len(rounds)))
    medians = [float(np.median(np.concatenate([rounds[at] for at in row]))) for row in chosen]
    value = float(np.median(np.concatenate(rounds)))
    low, high = np.quantile(medians, [LOW_QUANTILE, HIGH_QUANTILE])
    return Price(max(value, 0.0), max(min(low, value), 0.0), max(high, value, 0.0), "calibrated", source)
