import numpy as np
import pytest

from tests.hosts.examples import host_of_linux6
from zcanalysis.errors import ImpossibleHostError
from zcanalysis.hosts import Price, drawn_hosts

DRAWS = 2000


def drawn_values(price):
    host = host_of_linux6().with_price("copy.ns_per_byte", price)
    hosts = drawn_hosts(host, np.random.default_rng(7), DRAWS, names=["copy.ns_per_byte"])
    assert all(one.tcp is host.tcp for one in hosts)
    return np.array([one.copy.ns_per_byte.value for one in hosts])


@pytest.mark.parametrize(
    "price",
    [
        Price(0.1, 0.05, 0.2, "assumed"),
        Price(0.1, 0.09, 0.9, "assumed"),
        Price(100.0, 0.0, 150.0, "assumed"),
        Price(3, 3, 4, "measured"),
    ],
)
def test_a_twentieth_of_the_draws_is_below_low_and_above_high_and_half_below_the_value(price):
    values = drawn_values(price)
    # binomial: 5 % of 2000 draws are 100 +- 10, 50 % are 1000 +- 22; four deviations allowed
    assert values.min() >= 0
    if price.low > 0 and price.low < price.value:
        assert abs((values < price.low).sum() - 100) < 40
    assert abs((values > price.high).sum() - 100) < 40
    assert abs((values > price.value).sum() - 1000) < 90


def test_a_price_that_may_be_nothing_is_never_below_nothing():
    values = drawn_values(Price(0, 0, 10, "assumed"))
    assert values.min() == 0
    assert abs((values > 10).sum() - 100) < 40
    assert abs((values == 0).sum() - 1000) < 90


def test_a_certain_price_is_always_the_same():
    assert set(drawn_values(Price(0.25, 0.25, 0.25, "measured")).tolist()) == {0.25}


def test_every_price_is_drawn_for_itself_and_the_same_seed_gives_the_same_hosts():
    host = host_of_linux6()
    one, other = (drawn_hosts(host, np.random.default_rng(1), 50) for _ in range(2))
    assert one == other
    drawn = np.array([[price.value for price in each.prices().values()] for each in one])
    certain = [price.low == price.high for price in host.prices().values()]
    assert ((drawn.std(axis=0) == 0) == certain).all()
    assert drawn_hosts(host, np.random.default_rng(1), 0) == []


def test_a_price_that_the_host_does_not_have_is_refused():
    with pytest.raises(ImpossibleHostError, match=r"link.gbps is no price of host 'six'"):
        drawn_hosts(host_of_linux6(), np.random.default_rng(1), 1, names=["link.gbps"])
