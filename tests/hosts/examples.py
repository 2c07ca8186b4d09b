"""Two small hosts with numbers that are easy to follow."""

from zcanalysis.hosts import (
    Checksum,
    Copy,
    Driver,
    Gro,
    Host,
    Interrupt,
    Ip,
    Link,
    Nic,
    Places,
    Price,
    Queue,
    Reader,
    Scheduler,
    Sender,
    Socket,
    Softirq,
    Tcp,
)  # fmt: skip


def price(value, low=None, high=None):
    return Price(value, value / 2 if low is None else low, value * 2 if high is None else high, "assumed", "a test")


def host_of_linux6(**sections):
    given = {
        "name": "six",
        "generation": "linux-6",
        "sender": Sender(write_ns_per_byte=price(0.1), packet_ns=price(100), burst_ns=price(1000), ack_ns=price(700)),
        "link": Link(delay_ns=price(0), mss_bytes=1448),
        "nic": Nic(hardware_checksum="verified"),
        "interrupt": Interrupt(receive_ns=price(900), send_ns=price(400)),
        "driver": Driver(packet_ns=price(150)),
        "gro": Gro(packet_ns=price(90), most_bytes=65160),
        "softirq": Softirq(run_ns=price(300), handover_ns=price(80)),
        "ip": Ip(skb_ns=price(200)),
        "checksum": Checksum(ns_per_byte=price(0.25)),
        "tcp": Tcp(skb_ns=price(500), ack_ns=price(800)),
        "socket": Socket(window_bytes=1 << 20),
        "reader": Reader(wake_ns=price(600), schedule_ns=price(1500), syscall_ns=price(250)),
        "copy": Copy(ns_per_byte=price(0.0625), packet_ns=price(30), free_packets=64),
        "scheduler": Scheduler(),
        "places": Places(sender_cpu=0, driver_cpu=0, protocol_cpu=1, reader_cpu=2),
        "queues": (Queue(queue=0, irq=24, cpus=(0, 1), numa=0),),
    }
    return Host(**(given | sections))


def host_of_linux24(**sections):
    given = {
        "name": "two-four",
        "generation": "linux-2.4",
        "sender": Sender(write_ns_per_byte=price(2.0), packet_ns=price(1000)),
        "link": Link(gbps=price(3.2), delay_ns=price(5000), mss_bytes=8000, framing_bytes=100),
        "nic": Nic(),
        "interrupt": Interrupt(receive_ns=price(900)),
        "driver": Driver(packet_ns=price(1100)),
        "gro": Gro(),
        "softirq": Softirq(run_ns=price(300)),
        "ip": Ip(skb_ns=price(450)),
        "checksum": Checksum(ns_per_byte=price(0.5), fused_ns_per_byte=price(2.75)),
        "tcp": Tcp(skb_ns=price(1500), ack_ns=price(2000), prequeue=True),
        "socket": Socket(window_bytes=65535),
        "reader": Reader(
            wake_ns=price(600),
            schedule_ns=price(4000),
            syscall_ns=price(700),
            delay_ns=price(10000),
            buffer_bytes=65536,
        ),
        "copy": Copy(ns_per_byte=price(2.25)),
        "scheduler": Scheduler(),
        "places": Places(driver_cpu=0, protocol_cpu=0, reader_cpu=0),
    }
    return Host(**(given | sections))
