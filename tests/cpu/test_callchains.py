"""Call chains are charged to stages by rule."""

import pytest

from zcanalysis.cpu.callchains import charge
from zcanalysis.cpu.kernel_stages import GROUP_OF, STAGES, kernel_functions


def kernel(*symbols: str, user: tuple[str, ...] = ()) -> str:
    """A call chain, leaf first."""
    frames = [f"{symbol}\t[kernel.kallsyms]\tk" for symbol in symbols] + [f"{symbol}\tlibc.so\tu" for symbol in user]
    return "\n".join(frames)


@pytest.mark.parametrize(
    ("chain", "stage", "context", "direction"),
    [
        # a receive softirq nested in the sender's system call belongs to the receiver
        (
            kernel(
                "tcp_v4_rcv",
                "ip_rcv",
                "net_rx_action",
                "handle_softirqs",
                "do_softirq",
                "__local_bh_enable_ip",
                "tcp_sendmsg",
                "do_syscall_64",
            ),
            "tcp_rx",
            "softirq",
            "rx",
        ),
        # the sender's own work, in its system call
        (
            kernel("__alloc_skb", "tcp_stream_alloc_skb", "tcp_sendmsg_locked", "do_syscall_64"),
            "sender",
            "syscall",
            "tx",
        ),
        # the ACK's softirq frees the window and sends on: still the sender's work
        (
            kernel("skb_clone", "__tcp_transmit_skb", "tcp_write_xmit", "tcp_rcv_established", "handle_softirqs"),
            "sender",
            "softirq",
            "tx",
        ),
        # an ACK, whatever it allocates
        (
            kernel(
                "kmem_cache_alloc_noprof", "__alloc_skb", "__tcp_send_ack", "tcp_rcv_established", "handle_softirqs"
            ),
            "ack_tx",
            "softirq",
            "ack",
        ),
        # tcp_send_ack inlined into recvmsg
        (
            kernel("ip_output", "__tcp_transmit_skb", "tcp_recvmsg_locked", "tcp_recvmsg", "do_syscall_64"),
            "ack_tx",
            "syscall",
            "ack",
        ),
        # primitives say nothing while a caller does
        (
            kernel("_raw_spin_unlock_irqrestore", "sock_def_readable", "tcp_data_queue", "handle_softirqs"),
            "wakeup_sched",
            "softirq",
            "rx",
        ),
        (kernel("__pi_memcpy", "skb_copy_bits", "tcp_recvmsg_locked", "do_syscall_64"), "copy", "syscall", "rx"),
        (
            kernel("rep_movs_alternative", "_copy_to_iter", "__skb_datagram_iter", "tcp_recvmsg", "do_syscall_64"),
            "copy",
            "syscall",
            "rx",
        ),
        # first touch of the reader's buffer is a price of the copy; any other fault is not
        (
            kernel("clear_page_erms", "handle_mm_fault", "asm_exc_page_fault", "_copy_to_iter", "do_syscall_64"),
            "copy",
            "syscall",
            "rx",
        ),
        (kernel("clear_page_erms", "handle_mm_fault", "asm_exc_page_fault"), "page_memory", "user", "rx"),
        # skid: the IPI that ended in handle_softirqs' interrupt-enable is interrupt time
        (
            kernel(
                "handle_softirqs",
                "__irq_exit_rcu",
                "sysvec_call_function_single",
                "asm_sysvec_call_function_single",
                "_copy_to_iter",
            ),
            "hardirq",
            "hardirq",
            "rx",
        ),
        (
            kernel("handle_softirqs", "do_softirq.part.0", "__local_bh_enable_ip", "tcp_sendmsg"),
            "softirq",
            "softirq",
            "rx",
        ),
        # handing packets to another CPU
        (
            kernel(
                "native_write_msr",
                "x2apic_send_IPI",
                "generic_exec_single",
                "net_rps_send_ipi",
                "net_rx_action",
                "handle_softirqs",
            ),
            "backlog",
            "softirq",
            "rx",
        ),
        (kernel("pv_native_safe_halt", "default_idle", "do_idle"), "idle", "idle", "rx"),
        (
            kernel("csum_partial", "__skb_checksum_complete", "tcp_rcv_established", "handle_softirqs"),
            "checksum",
            "softirq",
            "rx",
        ),
        (kernel("worker_thread", "kthread", "ret_from_fork_asm"), "foreign", "kthread", "rx"),
        (kernel("no_such_function"), "unclassified", "unknown", "rx"),
    ],
)
def test_a_chain_is_charged_to_its_stage(chain, stage, context, direction):
    found = charge(chain)
    assert (found.stage, found.context, found.direction) == (stage, context, direction)


def test_an_interrupt_inside_an_idle_state_is_told_from_idling():
    idle = ("pv_native_safe_halt", "default_idle", "cpuidle_enter_state", "do_idle")
    found = charge(kernel("tcp_v4_rcv", "handle_softirqs", "asm_sysvec_call_function_single", *idle))
    assert (found.stage, found.in_idle) == ("tcp_rx", True)
    assert charge(kernel(*idle)).stage == "idle"


def test_a_user_leaf_is_user_time_even_with_kernel_frames_below_it():
    found = charge("memcpy\tlibc.so\tu\nmain\tiperf3\tu")
    assert (found.stage, found.mode, found.context) == ("reader", "user", "user")


def test_a_sample_without_chain_is_unclassified_not_dropped():
    assert charge("").stage == "unclassified"


def test_an_old_kernel_has_its_own_table():
    chain = kernel("netif_rx", "boomerang_rx", "do_IRQ")
    assert charge(chain, "linux-2.4").stage == "backlog"
    assert charge(kernel("csum_partial_copy_generic", "tcp_recvmsg"), "linux-2.4").stage == "csum_copy"


def test_compiler_suffixes_do_not_hide_a_function():
    assert charge(kernel("__netif_receive_skb_core.constprop.0", "handle_softirqs")).stage == "l2_demux"


@pytest.mark.parametrize("generation", ["linux-2.4", "linux-6"])
def test_every_stage_of_the_table_is_known_and_has_one_group(generation):
    stages = set(kernel_functions(generation).stage.values())
    assert stages <= set(STAGES)
    assert set(GROUP_OF) == set(STAGES)
