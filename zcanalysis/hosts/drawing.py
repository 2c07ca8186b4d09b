"""Hosts drawn from the intervals of a host's prices."""

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

from zcanalysis.errors import ImpossibleHostError
from zcanalysis.hosts.host import Host
from zcanalysis.hosts.price import MOST, Price

NORMAL_95: Final = 1.6448536269514722  # the 95 % quantile of the standard normal distribution


def drawn_hosts(host: Host, rng: np.random.Generator, draws: int, *, names: Iterable[str] | None = None) -> list[Host]:
    """As many hosts as asked, each price drawn for itself so that 5 and 95 % of its draws are below low and high.

    Parameters
    ----------
    host
        The value of each price is the median of its draws.
    rng
        Where chance comes from.
    draws
        How many, >= 0.
    names
        Only these prices are drawn; None: all.

    Raises
    ------
    ImpossibleHostError
        If it has no price of such a name.

    Notes
    -----
    Two half log-normal distributions that meet at the value; half normal ones where the value or the bound is 0, cut
    at 0. Prices are drawn independently: correlated ones are a calibration's to draw. A drawn host's prices have no
    interval.
    """
    prices = host.prices()
    if names is not None:
        wanted = list(names)
        for name in wanted:
            if name not in prices:
                raise ImpossibleHostError(f"{name} is no price of host {host.name!r}")
        prices = {name: prices[name] for name in wanted}
    columns = [drawn_values(price, rng, draws).tolist() for price in prices.values()]
    return [
        host.with_prices({
            name: price.at(value)
            for (name, price), value in zip(prices.items(), row, strict=True)
        })
        for row in (zip(*columns, strict=True) if columns else [()] * draws)
    ]  # fmt: skip


def drawn_values(price: Price, rng: np.random.Generator, draws: int) -> npt.NDArray[np.float64]:
    """Values of a price, as `drawn_hosts` draws them; shape (draws,), in its unit.

    Parameters
    ----------
    price
        Its value is their median.
    rng
        Where chance comes from.
    draws
        How many, >= 0.
    """
    normal = rng.standard_normal(draws)
    value, share = price.value, normal / NORMAL_95
    above, below = price.high - value, price.low - value
    upper = share * above if value == 0 else value * (price.high / value) ** share
    lower = value - share * below if price.low == 0 else value * (value / price.low) ** share
    return np.clip(np.where(normal > 0, upper, lower), 0, MOST)
