"""Which CPU time belongs to which price, and what it is divided by."""

from typing import Final, NamedTuple

import polars as pl

from zcanalysis.cpu.kernel_stages import BYTE_FUNCTIONS

A_BURST: Final = (
    "tcp_write_xmit", "tcp_sendmsg_locked", "__tcp_transmit_skb", "__ip_queue_xmit", "tcp_push", "lock_sock_nested",
    "tcp_event_new_data_sent", "tcp_schedule_loss_probe", "tcp_rearm_rto", "tcp_tsq_handler", "sock_write_iter",
)  # fmt: skip
"""Functions of the sender that run once for a burst (a GSO skb), not once for a packet (net/ipv4/tcp_output.c)."""
AN_ACK: Final = ("tcp_ack", "tcp_clean_rtx_queue", "tcp_rate_skb_delivered")
PER_ORPHAN: Final = ("tcp_wfree",)  # ip_rcv_core orphans each packet of a local sender
PAGES: Final = ("skb_page_frag_refill",)
ASKING: Final = ("net_rps_send_ipi", "net_rps_action_and_irq_enable", "kick_defer_list_purge")
ASKED: Final = "call_function|reschedule|common_interrupt"

_stage, _function, _context = pl.col("stage"), pl.col("function"), pl.col("context")
_sender = _stage == "sender"
_above = ("l2_demux", "ip_rx", "netfilter", "defrag", "udp_rx")


class Charge(NamedTuple):
    """One kind of CPU time and the prices it is made of."""

    name: str
    belongs: pl.Expr
    """Of STAGED_SAMPLES rows."""
    prices: tuple[tuple[str, str, float], ...]
    """Price of `Host`, its unit of `uses.UNITS`, and the share of the time it is thought to be before looking."""


CHARGES: Final = (
    Charge(
        "asking another CPU",
        _function.is_in(ASKING) | ((_stage == "wakeup_sched") & (_context == "softirq"))
        | (_sender & (_function == "__wake_up")),
        (("interrupt.send_ns", "signal", 1.0),),
    ),
    Charge("interrupts", (_stage == "hardirq") & pl.col("folded").str.contains(ASKED),
           (("interrupt.receive_ns", "signal", 1.0),)),
    Charge("writing", _sender & _function.is_in([*BYTE_FUNCTIONS, *PAGES]),
           (("sender.write_ns_per_byte", "byte", 1.0),)),
    Charge("taking ACKs", _sender & _function.is_in(AN_ACK), (("sender.ack_ns", "ack", 1.0),)),
    Charge("sending bursts", _sender & _function.is_in(A_BURST),
           (("sender.burst_ns", "burst", 0.9), ("sender.packet_ns", "packet", 0.1))),
    Charge("sending packets", _sender & ~_function.is_in(PER_ORPHAN),
           (("sender.packet_ns", "packet", 0.9), ("sender.burst_ns", "burst", 0.1))),
    Charge("driver", _stage.is_in(("driver_rx", "page_pool", "skb_alloc")), (("driver.packet_ns", "packet", 1.0),)),
    Charge("GRO", _stage == "gro", (("gro.packet_ns", "packet", 1.0),)),
    Charge("softirqs", (_stage == "softirq") & (_context == "softirq"), (("softirq.run_ns", "run", 1.0),)),
    Charge(
        "IP",
        _stage.is_in(_above) | (_stage == "backlog") | (_sender & _function.is_in(PER_ORPHAN))
        | ((_stage == "skb_free") & (_context == "softirq")),
        (("ip.skb_ns", "skb", 1.0),),
    ),
    Charge("TCP", _stage.is_in(("tcp_rx", "sock_queue_lock", "nfs_rpc")), (("tcp.skb_ns", "skb", 1.0),)),
    Charge("checksum", _stage.is_in(("checksum", "csum_copy")), (("checksum.ns_per_byte", "byte", 1.0),)),
    Charge("ACKs", _stage == "ack_tx", (("tcp.ack_ns", "ack", 1.0),)),
    Charge("scheduling", _stage == "wakeup_sched", (("reader.schedule_ns", "wake", 1.0),)),
    Charge("calls", _stage.is_in(("syscall", "reader", "time_rcu", "virt_mitigation")),
           (("reader.syscall_ns", "call", 1.0),)),
    Charge("copy", _stage.is_in(("copy", "zerocopy", "page_memory")),
           (("copy.ns_per_byte", "byte", 0.9), ("copy.packet_ns", "packet", 0.1))),
    Charge("freeing", _stage == "skb_free", (("copy.packet_ns", "packet", 1.0),)),
)  # fmt: skip
"""In order: a sample belongs to the first charge that fits. Idle time, probes and other processes belong to none."""
NOBODYS: Final = ("idle", "probe", "foreign", "unclassified")


def charged(stages: pl.DataFrame) -> pl.DataFrame:
    """The samples with ``charge``, the name of the one each belongs to; null where it is none's."""
    found = [pl.when(charge.belongs).then(pl.lit(charge.name)) for charge in CHARGES]
    nobodys = pl.when(_stage.is_in(NOBODYS)).then(pl.lit(True)).otherwise(False)
    return stages.with_columns(pl.when(~nobodys).then(pl.coalesce(found)).alias("charge"))
