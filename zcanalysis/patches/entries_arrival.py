"""The catalogue, from the wire to the ACK: packets, device, acknowledgements."""

from typing import Final

from zcanalysis.patches import acks, copies, device, questions, sockets
from zcanalysis.patches.entry import EVERY, Entry
from zcanalysis.patches.values import ALWAYS, FASTEST_GBPS, LARGEST_BUFFER_BYTES, SWITCH, above_zero, switch_or, whole

PACKETS: Final = (
    Entry(
        "mtu",
        whole(576, 65535, "bytes"),
        "work per packet happens less often: packets of another size",
        "net/core/dev.c netif_set_mtu; net/ipv4/tcp_output.c tcp_advertise_mss",
        "the MTU is that already",
        device.mtu,
    ),
    Entry(
        "gro",
        SWITCH,
        "TCP and IP handle one skb for many packets, or one for each",
        "net/core/gro.c dev_gro_receive; gro_max_size, include/linux/netdevice.h",
        "it is so already, the driver fixes it, or packets arrive aggregated by the sender",
        device.gro,
    ),
    Entry(
        "hw-checksum",
        switch_or("ipv4", "ipv4+ipv6", "any", "trusted"),
        "the device verifies checksums (on, or of these packets only), or a CPU passes over every byte (off)",
        "include/linux/skbuff.h CHECKSUM_*; net/ipv4/tcp_offload.c tcp4_gro_receive; D. Miller, 2001",
        "it is so already, or the driver fixes it; which packets a device verifies is a question",
        device.checksum,
    ),
    Entry(
        "napi",
        SWITCH,
        "the driver polls under load instead of taking an interrupt a packet",
        "Documentation/networking/napi.rst; Linux 2.4.20 and 2.6; drivers/net/veth.c veth_set_features, 5.13",
        "the driver does so since 2.4.20 or 2.6; a veth does where GRO is on",
        device.napi,
        EVERY,
    ),
    Entry(
        "defrag-chain",
        ALWAYS,
        "a datagram's fragments are chained instead of copied into one piece",
        "D. Miller, 2001; net/ipv4/ip_fragment.c ip_frag_reasm of 2.4.0 and 2.4.17",
        "Linux 2.4.4 or later: they are",
        copies.defrag_chain,
        EVERY,
    ),
)
DEVICE: Final = (
    Entry(
        "coalesce-us",
        whole(0, 65535, "microseconds"),
        "the device waits that long before it interrupts: more packets an interrupt",
        "ethtool(8) -C; Documentation/networking/ethtool-netlink.rst",
        "the device has no such delay, or has that one already",
        device.coalesce,
    ),
    Entry(
        "ring",
        whole(1, 1 << 20, "packets"),
        "the device holds more packets before it drops, or fewer",
        "ethtool(8) -G; Documentation/networking/ethtool-netlink.rst",
        "the device has no ring of that size, or nothing was dropped",
        device.ring,
    ),
    Entry(
        "queues",
        whole(1, 4096, "queues"),
        "connections are spread over that many receive queues, interrupts and CPUs",
        "ethtool(8) -L; Documentation/networking/scaling.rst",
        "the device is virtual, has fewer or that many; one connection stays in one queue",
        device.queues,
    ),
    Entry(
        "dma-gbps",
        above_zero(FASTEST_GBPS, "Gbit/s"),
        "the bus between the device and memory carries that much",
        "bus rates: Li, thesis, UCL, appendix A.2; J. Hurwitz & W. Feng, Hot Interconnects 2003",
        "the device is virtual: no bus lies before its memory",
        questions.dma_gbps,
        EVERY,
    ),
    Entry(
        "dma-burst",
        whole(16, 65536, "bytes"),
        "what crosses that bus without asking again: fewer pauses between larger pieces",
        "PCI-X bursts of 512 to 4096 bytes: Intel support note CS-025829; setpci(8)",
        "the device is virtual: no bus lies before its memory",
        questions.dma_burst,
        EVERY,
    ),
)
ACKS: Final = (
    Entry(
        "prequeue-bypass",
        ALWAYS,
        "packets whose checksum is known are handled and acknowledged on arrival, not when the reader runs",
        "A. Kleen, linux-kernel, 27 June 2002: net/ipv4/tcp_ipv4.c tcp_v4_rcv of 2.4.18",
        "Linux 4.14 or later: no prequeue; the device verifies no checksum",
        acks.prequeue_bypass,
        EVERY,
    ),
    Entry(
        "prequeue",
        SWITCH,
        "every packet is handled on arrival (off), or waits for a reader that sleeps (on)",
        "net.ipv4.tcp_low_latency, 2.4.22 to 4.13; removed by F. Westphal, 2017 (4.14, merge 834e0ecf8109)",
        "Linux 4.14 or later: no prequeue; before 2.4.22 it needs another kernel",
        acks.prequeue,
        EVERY,
    ),
    Entry(
        "delack-ms",
        whole(1, 200, "milliseconds"),
        "how long an ACK may wait for company, at the most",
        "net/ipv4/tcp_output.c tcp_delack_max; net.ipv4.tcp_rto_min_us, Linux 6.11 (K. Yang, 2024)",
        "it is so already; before Linux 6.11 the bound is compiled in",
        acks.delack,
        EVERY,
    ),
    Entry(
        "quickack",
        SWITCH,
        "what arrives is acknowledged at once, not every second segment",
        "ip-route(8) quickack, Linux 3.11; net/ipv4/tcp_input.c tcp_in_quickack_mode",
        "it is so already, or the routes through the device are not simple",
        acks.quickack,
        EVERY,
    ),
    Entry(
        "rcvbuf",
        whole(4096, LARGEST_BUFFER_BYTES, "bytes"),
        "the window that TCP can offer: at most that much is under way in a round trip",
        "Documentation/networking/ip-sysctl.rst tcp_rmem; net/ipv4/tcp_input.c tcp_rcv_space_adjust",
        "the limit is that already, or the window does not limit",
        sockets.rcvbuf,
    ),
    Entry(
        "rtt-us",
        above_zero(1e8, "microseconds"),
        "a window is acknowledged once in that time",
        "W / RTT: RFC 7323, section 1.1; tc-netem(8)",
        "the window does not limit",
        questions.rtt_us,
        EVERY,
    ),
)
