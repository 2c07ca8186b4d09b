"""How sure a share is: the same sum over resampled stretches of time.

Neighbouring samples are alike (one burst, one poll), so single samples must not be drawn as if independent: the
window is cut into stretches and whole stretches are drawn (block bootstrap; Künsch, Annals of Statistics 17, 1989).
"""

from typing import Final

import numpy as np
import numpy.typing as npt

STRETCHES: Final = 20
DRAWS: Final = 1000
LOW_QUANTILE: Final = 0.05
HIGH_QUANTILE: Final = 0.95
SEED: Final = 20020627

Floats = npt.NDArray[np.float64]


def drawn_sums(by_stretch: Floats) -> Floats:
    """Sums over stretches, for many random choices of stretches with replacement.

    Parameters
    ----------
    by_stretch
        Shape (stretches, quantities). What each stretch of time contributed to each quantity.

    Returns
    -------
    Floats
        Shape (draws, quantities). Row by row one resampled total; the same seed each time.

    Examples
    --------
    >>> drawn_sums(np.ones((4, 1)))[:2].tolist()
    [[4.0], [4.0]]
    """
    generator = np.random.default_rng(SEED)
    stretches = by_stretch.shape[0]
    uses = generator.multinomial(stretches, np.full(stretches, 1.0 / stretches), size=DRAWS)
    return uses.astype(np.float64) @ by_stretch


def interval(draws: Floats) -> tuple[Floats, Floats]:
    """The 5 % and 95 % bounds of each column."""
    low, high = np.quantile(draws, [LOW_QUANTILE, HIGH_QUANTILE], axis=0)
    return low, high
