"""Random traffic for hypothesis: small numbers, so that ties, full queues and idle times all happen."""

import numpy as np
from hypothesis import strategies as st


def ns(*values):
    return np.array(values, dtype=np.int64)


@st.composite
def traffic(draw, *, most=40, gap_ns=20, service_ns=20):
    """(arrival_ns, service_ns): non-decreasing arrivals, services from zero on."""
    n = draw(st.integers(1, most))
    gaps = draw(st.lists(st.integers(0, gap_ns), min_size=n, max_size=n))
    services = draw(st.lists(st.integers(0, service_ns), min_size=n, max_size=n))
    return np.cumsum(gaps, dtype=np.int64), np.array(services, dtype=np.int64)


@st.composite
def packets(draw, *, most=40, gap_ns=2000, least_bytes=40, most_bytes=9000):
    """(arrival_ns, packet_bytes)."""
    n = draw(st.integers(1, most))
    gaps = draw(st.lists(st.integers(0, gap_ns), min_size=n, max_size=n))
    sizes = draw(st.lists(st.integers(least_bytes, most_bytes), min_size=n, max_size=n))
    return np.cumsum(gaps, dtype=np.int64), np.array(sizes, dtype=np.int64)
