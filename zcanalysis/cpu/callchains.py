"""One call chain to one stage: the rules, applied once to each different chain.

The walk goes from the leaf towards the root. Primitives and unknown functions are passed over; the first known
function decides; a *boundary* (the entry of an interrupt, a softirq, a system call, a thread) ends the walk, because
what lies rootward of it belongs to somebody who was interrupted. Measured on seven recordings of 6.18 these rules
decided more than 99.9 % of 79,000 kernel samples.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from zcanalysis.cpu.kernel_stages import Functions, Generation, plain_symbol
from zcanalysis.cpu.stage_maps import known_functions

# Each boundary: what its name looks like, the context it opens, the stage it gets when nothing inside decided.
BOUNDARIES: Final = (
    (
        re.compile(
            r"^(handle_softirqs|__do_softirq|do_softirq|do_softirq_own_stack|run_ksoftirqd|napi_threaded_poll\w*)$"
        ),
        "softirq",
        "softirq",
    ),
    (
        re.compile(r"^(asm_exc_nmi|asm_(?!exc_)\w*interrupt|asm_sysvec_\w+|sysvec_\w+|common_interrupt|do_IRQ)$"),
        "hardirq",
        "hardirq",
    ),
    (
        re.compile(
            r"^(entry_SYSCALL\w*|entry_SYSENTER\w*|entry_INT80\w*|do_syscall_64|do_int80\w*|el0t?_\w*svc|system_call)$"
        ),
        "syscall",
        "syscall",
    ),
    (re.compile(r"^(ret_from_fork\w*|kthread|kernel_thread|arch_kernel_thread)$"), "kthread", "foreign"),
    (re.compile(r"^(do_idle|cpu_idle|cpu_startup_entry)$"), "idle", "idle"),
)

# A sampler without a PMU cannot stop where interrupts are off: the sample lands where they are turned on again.
SKID: Final = frozenset(
    {
        "_raw_spin_unlock_irqrestore",
        "_raw_spin_unlock_irq",
        "finish_task_switch",
        "handle_softirqs",
        "pv_native_safe_halt",
    }
)
SENDS_DATA: Final = re.compile(
    r"^(tcp_sendmsg\w*|udp_sendmsg|udpv6_sendmsg|tcp_write_xmit|tcp_tsq_\w+|tcp_push\w*|__tcp_push_pending_frames|tcp_sendpage|do_tcp_sendpages)$"
)
SENDS_ACK: Final = re.compile(
    r"^(tcp_send_ack|__tcp_send_ack|__tcp_ack_snd_check|__tcp_cleanup_rbuf|cleanup_rbuf|tcp_delack_timer\w*|tcp_compressed_ack_kick|tcp_send_dupack)$"
)
# tcp_send_ack is often inlined: a transmit called straight from one of these is an ACK.
ACK_CALLERS: Final = frozenset(
    {
        "tcp_recvmsg_locked",
        "tcp_rcv_established",
        "tcp_v4_do_rcv",
        "tcp_v6_do_rcv",
        "tcp_data_queue",
        "tcp_zerocopy_receive",
        "tcp_release_cb",
    }
)
RECEIVES: Final = re.compile(
    r"^(tcp_recvmsg\w*|udp_recvmsg|udpv6_recvmsg|sock_recvmsg|inet6?_recvmsg|sock_read_iter|tcp_zerocopy_receive|tcp_read_sock)$"
)
IDLE_STATE: Final = "cpuidle_enter_state"
PAGE_FAULT: Final = "asm_exc_page_fault"


class Charge(NamedTuple):
    """What a call chain says of its sample."""

    stage: str
    function: str
    context: str
    direction: str
    mode: str
    skid: bool
    socket_use: str
    """`send` or `receive` when a system call in the chain does so; tells sender from reader."""
    in_idle: bool
    """An interrupt served before the CPU left its idle state: cpuidle's own counters book it as idle time."""
    folded: str


def charge(callchain: str, generation: Generation = "linux-6", kernel: str | None = None) -> Charge:
    r"""Stage, context and direction of one call chain.

    Parameters
    ----------
    callchain
        As in SAMPLES: frames leaf first, one a line.
    generation
        Whose function table to use.
    kernel
        Release of the recorded kernel, for stage maps that are for some only.

    Examples
    --------
    >>> chain = "tcp_v4_rcv\t[k]\tk\nip_rcv\t[k]\tk\nhandle_softirqs\t[k]\tk\ntcp_sendmsg\t[k]\tk"
    >>> charge(chain)[:4]
    ('tcp_rx', 'tcp_v4_rcv', 'softirq', 'rx')
    """
    frames = [frame.split("\t") for frame in callchain.split("\n")] if callchain else []
    symbols = [frame[0] for frame in frames]
    depth = next((i for i, frame in enumerate(frames) if frame[2] == "u"), len(frames))
    folded = ";".join(name.replace(";", ":") for name in reversed(symbols))
    if depth == 0:
        return _without_kernel(symbols, folded)
    names = [plain_symbol(symbol) for symbol in symbols[:depth]]
    inside, context, boundary_stage = _up_to_boundary(names)
    direction = _direction(inside)
    stage, function = _decide(inside, known_functions(generation, kernel))
    if stage is None and boundary_stage:
        stage, function = boundary_stage, inside[-1]
    if direction == "tx" and context != "idle":
        stage = "sender"
    elif direction == "ack" and stage is not None:
        stage = "ack_tx"
    return Charge(
        stage or "unclassified",
        function,
        context,
        direction,
        "kernel",
        names[0] in SKID,
        _socket_use(names),
        IDLE_STATE in names,
        folded,
    )


def _without_kernel(symbols: Sequence[str], folded: str) -> Charge:
    """User code is its reader's until roles say otherwise; a sample without any frame cannot be charged."""
    stage, mode, leaf = ("reader", "user", symbols[0]) if symbols else ("unclassified", "kernel", "[unknown]")
    return Charge(stage, leaf, "user", "rx", mode, False, "", False, folded)


def _up_to_boundary(names: Sequence[str]) -> tuple[Sequence[str], str, str]:
    """The frames that belong to this context, its name, and its own stage.

    The leaf itself is no boundary: a sample *in* the entry code is decided by who entered. A page fault below no other
    entry was taken in user code: it is the time of whose thread that is.
    """
    for depth, name in enumerate(names):
        for pattern, context, stage in BOUNDARIES:
            if pattern.match(name) and (depth > 0 or len(names) == 1 or name not in SKID):
                return names[: depth + 1], context, stage
    return names, "user" if PAGE_FAULT in names else "unknown", ""


def _direction(inside: Sequence[str]) -> str:
    """On whose behalf: the frame nearest to the leaf that sends decides."""
    for name, caller in pairwise([*inside, ""]):
        if SENDS_ACK.match(name) or (name == "__tcp_transmit_skb" and caller in ACK_CALLERS):
            return "ack"
        if SENDS_DATA.match(name):
            return "tx"
    return "rx"


def _decide(inside: Sequence[str], functions: Functions) -> tuple[str | None, str]:
    if PAGE_FAULT in inside:
        outside = inside[inside.index(PAGE_FAULT) + 1 :]
        stage, function = _first_known(outside, functions)
        if stage == "copy":  # first touch of the reader's buffer is a price of the copy
            return stage, function
    return _first_known(inside, functions)


def _first_known(inside: Sequence[str], functions: Functions) -> tuple[str | None, str]:
    for name in inside:
        if name not in functions.primitives and name in functions.stage:
            return functions.stage[name], name
    for name in inside:
        if name in functions.stage:
            return functions.stage[name], name
    return None, inside[0] if inside else ""


def _socket_use(names: Sequence[str]) -> str:
    for name in names:
        if RECEIVES.match(name):
            return "receive"
        if SENDS_DATA.match(name) or name == "sock_write_iter":
            return "send"
    return ""
