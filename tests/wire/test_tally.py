"""Classes of counted values: exact below 128, 64 an octave above, and quantiles that stay within a class."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from zcanalysis.wire import tally

POWERS = [max(0, 2**power + step) for power in range(63) for step in (-1, 0, 1)]


def octave_class(value: int) -> int:
    """The same by counting bits: seven leading bits, and how many are left out."""
    left_out = max(value.bit_length() - 7, 0)
    return (left_out << 6) + (value >> left_out)


def test_the_class_is_the_seven_leading_bits():
    for value in [*range(1000), *(value for value in POWERS if value < 2**53)]:
        assert tally.class_of(value) == octave_class(value), value


@given(st.lists(st.integers(-5, 2**63 - 1), min_size=1, max_size=50), st.sampled_from([0.5, 0.95]))
def test_a_quantile_is_within_a_class_of_the_counted_value(values, level):
    counted, used = tally.new_tally(256), np.zeros(3, np.int64)
    for value in values:
        tally.count(counted, used, 3, tally.RTT, value)
    found = tally.quantiles(tally.in_order(counted), tally.RTT, {"told": level})
    told = found["told"].item()
    true = max(sorted(values)[max(int(np.ceil(level * len(values))), 1) - 1], 0)
    assert found["side"].to_list() == [3]
    assert abs(told - min(true, tally.LARGEST)) <= true / 64
