"""CPU time divided over what it was used for: non-negative least squares that says what it cannot tell apart."""

import math
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

Floats = npt.NDArray[np.float64]

PRIOR_SPREAD: Final = 0.5
"""Standard error of a price before looking, over the price: a guess at how far the division by function can be off."""
LEAST_NOISE: Final = 0.02


class Fit(NamedTuple):
    """Prices of one kind of time."""

    prices: Floats
    """Shape (prices,). Time of one use."""
    rank: int
    """How many prices the windows alone determine."""
    condition: float
    """Condition number of the windows' uses, each scaled to its mean: large where uses go together."""
    spread: Floats
    """Shape (prices,). Standard error over price of what was fitted, prior included."""


def fitted(busy_ns: Floats, uses: Floats, shares: Floats) -> Fit:
    """The time that one use of each kind takes.

    Parameters
    ----------
    busy_ns
        Shape (windows,). Time spent.
    uses
        Shape (windows, prices), > 0 in sum. How often each was used.
    shares
        Shape (prices,). What part of the time each is thought to take; sums to 1.

    Notes
    -----
    Least squares with the prior as further rows (Tikhonov), each row in units of its standard error: a window's is what
    the best prices leave unexplained, at least 2 % of the windows' mean; the prior's is half of itself.

    Examples
    --------
    >>> fitted(np.array([30.0, 50.0]), np.array([[10.0], [20.0]]), np.array([1.0])).prices.round(1).tolist()
    [2.6]
    """
    total = uses.sum(axis=0)
    guess = busy_ns.sum() * shares / total
    scale = np.where(guess > 0, guess, 1.0)
    noise = _noise_ns(busy_ns, uses)
    rows = uses * scale / noise
    prior = np.diag(1 / PRIOR_SPREAD * np.where(guess > 0, 1.0, 1e6))
    solution, _ = nnls(np.vstack([rows, prior]), np.concatenate([busy_ns / noise, prior @ (guess / scale)]))
    relative = uses / np.where(total > 0, total, 1.0) * len(busy_ns)
    singular = np.linalg.svd(relative, compute_uv=False)
    rank = 1 + int(np.sum(singular[1:] > noise / max(float(busy_ns.mean()), 1e-9) * singular[0]))
    errors = np.sqrt(np.diag(np.linalg.inv(rows.T @ rows + prior.T @ prior)))
    condition = float(singular[0] / singular[-1]) if singular[-1] > 0 else float("inf")
    spread = np.where(solution > 0, errors / np.maximum(solution, 1e-12), PRIOR_SPREAD)
    return Fit(solution * scale, rank, condition, np.minimum(spread, PRIOR_SPREAD))


def _noise_ns(busy_ns: Floats, uses: Floats) -> float:
    """Standard error of a window's time: what is left when the prices are chosen by the windows alone."""
    _, left = nnls(uses, busy_ns)
    freedom = max(len(busy_ns) - uses.shape[1], 1)
    scatter_ns = float(left) / math.sqrt(freedom)
    return max(scatter_ns, LEAST_NOISE * float(busy_ns.mean()), 1e-9)
