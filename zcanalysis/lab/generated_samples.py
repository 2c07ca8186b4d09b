"""What a sampling profiler would have seen of a replayed CPU: text as `perf script --ns` prints it, 2.4's functions.

A sample falls on a piece of work of the replay, and gets the call chain that 2.4.17 has there (net/ipv4/tcp.c,
tcp_input.c, tcp_ipv4.c, net/core/dev.c); within an interrupt or a softirq its place says whether the price of the entry
or of the driver, of the run or of IP is being paid. The driver's functions are eepro100's, as nobody published
another's.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np

from zcanalysis.hosts import Host
from zcanalysis.model.linux24 import STAGES, Worked

SAMPLED_HZ: Final = 997  # a prime: not in step with the packets
READER: Final = ("ttcp", 800)
IDLE: Final = ("swapper", 0)
FIRST_ADDRESS: Final = 0xC0100000
EVENT: Final = "cpu-clock"

_ENTRY = "system_call sys_recv sys_recvfrom sock_recvmsg inet_recvmsg tcp_recvmsg"
_PREQUEUE = f"{_ENTRY} tcp_prequeue_process tcp_v4_do_rcv tcp_rcv_established"
_IRQ = "do_IRQ handle_IRQ_event"
_SOFT = "do_softirq net_rx_action"
_IP = f"{_SOFT} ip_rcv ip_local_deliver"
_TCP = f"{_IP} tcp_v4_rcv tcp_v4_do_rcv tcp_rcv_established"
_SENT = "tcp_send_ack tcp_transmit_skb ip_queue_xmit"

# Stage -> (in softirq, in the reader's process): the outermost function first.
CHAINS: Final[dict[str, tuple[str, str]]] = {
    "tcp": (_TCP, _PREQUEUE),
    "checksum": (
        f"{_TCP} __tcp_checksum_complete_user csum_partial",
        f"{_PREQUEUE} __tcp_checksum_complete_user csum_partial",
    ),
    "copy": ("", f"{_ENTRY} skb_copy_datagram_iovec memcpy_toiovec __generic_copy_to_user"),
    "copy and checksum": (
        "",
        f"{_PREQUEUE} tcp_copy_to_iovec skb_copy_and_csum_datagram_iovec csum_partial_copy_generic",
    ),
    "ack": (f"{_TCP} {_SENT}", f"{_ENTRY} cleanup_rbuf {_SENT}"),
    "wake-up": (f"{_TCP} sock_def_readable __wake_up", f"{_PREQUEUE} sock_def_readable __wake_up"),
    "schedule": ("", f"{_ENTRY} tcp_data_wait schedule_timeout schedule"),
    "syscall": ("", _ENTRY),
}


def perf_text(host: Host, worked: Worked, base_ns: int) -> str:
    """Samples of the one CPU, from the first packet to the last byte.

    Parameters
    ----------
    host
        What was replayed.
    worked
        From `replay_work`.
    base_ns
        Time 0 of the replay on the clock of the samples.
    """
    return "".join(_samples(host, worked, base_ns))


def _samples(host: Host, worked: Worked, base_ns: int) -> Iterator[str]:
    period_ns = 10**9 // SAMPLED_HZ
    work = worked.work
    times = np.arange(period_ns, int(work["end"][-1]), period_ns)
    rows = np.searchsorted(work["start"], times, side="right") - 1
    readers = np.maximum.accumulate(np.where(work["reader"] == 1, np.arange(work.size), -1))
    for at_ns, row in zip(times.tolist(), rows.tolist(), strict=True):
        comm, chain = IDLE, "cpu_idle default_idle"
        if row >= 0 and at_ns < work["end"][row]:
            chain = _chain(host, work[row], at_ns)
            comm = READER if _is_readers(work, row, int(readers[row])) else IDLE
        yield _sample(comm, base_ns + at_ns, period_ns, chain)


def _is_readers(work: np.ndarray, row: int, reader_row: int) -> bool:
    """Whether the reader's process runs, or is interrupted with its work undone."""
    if work["reader"][row]:
        return True
    later = work["start"][row + 1 : row + 2]
    follows = later.size > 0 and int(later[0]) == int(work["end"][row]) and bool(work["reader"][row + 1])
    return reader_row >= 0 and follows


def _chain(host: Host, piece: np.void, at_ns: int) -> str:
    stage = STAGES[int(piece["stage"])]
    part = (at_ns - int(piece["start"])) / max(1, int(piece["end"]) - int(piece["start"]))
    if stage == "interrupt":
        driver_ns = 0.0 if host.driver.packet_ns is None else host.driver.packet_ns.value
        entry = host.interrupt.receive_ns.value / (host.interrupt.receive_ns.value + driver_ns)
        return _IRQ if part < entry else f"{_IRQ} speedo_interrupt speedo_rx"
    if stage == "softirq":
        run = host.softirq.run_ns.value / (host.softirq.run_ns.value + host.ip.skb_ns.value)
        return _SOFT if part < run else f"{_SOFT} ip_rcv"
    return CHAINS[stage][int(piece["reader"])] or CHAINS[stage][1]


def _sample(comm: tuple[str, int], at_ns: int, period_ns: int, chain: str) -> str:
    name, pid = comm
    second, rest = divmod(at_ns, 10**9)
    frames = "".join(
        f"\t{_address(function):8x} {function} ([kernel.kallsyms])\n" for function in reversed(chain.split())
    )
    return f"{name} {pid}/{pid} [000] {second:5d}.{rest:09d}: {period_ns:10d} {EVENT}: \n{frames}\n"


def _address(function: str) -> int:
    """The same for the same function, and for no other of those above."""
    return FIRST_ADDRESS + 16 * FUNCTIONS.index(function)


FUNCTIONS: Final = tuple(
    dict.fromkeys(
        " ".join([
            "cpu_idle default_idle", _IRQ, "speedo_interrupt speedo_rx", _SOFT,
            *(" ".join(both) for both in CHAINS.values()),
        ]).split()
    )
)  # fmt: skip
