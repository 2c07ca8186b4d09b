"""Kernel traces with a known truth: a receiver played by hand, printed as ftrace prints it."""

from dataclasses import dataclass, field

HEADER_BYTES = 52


@dataclass
class Trace:
    """Lines of a trace; each event is one microsecond after the last unless told otherwise."""

    now_us: int = 1_000_000
    lines: list[str] = field(default_factory=list)

    def event(self, name: str, payload: str, *, cpu: int = 0, tid: int = 90, after_us: int = 1) -> int:
        """Append one; its moment in nanoseconds."""
        self.now_us += after_us
        seconds, rest = divmod(self.now_us, 1_000_000)
        self.lines.append(f"     task-{tid}     [{cpu:03}] ..s1. {seconds:6}.{rest:06}: {name}: {payload}")
        return self.now_us * 1000

    def handed(self, skb: int, payload_bytes: int, *, gro=False, flow=7, device="eth0", **place) -> int:
        name = "napi_gro_receive_entry" if gro else "netif_rx_entry"
        size = payload_bytes + HEADER_BYTES
        fields = f"dev={device} napi_id=0x1 skbaddr={skb:016x} hash=0x{flow:08x} l4_hash=1 len={size} data_len=0"
        return self.event(name, fields, **place)

    def taken(self, skb: int, payload_bytes: int, *, device="eth0", **place) -> int:
        return self.event(
            "netif_receive_skb", f"dev={device} skbaddr={skb:016x} len={payload_bytes + HEADER_BYTES}", **place
        )

    def segment(self, skb: int, payload_bytes: int, *, port=1, **place) -> int:
        ends = f"family=AF_INET src=10.0.0.2:5201 dest=10.0.0.1:{port} mark=0x0"
        addresses = f"sock_cookie={port:x} skbaddr={skb:016x} skaddr={port:016x}"
        fields = f"{ends} data_len={payload_bytes % 65536} rcv_wnd=1 {addresses}"
        return self.event("tcp_probe", fields, **place)

    def copy(self, skb: int, size: int, *, port=1, tid=50, cpu=1, lasts_us=1) -> tuple[int, int]:
        begun = self.event("skb_copy_datagram_iovec", f"skbaddr={skb:016x} len={size}", cpu=cpu, tid=tid)
        ends = f"family=AF_INET sport=5201 dport={port} saddr=10.0.0.2 daddr=10.0.0.1"
        mapped = "saddrv6=::ffff:10.0.0.2 daddrv6=::ffff:10.0.0.1"
        over = self.event(
            "tcp_rcv_space_adjust", f"{ends} {mapped} sock_cookie={port:x}", cpu=cpu, tid=tid, after_us=lasts_us
        )
        return begun, over

    def returned(self, size: int, *, port=1, tid=50, cpu=1) -> int:
        who = f"sk address = {port:016x}, family = AF_INET protocol = IPPROTO_TCP"
        fields = f"{who}, length = {size}, error = 0, flags = 0x0"
        return self.event("sock_recv_length", fields, cpu=cpu, tid=tid)

    def dropped(self, skb: int, **place) -> int:
        fields = f"skbaddr={skb:016x} rx_sk=0 protocol=2048 location=tcp_data_queue+0x1/0x2 reason: TCP_OLD_DATA"
        return self.event("kfree_skb", fields, **place)

    def switched(self, from_tid: int, to_tid: int, *, cpu=1) -> int:
        was, will = (
            f"prev_comm=a prev_pid={from_tid} prev_prio=120 prev_state=S",
            f"next_comm=b next_pid={to_tid} next_prio=120",
        )
        return self.event("sched_switch", f"{was} ==> {will}", cpu=cpu, tid=from_tid)

    def saved(self, folder):
        """The trace as a file."""
        file = folder / "packets.txt"
        file.write_text("# tracer: nop\n#\n" + "\n".join(self.lines) + "\n")
        return file


def socket_name(port=1) -> str:
    return f"10.0.0.1:{port} > 10.0.0.2:5201"
