"""Datagrams that come faster than they can be read: what is left for the reader, in closed form.

What `udp` replays packet by packet settles, under a constant load, to a balance of CPU time: interrupts take theirs of
every packet that comes, softirqs of every packet that the interrupts leave time for, the reader gets the rest (receive
livelock: Mogul & Ramakrishnan, USENIX 1996). Exact where queues are long; waking and scheduling are left out, as a
reader that is behind does not sleep.
"""

import numpy as np
import numpy.typing as npt

from zcanalysis.model.arrays import Floats, Mask


def read_per_ns(
    offered_per_ns: Floats, interrupt_ns: Floats, softirq_ns: Floats, read_ns: Floats, two_cpus: Mask
) -> Floats:
    """Datagrams that the reader gets.

    Parameters
    ----------
    offered_per_ns
        Shape (...,), > 0. Datagrams that come.
    interrupt_ns, softirq_ns, read_ns
        Shape (...,), > 0. CPU time of each that comes, that is queued to the socket, that is read.
    two_cpus
        Shape (...,). The reader has a CPU of its own.

    Examples
    --------
    Half of the time goes to interrupts and softirqs of what comes; the reader has the other half:

    >>> float(read_per_ns(np.float64(0.001), 200.0, 300.0, 1000.0, False))
    0.0005
    """
    left = np.maximum(0.0, 1.0 - offered_per_ns * interrupt_ns)
    queued = np.minimum(offered_per_ns, left / softirq_ns)
    spare = np.where(two_cpus, 1.0, np.maximum(0.0, left - queued * softirq_ns))
    found: npt.NDArray[np.float64] = np.minimum(queued, spare / read_ns)
    return found


def dropped_before_ip(offered_per_ns: Floats, interrupt_ns: Floats, softirq_ns: Floats) -> Mask:
    """Whether netif_rx's backlog overflows in the long run: what columns 2 and 4 of softnet_stat count.

    Parameters
    ----------
    offered_per_ns, interrupt_ns, softirq_ns
        As for `read_per_ns`.
    """
    over: Mask = offered_per_ns * (interrupt_ns + softirq_ns) > 1.0
    return over
