"""What a buffer is worth as window, and that large segments get two."""

import numpy as np
import pytest

from tests.model.strategies import ns
from zcanalysis.model.window import (
    OVERHEAD_BYTES,
    RMEM_DEFAULT_BYTES,
    RMEM_MAX_BYTES,
    STEP_BYTES,
    buffer_of_connection,
    window_of_buffer,
)


def segments_in_flight(mss_bytes):
    return (window_of_buffer(buffer_of_connection(ns(mss_bytes))) // mss_bytes).tolist()


def test_a_large_mtu_leaves_a_window_of_two_segments():
    # an MTU of 65,520: 4 x 87 KB are wanted, 174,760 allowed, worth 131,070
    assert window_of_buffer(buffer_of_connection(ns(65_468))).tolist() == [131_070]
    assert segments_in_flight(65_468) == [2]


@pytest.mark.parametrize(("mtu_bytes", "segments"), [(1500, 45), (9000, 7), (16_384, 4), (32_768, 4), (65_535, 2)])
def test_the_larger_the_mtu_the_fewer_segments_are_in_flight(mtu_bytes, segments):
    assert segments_in_flight(mtu_bytes - 52) == [segments]


def test_the_default_buffer_is_worth_65535():
    assert window_of_buffer(ns(RMEM_DEFAULT_BYTES)).tolist() == [65_535]
    assert buffer_of_connection(ns(1448)).tolist() == [RMEM_DEFAULT_BYTES]


def of_the_kernels_loop(mss_bytes, default_bytes):
    each = mss_bytes + OVERHEAD_BYTES
    while each - each // 4 < mss_bytes:
        each += STEP_BYTES
    return min(4 * each, RMEM_MAX_BYTES) if default_bytes < 4 * each else default_bytes


@pytest.mark.parametrize("default_bytes", [43_689, RMEM_DEFAULT_BYTES, 200_000])
def test_the_buffer_is_the_kernels_loop(default_bytes):
    sizes = [*range(1, 2000, 7), *range(8000, 50_000), 65_468]
    expected = [of_the_kernels_loop(size, default_bytes) for size in sizes]
    assert buffer_of_connection(np.array(sizes), default_bytes).tolist() == expected
