"""The stages of the receive path, and which kernel function belongs to which.

The functions are in `kernel_functions.csv`: names read from the sources of Linux 2.4.17-2.4.22 and 6.18 and from the
symbol table of a 6.18 kernel. A name listed as *classify by its caller* is a primitive: it says nothing about the stage
while some caller does.
"""

import csv
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Final, Literal, NamedTuple

Generation = Literal["linux-2.4", "linux-6"]

STAGES: Final[Mapping[str, str]] = {
    "hardirq": "interrupts and IPIs",
    "softirq": "softirq and NAPI dispatch",
    "driver_rx": "driver receive",
    "page_pool": "page pool",
    "backlog": "netif_rx and RPS backlog",
    "gro": "GRO",
    "l2_demux": "taps and protocol demux",
    "skb_alloc": "skb allocation",
    "skb_free": "skb free",
    "ip_rx": "IP receive and routing",
    "defrag": "IP defragmentation",
    "netfilter": "netfilter, xfrm, LSM, BPF",
    "tcp_rx": "TCP receive",
    "udp_rx": "UDP receive",
    "nfs_rpc": "NFS and RPC consumers",
    "checksum": "checksum",
    "csum_copy": "checksum fused with copy",
    "copy": "copy to user",
    "zerocopy": "zero-copy receive",
    "sock_queue_lock": "socket queue and lock",
    "wakeup_sched": "wake-ups and scheduler",
    "ack_tx": "sending ACKs",
    "syscall": "system calls and polling",
    "page_memory": "pages and slab",
    "time_rcu": "timers, clock, RCU",
    "virt_mitigation": "virtualisation and mitigations",
    "reader": "reader's own code",
    "sender": "sender on this machine",
    "probe": "tracing and sampling",
    "foreign": "other processes",
    "unclassified": "unclassified",
    "idle": "idle",
}
"""Every stage a sample can be charged to, in path order, with the words a chart shows."""

NOT_RECEIVE: Final = frozenset({"sender", "probe", "foreign", "unclassified", "idle"})
"""Stages that are not work of the receive path."""

NETWORK_STAGES: Final = (
    *("hardirq", "softirq", "driver_rx", "page_pool", "backlog", "gro", "l2_demux", "skb_alloc", "skb_free", "ip_rx"),
    *("defrag", "netfilter", "tcp_rx", "udp_rx", "nfs_rpc", "checksum", "csum_copy", "copy", "zerocopy", "ack_tx"),
    *("sock_queue_lock", "sender"),
)
"""Stages that say by themselves that a kernel thread works for the network."""

# The table keeps the names of each generation's own subsystem; charts and tables use one name for both.
ONE_NAME: Final[Mapping[str, str]] = {
    "softirq_napi": "softirq",
    "backlog_rps": "backlog",
    "netfilter_xfrm_lsm": "netfilter",
    "timer": "time_rcu",
    "trace_overhead": "probe",
    "tx_path": "sender",
    "leaf": "primitive",
}

# Names that two stages claim, decided here: (generation, function) -> stage, with the reason.
DECIDED: Final[Mapping[tuple[Generation, str], str]] = {
    ("linux-6", "ktime_get_with_offset"): "backlog",  # the receive stamp of netif_rx is its hot caller
    ("linux-6", "mem_cgroup_sk_charge"): "sock_queue_lock",  # charges socket memory, not pages
    ("linux-6", "nf_checksum"): "netfilter",  # the sum is taken only because a hook asked
    ("linux-6", "sk_skb_reason_drop"): "skb_free",  # frees; nothing is demultiplexed any more
    ("linux-6", "net_rps_send_ipi"): "backlog",  # the price of handing packets to another CPU
    ("linux-6", "net_rps_action_and_irq_enable"): "backlog",
    ("linux-2.4", "do_gettimeofday"): "backlog",  # netif_rx stamps every packet
    ("linux-2.4", "get_fast_time"): "backlog",
    ("linux-2.4", "net_rx_action"): "softirq",
    ("linux-2.4", "netif_receive_skb"): "l2_demux",  # 2.4.20 and later
    ("linux-2.4", "netif_rx"): "backlog",
    ("linux-2.4", "run_timer_list"): "time_rcu",
    ("linux-2.4", "skb_copy_and_csum_dev"): "csum_copy",
    ("linux-2.4", "timer_bh"): "time_rcu",
}

SUFFIX: Final = re.compile(r"(\.(isra|part|constprop|cold|llvm)(\.\d+)?)+$")
PREFIX: Final = re.compile(r"^__(pi|pfx)_")


class Functions(NamedTuple):
    """What is known of one generation's functions."""

    stage: Mapping[str, str]
    """Function to stage; primitives carry the stage that a profile without call chains gives them."""
    primitives: frozenset[str]


def plain_symbol(symbol: str) -> str:
    """The function's source name, without what compiler and linker added.

    Examples
    --------
    >>> plain_symbol("__slab_alloc.isra.0"), plain_symbol("__pi_memcpy")
    ('__slab_alloc', 'memcpy')
    """
    return PREFIX.sub("", SUFFIX.sub("", symbol))


@cache
def kernel_functions(generation: Generation) -> Functions:
    """The functions of one kernel generation."""
    stage: dict[str, str] = {}
    primitives: set[str] = set()
    text = resources.files("zcanalysis.cpu").joinpath("kernel_functions.csv").read_text("utf-8")
    for row in csv.DictReader(text.splitlines()):
        if row["generation"] != generation:
            continue
        name = ONE_NAME.get(row["stage"], row["stage"])
        if name == "primitive" or row["seen_as"] != "symbol":
            primitives.add(row["function"])
        if name != "primitive":
            stage[row["function"]] = DECIDED.get((generation, row["function"]), name)
    return Functions(stage, frozenset(primitives))


Unit = Literal["packet", "byte", "batch"]

ONCE_A_BYTE: Final = frozenset(("checksum", "csum_copy", "copy", "zerocopy", "page_memory"))
"""The payload itself is read or moved, or pages are taken for it."""

ONCE_A_BATCH: Final = frozenset(
    ("hardirq", "softirq", "wakeup_sched", "syscall", "reader", "time_rcu", "virt_mitigation")
)
"""Once an interrupt, a poll, a wake-up, a call: however many packets or bytes it serves."""

FOLLOWS: Final[Mapping[str, Unit]] = {
    stage: "byte" if stage in ONCE_A_BYTE else "batch" if stage in ONCE_A_BATCH else "packet" for stage in STAGES
}
"""What each stage's time grows with, to a first approximation.

From the shape of the code of Linux 6.18: ``_copy_to_iter`` and ``csum_partial`` walk the payload; ``net_rx_action``
runs once a softirq, ``sock_def_readable`` wakes once a time that the reader slept, and the reader calls once a buffer.
Everything else is called from ``__netif_receive_skb_core`` or a driver's poll loop, once a packet.
"""

ONCE_AN_SKB: Final = frozenset(
    ("backlog", "l2_demux", "ip_rx", "netfilter", "tcp_rx", "sock_queue_lock", "skb_free", "ack_tx")
)
"""Stages above GRO, which see one skb where GRO made one of many packets (net/core/gro.c)."""

BYTE_FUNCTIONS: Final = frozenset(("_copy_from_iter",))
"""Functions of the sender that walk the payload; its other work is once a packet."""

STAGE_GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "interrupts and softirq": ("hardirq", "softirq"),
    "driver and backlog": ("driver_rx", "page_pool", "backlog", "l2_demux"),
    "GRO": ("gro",),
    "skb and page memory": ("skb_alloc", "skb_free", "page_memory"),
    "IP, netfilter, TCP, UDP": ("ip_rx", "defrag", "netfilter", "tcp_rx", "udp_rx", "nfs_rpc"),
    "checksum": ("checksum", "csum_copy"),
    "copy to user": ("copy", "zerocopy"),
    "socket, lock, wake-ups": ("sock_queue_lock", "wakeup_sched"),
    "ACKs": ("ack_tx",),
    "system calls and reader": ("syscall", "reader"),
    "timers, virtualisation": ("time_rcu", "virt_mitigation"),
    "sender": ("sender",),
    "probe and other processes": ("probe", "foreign", "unclassified"),
    "idle": ("idle",),
}
"""Stages that a picture with little room shows as one."""

GROUP_OF: Final[Mapping[str, str]] = {stage: group for group, stages in STAGE_GROUPS.items() for stage in stages}
