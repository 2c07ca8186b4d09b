"""Which CPU time belongs to which price, and what it is divided by."""

from collections.abc import Collection
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
A_HEAD: Final = (
    "skb_release_data",
    "napi_skb_cache_put",
    "kfree_skb_partial",
    "skb_free_head",
    "skb_release_head_state",
)
"""What becomes of each packet's own skb once its data have joined another's, in GRO or in the socket's queue."""
PER_CALL: Final = (
    "tcp_poll", "lock_sock_nested", "release_sock", "tcp_mstamp_refresh", "tcp_rcv_space_adjust", "__lock_sock",
)  # fmt: skip
PER_PIECE: Final = ("simple_copy_to_iter", "__skb_datagram_iter", "skb_copy_datagram_iter")
PAGES: Final = ("skb_page_frag_refill",)
ASKING: Final = ("net_rps_send_ipi", "net_rps_action_and_irq_enable", "kick_defer_list_purge")
ASKED: Final = "call_function|reschedule|common_interrupt"

_stage, _function, _context = pl.col("stage"), pl.col("function"), pl.col("context")
_sender = _stage == "sender"
_above = ("l2_demux", "ip_rx", "netfilter", "defrag", "udp_rx")
_receiving = _stage.is_in((*_above, "backlog", "tcp_rx", "sock_queue_lock", "softirq", "skb_free"))
_folded = pl.col("folded")
# the other end of a veth takes an ACK in the softirq that its sending runs (dev_queue_xmit, __local_bh_enable_ip)
_below_an_ack = (
    _receiving & _folded.str.contains("__tcp_transmit_skb.*net_rx_action") & ~_folded.str.contains("tcp_write_xmit")
)


class Charge(NamedTuple):
    """One kind of CPU time and the prices it is made of."""

    name: str
    belongs: pl.Expr
    """Of STAGED_SAMPLES rows."""
    prices: tuple[tuple[str, str, float], ...]
    """Price of `Host`, its unit of `uses.UNITS`, and what it is thought to be before looking, in ns: where there are
    several, only their ratio matters."""


CHARGES: Final = (
    Charge(
        "asking another CPU",
        _function.is_in(ASKING) | ((_stage == "wakeup_sched") & (_context == "softirq"))
        | (_sender & (_function == "__wake_up")),
        (("interrupt.send_ns", "signal", 1),),
    ),
    Charge("interrupts", (_stage == "hardirq") & pl.col("folded").str.contains(ASKED),
           (("interrupt.receive_ns", "disturbance", 1),)),
    Charge("writing", _sender & _function.is_in([*BYTE_FUNCTIONS, *PAGES]),
           (("sender.write_ns_per_byte", "byte", 1),)),
    Charge("taking ACKs", (_sender & _function.is_in(AN_ACK)) | (_below_an_ack & ~pl.col("receives")),
           (("sender.ack_ns", "ack", 1),)),
    Charge("taking ACKs or data", _below_an_ack,  # on a CPU that receives, that softirq has the next data too
           (("sender.ack_ns", "ack", 1500), ("ip.skb_ns", "skb", 250), ("tcp.skb_ns", "skb", 350))),
    Charge("sending bursts", _sender & _function.is_in(A_BURST),
           (("sender.burst_ns", "burst", 2200), ("sender.packet_ns", "packet", 5))),
    Charge("sending packets", _sender & ~_function.is_in(PER_ORPHAN),
           (("sender.packet_ns", "packet", 220), ("sender.write_ns_per_byte", "byte", 0.04),
            ("sender.burst_ns", "burst", 1000))),
    Charge("driver", _stage.is_in(("driver_rx", "page_pool", "skb_alloc")), (("driver.packet_ns", "packet", 1),)),
    Charge("GRO", _stage == "gro", (("gro.packet_ns", "packet", 1),)),
    Charge("softirqs", (_stage == "softirq") & (_context == "softirq"), (("softirq.run_ns", "run", 1),)),
    Charge(
        "heads",
        (_sender & _function.is_in(PER_ORPHAN)) | ((_stage == "skb_free") & (_context == "softirq"))
        | (_receiving & _function.is_in(A_HEAD)),
        (("ip.packet_ns", "packet", 1),),
    ),
    Charge("IP", _stage.is_in(_above) | (_stage == "backlog"), (("ip.skb_ns", "skb", 1),)),
    Charge(
        "TCP",
        _stage.is_in(("tcp_rx", "sock_queue_lock", "nfs_rpc"))
        & ~((_context == "syscall") & _function.is_in(PER_CALL)),
        (("tcp.skb_ns", "skb", 1),),
    ),
    Charge("checksum", _stage.is_in(("checksum", "csum_copy")), (("checksum.ns_per_byte", "byte", 1),)),
    Charge("ACKs", _stage == "ack_tx", (("tcp.ack_ns", "ack", 1),)),
    Charge("scheduling", _stage == "wakeup_sched", (("reader.schedule_ns", "sleep", 1),)),
    Charge("calls", _stage.is_in(("syscall", "reader", "time_rcu", "virt_mitigation", "tcp_rx", "sock_queue_lock")),
           (("reader.syscall_ns", "call", 1),)),
    Charge("pieces", (_stage == "copy") & _function.is_in(PER_PIECE), (("copy.packet_ns", "packet", 1),)),
    Charge("copy", _stage.is_in(("copy", "zerocopy", "page_memory")),
           (("copy.ns_per_byte", "byte", 0.03), ("copy.packet_ns", "packet", 30))),
    Charge("freeing", _stage == "skb_free", (("copy.packet_ns", "packet", 1),)),
)  # fmt: skip
"""In order: a sample belongs to the first charge that fits. Idle time, probes and other processes belong to none."""
NOBODYS: Final = ("idle", "probe", "foreign", "unclassified")


def charged(stages: pl.DataFrame, receiving_cpus: Collection[int] = ()) -> pl.DataFrame:
    """The samples with ``charge``, the name of the one each belongs to; null where it is none's.

    Parameters
    ----------
    stages
        STAGED_SAMPLES.
    receiving_cpus
        Where data are handled, too.
    """
    receives = pl.col("cpu").is_in(list(receiving_cpus)).alias("receives")
    found = [pl.when(charge.belongs).then(pl.lit(charge.name)) for charge in CHARGES]
    nobodys = pl.when(_stage.is_in(NOBODYS)).then(pl.lit(True)).otherwise(False)
    return stages.with_columns(receives).with_columns(pl.when(~nobodys).then(pl.coalesce(found)).alias("charge"))
