"""The catalogue, from the socket to the program: copies, places, the reader, and bounds."""

from typing import Final

from zcanalysis.patches import copies, placement, questions, sockets
from zcanalysis.patches.entry import EVERY, Entry
from zcanalysis.patches.values import (
    ALWAYS,
    CPU,
    CPU_OR_OFF,
    FASTEST_GBPS,
    LARGEST_BUFFER_BYTES,
    SWITCH,
    above_zero,
    one_of,
    percent,
    whole,
)

COPIES: Final = (
    Entry(
        "zero-copy-rx",
        ALWAYS,
        "pages are mapped into the reader instead of copied: a price a page, and one a TLB flush",
        "net/ipv4/tcp.c tcp_zerocopy_receive, 4.18 (E. Dumazet, 2018); asked by J. Hurwitz, 2002",
        "the payload is not in whole pages (MTU 4096 k + 52), or headers are not split from it",
        copies.zero_copy,
        EVERY,
    ),
    Entry(
        "pinned-buffers",
        ALWAYS,
        "what is only forwarded stays in kernel buffers: no copy, the memory bus is the bound",
        "L. Dale, linux-kernel, 3 September 2000 (60 % more); today splice(2)",
        "who reads is not who sends: nothing is forwarded",
        copies.pinned_buffers,
        EVERY,
    ),
    Entry(
        "sse-copy",
        ALWAYS,
        "the copy to user space uses wide registers",
        "proposed by A. Kleen, linux-kernel, 27 June 2002",
        "not a 32-bit x86: x86-64 copies by rep movsb",
        copies.sse_copy,
        EVERY,
    ),
    Entry(
        "copy-gbps",
        above_zero(FASTEST_GBPS, "Gbit/s"),
        "the copy to user space takes 8 / that many nanoseconds a byte",
        "lib/iov_iter.c _copy_to_iter; A. Kleen's SSE copy, 2002",
        "no copy was sampled",
        questions.copy_gbps,
        EVERY,
    ),
)
PLACES: Final = (
    Entry(
        "rps",
        CPU_OR_OFF,
        "the softirq work of IP and TCP moves to another CPU",
        "Documentation/networking/scaling.rst; net/core/dev.c get_rps_cpu",
        "there is one CPU, or packets are handled on that one already",
        placement.rps,
    ),
    Entry(
        "rfs",
        SWITCH,
        "the softirq work of IP and TCP follows the reader's CPU",
        "Documentation/networking/scaling.rst; net/core/dev.c get_rps_cpu",
        "it is so already, or there is one CPU",
        placement.rfs,
    ),
    Entry(
        "irq-affinity",
        CPU,
        "the device's interrupts, and the softirq behind them, move to another CPU",
        "Documentation/core-api/irq/irq-affinity.rst",
        "the device has no interrupts of its own, or they go there already",
        placement.irq_affinity,
    ),
    Entry(
        "cpu",
        one_of("split", "shared"),
        "the reader runs on another CPU than the softirq, or on the same",
        "sched_setaffinity(2), taskset(1)",
        "it is so already, or there is one CPU",
        placement.reader_cpu,
    ),
    Entry(
        "numa",
        one_of("local")._replace(missing="local"),
        "the reader runs on the node of memory that the device is next to",
        "Q. Cai et al., SIGCOMM 2021: readers near and far; taskset(1), numactl(8)",
        "there is one node of memory, or it is so already",
        placement.numa_local,
    ),
    Entry(
        "flows",
        whole(1, 65536, "connections"),
        "that many connections share the work of queues and readers",
        "Documentation/networking/scaling.rst; Q. Cai et al., SIGCOMM 2021",
        "there are that many already",
        questions.flows,
        EVERY,
    ),
    Entry(
        "competing-load",
        whole(0, 1024, "busy processes"),
        "the reader shares its CPU with that many busy processes, or with none",
        "kernel/sched/fair.c; kernel/softirq.c: softirqs go first",
        "no sample shows the reader",
        questions.competing_load,
        EVERY,
    ),
)
READER: Final = (
    Entry(
        "busy-poll",
        whole(0, 10_000, "microseconds"),
        "a reader that waits polls the device itself instead of sleeping",
        "Documentation/networking/napi.rst; net/core/dev.c napi_busy_loop",
        "it is so already, or the device does not receive by NAPI",
        sockets.busy_poll,
    ),
    Entry(
        "reader-bytes",
        whole(1, LARGEST_BUFFER_BYTES, "bytes"),
        "a call of the reader asks for that many bytes: fewer calls, or more",
        "net/ipv4/tcp.c tcp_recvmsg_locked",
        "no more has arrived when the reader calls",
        questions.reader_bytes,
        EVERY,
    ),
)
BOUNDS: Final = (
    Entry(
        "link-gbps",
        above_zero(FASTEST_GBPS, "Gbit/s"),
        "another link",
        "the link carries headers too: IEEE 802.3",
        "the link is that already",
        questions.link_gbps,
        EVERY,
    ),
    Entry(
        "cpu-speed",
        above_zero(100, "times as fast"),
        "every CPU does its work in that part of the time",
        "arithmetic; work on payload in memory may not follow the clock",
        "no CPU limits",
        questions.cpu_speed,
        EVERY,
    ),
    Entry(
        "kernel-bypass",
        ALWAYS,
        "no kernel between device and program: only link, sender and the reader's own code are left",
        "the MPI bound: J. Hurwitz, linux-kernel, 27 June 2002",
        "nothing was sampled; the sender keeps its work a packet",
        questions.kernel_bypass,
        EVERY,
    ),
    Entry(
        "speedup",
        percent(),
        "a stage takes that much less time: speedup:STAGE=PERCENT",
        "virtual speed-up: Curtsinger & Berger, Coz, SOSP 2015",
        "the stage was not sampled",
        questions.speedup,
        EVERY,
    ),
)
