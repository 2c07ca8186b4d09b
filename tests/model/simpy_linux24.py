"""The rules of `zcanalysis.model.linux24` a second time, as SimPy processes with real queues: the oracle."""

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import simpy
from simpy.events import Event

from zcanalysis.model.linux24 import Linux24

Steps = Generator[Event, Any, Any]
LAST = 9  # priority of an event that waits for all others of its nanosecond


def price_ns(n_bytes: int, ps_per_byte: int) -> int:
    whole, rest = divmod(n_bytes * ps_per_byte, 1000)
    return whole + (rest > 0)


@dataclass
class Segment:
    number: int
    unread: int
    summed: bool
    arrived_ns: int = 0
    softirq_ns: int = 0
    copied_ns: int = 0
    acked_ns: int = -1
    queue: str = ""


@dataclass
class Socket:
    """What struct sock and struct tcp_opt remember, in bytes."""

    receive_queue: deque[Segment] = field(default_factory=deque)
    prequeue: deque[Segment] = field(default_factory=deque)
    backlog: deque[Segment] = field(default_factory=deque)
    locked: bool = False
    ucopy: bool = False
    ucopy_len: int = 0
    copied_seq: int = 0
    rcv_nxt: int = 0
    rcv_wup: int = 0
    rcv_wnd: int = 0
    ack_scheduled: bool = False
    ack_blocked: bool = False
    timer_ns: int | None = None


class World:
    """One transfer from time 0 until the last byte is copied."""

    def __init__(self, host: Linux24, packets: int) -> None:
        self.env = simpy.Environment()
        self.host, self.packets, self.socket = host, packets, Socket()
        self.clamp = host.window_bytes
        if self.clamp > 2 * host.mss_bytes:
            self.clamp = max(2 * host.mss_bytes, host.window_bytes - host.mss_bytes)
        self.socket.rcv_wnd = self.clamp - self.clamp % host.mss_bytes
        self.edge = self.socket.rcv_wnd
        summed = host.hardware_checksum == "verified"
        summed |= host.hardware_checksum == "summed" and not host.netfilter_hooks
        self.segments = [Segment(number, host.mss_bytes, summed) for number in range(packets)]
        self.ring: deque[Segment] = deque()
        self.window_opened = self.env.event()
        self.cpu_wanted = self.env.event()
        self.interruptible: simpy.Process | None = None
        self.asleep = False
        self.woken_ns = 0
        self.acks = self.delayed_acks = self.scheduler_failed = self.wake_ups = 0
        self.wire: simpy.Store = simpy.Store(self.env)
        self.env.process(self.sender())
        self.env.process(self.link())
        self.cpu = self.env.process(self.reader())

    # sender and link

    def sender(self) -> Steps:
        for segment in self.segments:
            while (segment.number + 1) * self.host.mss_bytes > self.edge:
                yield self.window_opened
            yield self.env.timeout(self.host.sender_packet_ns)
            self.wire.put(segment)

    def link(self) -> Steps:
        while True:
            segment = yield self.wire.get()
            n_bytes = self.host.mss_bytes + self.host.framing_bytes
            yield self.env.timeout(price_ns(n_bytes, self.host.link_ps_per_byte))
            self.env.process(self.deliver(segment))

    def deliver(self, segment: Segment) -> Steps:
        yield self.env.timeout(self.host.delay_ns)
        segment.arrived_ns = self.env.now
        self.ring.append(segment)
        self.want_cpu()

    def carry_ack(self, edge: int) -> Steps:
        yield self.env.timeout(self.host.delay_ns)
        self.edge = max(self.edge, edge)
        opened, self.window_opened = self.window_opened, self.env.event()
        opened.succeed()

    # who has the CPU

    def want_cpu(self) -> None:
        if self.interruptible:
            self.interruptible.interrupt()
            self.interruptible = None
        wanted, self.cpu_wanted = self.cpu_wanted, self.env.event()
        wanted.succeed()

    def settle(self) -> Event:
        event = Event(self.env)
        event._ok, event._value = True, None
        self.env.schedule(event, LAST)
        return event

    def interrupts(self) -> Steps:
        """Serves what is due, oldest first, until nothing is."""
        while True:
            yield self.settle()
            timer_ns = self.socket.timer_ns
            timer_due = timer_ns is not None and timer_ns <= self.env.now
            if self.ring and not (timer_due and timer_ns < self.ring[0].arrived_ns):
                yield from self.packet(self.ring.popleft())
            elif timer_due:
                yield from self.delack_timer()
            else:
                return

    def process_work(self, ns: int, masked: bool = False) -> Steps:
        yield from self.interrupts()
        if masked:
            yield self.env.timeout(ns)
            return
        while ns > 0:
            started = self.env.now
            self.interruptible = self.cpu
            try:
                yield self.env.timeout(ns)
                ns = 0
                self.interruptible = None
            except simpy.Interrupt:
                ns -= self.env.now - started
                if ns > 0:
                    yield from self.interrupts()

    def sleep(self) -> Steps:
        self.asleep, self.socket.locked = True, False
        while self.asleep:
            wanted = self.cpu_wanted
            yield from self.interrupts()
            if self.asleep and not wanted.triggered:
                yield wanted
        ready = self.woken_ns + self.host.reader_delay_ns
        while self.env.now < ready:
            wanted = self.cpu_wanted
            yield from self.interrupts()
            if self.env.now < ready and not wanted.triggered:
                yield wanted | self.env.timeout(ready - self.env.now)
        yield from self.process_work(self.host.schedule_ns)

    # interrupt context

    def packet(self, segment: Segment) -> Steps:
        host, socket = self.host, self.socket
        yield self.env.timeout(host.interrupt_packet_ns)
        yield self.env.timeout(host.softirq_packet_ns)
        if not segment.summed and host.mss_bytes + 32 <= 76:
            yield self.env.timeout(price_ns(host.mss_bytes, host.checksum_ps_per_byte))
            segment.summed = True
        segment.softirq_ns = self.env.now
        if socket.locked:
            segment.queue = "backlog"
            socket.backlog.append(segment)
        elif socket.ucopy and host.prequeue and not (host.kleen_bypass and segment.summed):
            segment.queue = "prequeue"
            socket.prequeue.append(segment)
            if len(socket.prequeue) == 1:
                yield from self.wake_reader()
                if not socket.ack_scheduled:
                    self.set_timer(self.env.now + host.prequeue_timer_ns)
        else:
            segment.queue = "direct"
            yield from self.tcp_in_softirq(segment)

    def tcp_in_softirq(self, segment: Segment) -> Steps:
        yield self.env.timeout(self.host.tcp_packet_ns)
        if not segment.summed:
            yield self.env.timeout(price_ns(self.host.mss_bytes, self.host.checksum_ps_per_byte))
        if self.queue_wants_ack(segment):
            yield self.env.timeout(self.host.ack_ns)
            self.ack_leaves()
        yield from self.wake_reader()

    def wake_reader(self) -> Steps:
        if self.asleep:
            yield self.env.timeout(self.host.wake_ns)
            self.asleep, self.woken_ns = False, self.env.now
            self.wake_ups += 1

    def delack_timer(self) -> Steps:
        socket = self.socket
        if socket.locked:
            socket.ack_blocked = True
            self.set_timer(self.env.now + self.host.delack_ns)
            return
        socket.timer_ns = None
        self.scheduler_failed += bool(socket.prequeue)
        while socket.prequeue:
            yield from self.tcp_in_softirq(socket.prequeue.popleft())
        if socket.ack_scheduled:
            self.delayed_acks += 1
            yield self.env.timeout(self.host.ack_ns)
            self.ack_leaves()

    # ACKs

    def set_timer(self, at_ns: int) -> None:
        self.socket.timer_ns = at_ns

        def expire() -> Steps:
            yield self.env.timeout(at_ns - self.env.now)
            if self.socket.timer_ns == at_ns:
                self.want_cpu()

        self.env.process(expire())

    def selected_window(self) -> int:
        mss = self.host.mss_bytes
        free = self.host.window_bytes - mss * len(self.socket.receive_queue)
        if free < self.clamp // 2 and free < mss:
            return 0
        free = min(free, self.clamp)
        if free - mss < self.socket.rcv_wnd <= free:
            return self.socket.rcv_wnd
        return free - free % mss

    def still_open(self) -> int:
        return self.socket.rcv_wup + self.socket.rcv_wnd - self.socket.rcv_nxt

    def ack_leaves(self) -> None:
        socket = self.socket
        window = max(self.selected_window(), self.still_open())
        for segment in self.segments[socket.rcv_wup // self.host.mss_bytes : socket.rcv_nxt // self.host.mss_bytes]:
            segment.acked_ns = self.env.now
        socket.rcv_wup, socket.rcv_wnd = socket.rcv_nxt, window
        socket.ack_scheduled = socket.ack_blocked = False
        socket.timer_ns = None
        self.acks += 1
        self.env.process(self.carry_ack(socket.rcv_wup + socket.rcv_wnd))

    def queue_wants_ack(self, segment: Segment) -> bool:
        socket = self.socket
        socket.receive_queue.append(segment)
        socket.rcv_nxt += self.host.mss_bytes
        socket.ack_scheduled = True
        if socket.rcv_nxt - socket.rcv_wup > self.host.mss_bytes and self.selected_window() >= socket.rcv_wnd:
            return True
        return self.delayed_ack_is_now()

    def delayed_ack_is_now(self) -> bool:
        socket, now, ato = self.socket, self.env.now, self.host.delack_ns
        socket.ack_scheduled = True
        if socket.timer_ns is None:
            self.set_timer(now + ato)
        elif socket.ack_blocked or socket.timer_ns <= now + ato // 4:
            return True
        elif now + ato < socket.timer_ns:
            self.set_timer(now + ato)
        return False

    # the reader's process

    def send_ack(self) -> Steps:
        yield from self.process_work(self.host.ack_ns, masked=True)
        self.ack_leaves()

    def tcp_in_process(self, segment: Segment) -> Steps:
        host, socket = self.host, self.socket
        yield from self.process_work(host.tcp_packet_ns, masked=True)
        if socket.ucopy and socket.copied_seq == socket.rcv_nxt and host.mss_bytes <= socket.ucopy_len:
            price = host.copy_ps_per_byte if segment.summed else host.copy_and_checksum_ps_per_byte
            yield from self.process_work(price_ns(host.mss_bytes, price))
            segment.copied_ns = self.env.now
            socket.copied_seq += host.mss_bytes
            socket.rcv_nxt += host.mss_bytes
            socket.ucopy_len -= host.mss_bytes
            if self.delayed_ack_is_now():
                yield from self.send_ack()
            return
        if not segment.summed:
            yield from self.process_work(price_ns(host.mss_bytes, host.checksum_ps_per_byte))
        if self.queue_wants_ack(segment):
            yield from self.send_ack()

    def take(self, queue: deque[Segment]) -> Steps:
        while queue:
            yield from self.tcp_in_process(queue.popleft())

    def cleanup(self, copied: int) -> Steps:
        socket, due = self.socket, False
        if socket.ack_scheduled:
            due = socket.ack_blocked or socket.rcv_nxt - socket.rcv_wup > self.host.mss_bytes
        if not due and copied > 0 and 2 * self.still_open() <= self.clamp:
            due = self.selected_window() > 0 and self.selected_window() >= 2 * self.still_open()
        if due:
            yield from self.send_ack()

    def copy_from_queue(self) -> Steps:
        segment = self.socket.receive_queue[0]
        part = min(segment.unread, self.socket.ucopy_len)
        yield from self.process_work(price_ns(part, self.host.copy_ps_per_byte))
        segment.unread -= part
        self.socket.copied_seq += part
        self.socket.ucopy_len -= part
        if segment.unread == 0:
            segment.copied_ns = self.env.now
            self.socket.receive_queue.popleft()

    def recv(self) -> Steps:
        socket, size = self.socket, self.host.reader_bytes
        socket.locked, socket.ucopy, socket.ucopy_len = True, False, size
        while socket.ucopy_len > 0 and not self.done():
            if socket.receive_queue:
                yield from self.copy_from_queue()
                continue
            copied = size - socket.ucopy_len
            if self.host.reader == "polling" or (copied and not socket.backlog):
                break
            yield from self.cleanup(copied)
            socket.ucopy = True
            if not socket.prequeue:
                yield from self.take(socket.backlog)
                if socket.ucopy_len == size and not socket.receive_queue:
                    yield from self.sleep()
                    socket.locked = True
            if socket.copied_seq == socket.rcv_nxt:
                yield from self.take(socket.prequeue)
        if self.done():
            return
        yield from self.take(socket.prequeue)
        socket.ucopy = False
        yield from self.cleanup(size - socket.ucopy_len)
        yield from self.take(socket.backlog)
        socket.locked = False

    def done(self) -> bool:
        return self.socket.copied_seq == self.packets * self.host.mss_bytes

    def reader(self) -> Steps:
        if self.host.reader == "blocking":
            yield from self.recv()
        while not self.done():
            if self.host.reader == "polling" and not self.socket.receive_queue:
                yield from self.sleep()
            yield from self.process_work(self.host.syscall_ns)
            yield from self.recv()
            if self.host.reader == "polling" and not self.done():
                yield from self.process_work(self.host.syscall_ns)


def simulated(host: Linux24, packets: int) -> World:
    """The world after its last byte was copied."""
    world = World(host, packets)
    world.env.run(until=world.cpu)
    return world
