"""Which price a sample's time belongs to."""

import polars as pl
import pytest

from zcanalysis.cpu.kernel_stages import STAGES
from zcanalysis.hosts.host import KINDS
from zcanalysis.hosts.price import Price
from zcanalysis.prices.charges import CHARGES, NOBODYS, charged
from zcanalysis.prices.settings import ASSUMED
from zcanalysis.prices.uses import UNITS


def charge_of(stage, function="", context="softirq", folded=""):
    row = {"stage": [stage], "function": [function], "context": [context], "folded": [folded]}
    return charged(pl.DataFrame(row)).get_column("charge").item()


@pytest.mark.parametrize(
    ("sample", "charge"),
    [
        (("sender", "_copy_from_iter", "syscall"), "writing"),
        (("sender", "tcp_write_xmit", "syscall"), "sending bursts"),
        (("sender", "skb_segment", "syscall"), "sending packets"),
        (("sender", "tcp_wfree", "softirq"), "IP"),
        (("backlog", "net_rps_send_ipi", "softirq"), "asking another CPU"),
        (("wakeup_sched", "sock_def_readable", "softirq"), "asking another CPU"),
        (("wakeup_sched", "__schedule", "syscall"), "scheduling"),
        (("hardirq", "__irq_exit_rcu", "hardirq", "a;sysvec_call_function_single;b"), "interrupts"),
        (("skb_free", "kfree_skb_partial", "softirq"), "IP"),
        (("skb_free", "skb_attempt_defer_free", "syscall"), "freeing"),
        (("copy", "_copy_to_iter", "syscall"), "copy"),
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
        assert sum(share for _, _, share in charge.prices) == pytest.approx(1.0)
        for name, unit, _ in charge.prices:
            assert KINDS[name] is Price
            assert unit in UNITS
            assert name in ASSUMED
