"""The receive window of Linux 2.4: what a buffer is worth, and how large a buffer a connection gets."""

import numpy as np

from zcanalysis.model.arrays import Bytes

RMEM_MAX_BYTES = 174_760  # tcp_rmem[2], 2.4.17 net/ipv4/tcp.c:273
RMEM_DEFAULT_BYTES = 87_380  # tcp_rmem[1]
STEP_BYTES = 128
SEGMENTS = 4  # as many shall fit, so that three duplicate ACKs can come back
# sizeof(struct sk_buff) 160, MAX_TCP_HEADER 160 and 16: on i386 without tunnels (assumed)
OVERHEAD_BYTES = 336


def window_of_buffer(buffer_bytes: Bytes) -> Bytes:
    """How much payload a buffer is taken to hold: a quarter of it is left for headers.

    Parameters
    ----------
    buffer_bytes
        Shape (...).

    Notes
    -----
    tcp_win_from_space with tcp_adv_win_scale 2 (2.4.17 include/net/tcp.h:1539-1555).

    Examples
    --------
    >>> int(window_of_buffer(np.array(RMEM_DEFAULT_BYTES)))
    65535
    """
    return buffer_bytes - (buffer_bytes >> 2)


def buffer_of_connection(mss_bytes: Bytes, default_bytes: int = RMEM_DEFAULT_BYTES) -> Bytes:
    """The receive buffer that a connection has once it is established, if the reader has not set SO_RCVBUF.

    Parameters
    ----------
    mss_bytes
        Shape (...), > 0. What the receiver announced.
    default_bytes
        tcp_rmem[1].

    Notes
    -----
    tcp_fixup_rcvbuf (2.4.17 net/ipv4/tcp_input.c:269-282): room for four segments, each with a header and rounded up in
    steps until it is worth its payload, but no more than tcp_rmem[2]. 2.4 does not tune the buffer later.
    """
    each = mss_bytes + OVERHEAD_BYTES
    enough = (4 * mss_bytes - 1) // 3  # the least with each - each // 4 >= mss
    steps: Bytes = np.maximum(-(-(enough - each) // STEP_BYTES), 0)
    wanted = SEGMENTS * (each + steps * STEP_BYTES)
    buffer_bytes: Bytes = np.where(default_bytes < wanted, np.minimum(wanted, RMEM_MAX_BYTES), default_bytes)
    return buffer_bytes
