"""What a resource could carry if it were busy all the time."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def saturated_rate(rate: float | Floats, busy_share: float | Floats) -> float | Floats:
    """The rate at which a resource would be busy all the time, its price for each byte unchanged.

    Parameters
    ----------
    rate
        What it carried, in any unit; scalar or shape (n,).
    busy_share
        Share of the time it was busy meanwhile, > 0; the same shape.

    Notes
    -----
    The utilisation law, U = X S (Denning & Buzen, Computing Surveys 10, 1978): with the service time S fixed, the
    throughput X at U = 1 is X / U.

    Examples
    --------
    >>> saturated_rate(9.0, 0.5)
    18.0
    """
    return rate / busy_share
