import math

import numpy as np
import pytest

from zcanalysis.errors import ImpossibleHostError
from zcanalysis.hosts import Price


def test_whole_and_numpy_numbers_become_floats():
    price = Price(np.int64(3), 2, np.float32(4.5), "measured")
    assert (price.value, price.low, price.high) == (3.0, 2.0, 4.5)
    assert {type(price.value), type(price.low), type(price.high)} == {float}


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ((-1, -1, 2), "value must be 0 to 1e+10, got -1"),
        ((1, -1, 2), "low must be 0 to 1e+10, got -1"),
        ((math.nan, 0, 1), "value must be 0 to 1e+10, got nan"),
        ((1, 0, math.inf), "high must be 0 to 1e+10, got inf"),
        ((10**400, 0, 1), "value must be 0 to 1e+10, got inf"),
        ((3, 1, 2), "value 3 must lie within low 1 to high 2"),
        ((True, 0, 1), "value must be a number, got True"),
        (("3", 0, 4), "value must be a number, got '3'"),
    ],
)
def test_an_impossible_price_is_refused(numbers, message):
    with pytest.raises(ImpossibleHostError) as error:
        Price(*numbers, "assumed")
    assert str(error.value) == message


def test_an_unknown_origin_is_refused():
    with pytest.raises(
        ImpossibleHostError, match="origin must be measured, calibrated, published or assumed, got 'me'"
    ):
        Price(1, 1, 1, "me")
    with pytest.raises(ImpossibleHostError, match="source must be a text, got 7"):
        Price(1, 1, 1, "measured", 7)
