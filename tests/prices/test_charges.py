"""Which price a sample's time belongs to."""

import polars as pl
import pytest

from zcanalysis.cpu.kernel_stages import STAGES
from zcanalysis.hosts.host import KINDS
from zcanalysis.hosts.price import Price
from zcanalysis.prices.charges import CHARGES, NOBODYS, charged
from zcanalysis.prices.settings import ASSUMED
from zcanalysis.prices.uses import UNITS

ACK_BELOW_A_READ = "read;tcp_recvmsg;__tcp_transmit_skb;__dev_queue_xmit;do_softirq;net_rx_action;process_backlog"
DATA_BELOW_A_WRITE = "write;tcp_sendmsg;tcp_write_xmit;__tcp_transmit_skb;do_softirq;net_rx_action;process_backlog"


def charge_of(stage, function="", context="softirq", folded="", cpu=0):
    row = {"cpu": [cpu], "stage": [stage], "function": [function], "context": [context], "folded": [folded]}
    return charged(pl.DataFrame(row), (1, None)).get_column("charge").item()


@pytest.mark.parametrize(
    ("sample", "charge"),
    [
        (("sender", "_copy_from_iter", "syscall"), "writing"),
        (("sender", "tcp_write_xmit", "syscall"), "sending bursts"),
        (("sender", "skb_segment", "syscall"), "sending packets"),
        (("sender", "tcp_wfree", "softirq"), "heads"),
        (("ip_rx", "ip_rcv_core", "softirq"), "IP"),
        (("backlog", "net_rps_send_ipi", "softirq"), "asking another CPU"),
        (("wakeup_sched", "sock_def_readable", "softirq"), "asking another CPU"),
        (("wakeup_sched", "__schedule", "syscall"), "scheduling"),
        (("hardirq", "__irq_exit_rcu", "hardirq", "a;sysvec_call_function_single;b"), "interrupts"),
        (("skb_free", "kfree_skb_partial", "softirq"), "heads"),
        (("gro", "napi_skb_cache_put", "softirq"), "GRO"),
        (("skb_free", "skb_attempt_defer_free", "syscall"), "freeing"),
        (("copy", "_copy_to_iter", "syscall"), "copy"),
        (("copy", "simple_copy_to_iter", "syscall"), "pieces"),
        (("tcp_rx", "tcp_data_queue", "syscall"), "TCP"),
        (("tcp_rx", "tcp_poll", "syscall"), "calls"),
        (("probe", "perf_output_begin", "hardirq"), None),
    ],
)
def test_a_sample_is_charged_to_the_price_of_what_it_did(sample, charge):
    assert charge_of(*sample) == charge


def test_the_timer_tick_is_no_interrupt_between_cpus():
    assert charge_of("hardirq", "__irq_exit_rcu", "hardirq", "a;asm_sysvec_apic_timer_interrupt;b") is None


def test_every_stage_of_a_receiver_has_a_price():
    known = {"hardirq": "x;sysvec_call_function_single"}
    free = [
        stage for stage in STAGES
        if stage not in NOBODYS and charge_of(stage, "f", "softirq", known.get(stage, "")) is None
    ]  # fmt: skip
    assert free == []


def test_every_price_is_one_of_a_host_by_a_unit_that_is_counted_and_has_a_fallback():
    for charge in CHARGES:
        for name, unit, thought_ns in charge.prices:
            assert thought_ns > 0
            assert KINDS[name] is Price
            assert unit in UNITS
            assert name in ASSUMED


def test_an_ack_that_the_other_end_takes_below_its_sending_is_the_ack_s():
    for stage in ("ip_rx", "tcp_rx", "backlog", "softirq"):
        assert charge_of(stage, "f", folded=ACK_BELOW_A_READ) == "taking ACKs"


def test_where_a_cpu_receives_data_too_nobody_knows_which_of_them_it_is():
    assert charge_of("ip_rx", "f", folded=ACK_BELOW_A_READ, cpu=1) == "taking ACKs or data"


def test_data_that_are_received_below_their_sending_are_data():
    assert charge_of("ip_rx", "f", folded=DATA_BELOW_A_WRITE) == "IP"
