"""The rules of `zcanalysis.model.linux6` a second time, as SimPy processes with real queues: the oracle."""

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

import simpy
from simpy.events import Event

from zcanalysis.model.linux6 import Linux6

Steps = Generator[Event, Any, Any]
SENDER, READER, HOGS = 0, 1, 2
OTHER = 4  # the CPU of another machine
STEP_PACKETS, NAPI_WEIGHT = 8, 64
# what comes first at one nanosecond: what is felt at once, arrivals, then CPUs by number from FIRST_CPU, then these
AT_ONCE, ARRIVAL, FIRST_CPU, DEVICE, ACKS, TIMER, TICK = 0, 2, 10, 20, 21, 22, 23


COUNTED = (
    "acks", "delayed_acks", "interrupts", "wake_ups", "sender_wake_ups", "runs", "backlogged", "calls", "bursts",
    "signals", "skbs",
)  # fmt: skip


def price_ns(n_bytes: int, ps_per_byte: int) -> int:
    whole, rest = divmod(n_bytes * ps_per_byte, 1000)
    return whole + (rest > 0)


@dataclass
class Socket:
    """The receiver's end, in packets."""

    queue: int = 0
    backlog: list[int] = field(default_factory=list)
    owned: bool = False
    taken: int = 0  # rcv_nxt
    acknowledged: int = 0  # rcv_wup
    edge: int = 0
    timer: Event | None = None


@dataclass
class Work:
    """A piece of work that a CPU does; at its end `effects` says what happens, and may ask for more time first."""

    duration_ns: int
    effects: Callable[[], None]
    interruptible: bool = False
    owner: int | None = None
    longer_ns: Callable[[], int] = lambda: 0
    ours: bool = True
    counted: int = 1  # every how many-th nanosecond is the CPU's


@dataclass
class Stage:
    """A NAPI queue: the driver's or the protocol's."""

    cpu: int
    waiting: deque[tuple[int, int]] = field(default_factory=deque)  # when it came, packets
    held: deque[bool] = field(default_factory=deque)  # whether each is from a device, of the first stage only
    scheduled: bool = False
    listed: bool = False  # on its CPU's poll list
    in_run: int = 0
    fresh: bool = True
    alarm: Event | None = None


class Cpu:
    """One CPU: a loop of choosing and working."""

    def __init__(self, world: "World", number: int) -> None:
        self.world, self.number = world, number
        self.owed: list[str] = []
        self.interrupted_for: list[str] = []
        self.leaves_idle = False
        self.transmission_left = False
        self.holder = HOGS  # so that the order begins with the sender
        self.runnable: list[int] = []
        self.credit_ns = {SENDER: 0, READER: 0}
        self.called_ns: dict[int, int] = {}
        self.credited_ns = 0
        self.remnant: dict[int, Work] = {}
        self.state = "starting"
        self.busy_ns = 0
        self.working_since: int | None = None
        self.counted = 1
        self.process = world.env.process(self.loop())

    def loop(self) -> Steps:
        world = self.world
        while True:
            self.state = "choosing"
            work = world.choose(self)
            if work is None:
                self.state = "idle"
                try:
                    yield world.env.event()
                except simpy.Interrupt:
                    continue
            while work is not None:
                self.state = "process" if work.interruptible else "closed"
                start_ns = world.env.now
                self.working_since, self.counted = (start_ns if work.ours else None), work.counted
                try:
                    yield world.later(work.duration_ns, FIRST_CPU + self.number)
                except simpy.Interrupt:
                    work.duration_ns -= world.env.now - start_ns
                    assert work.owner is not None
                    self.remnant[work.owner] = work
                    self.spend(start_ns, work)
                    break
                self.spend(start_ns, work)
                self.state = "choosing"
                work.duration_ns = work.longer_ns()
                if work.duration_ns == 0:
                    work.effects()
                    break
                work.longer_ns = lambda: 0

    def spend(self, start_ns: int, work: Work) -> None:
        if work.ours:
            self.busy_ns += (self.world.env.now - start_ns) // work.counted
        self.working_since = None

    def wake(self, process: int) -> None:
        """It can run; at once before the hogs, unless it had more than its share."""
        self.settle()
        called_ns = self.called_ns.pop(process, self.world.env.now)
        self.runnable.append(process)
        if HOGS in self.runnable and self.holder == HOGS and self.credit_ns[process] >= 0:
            self.holder = process
            self.credit_ns[process] -= self.world.host.hogs * (self.world.env.now - called_ns)

    def sleep(self, process: int) -> None:
        self.settle()
        self.runnable.remove(process)

    def settle(self) -> None:
        """Who could not run though it wanted to is owed the time, who ran pays it to each of the hogs."""
        host, now = self.world.host, self.world.env.now
        passed_ns, self.credited_ns = now - self.credited_ns, now
        most_ns = (host.hogs + 1) * host.slice_ns
        for process, credit_ns in self.credit_ns.items():
            if process in self.runnable:
                owed_ns = -host.hogs * passed_ns if process == self.holder else passed_ns
                self.credit_ns[process] += owed_ns
            elif credit_ns < 0:
                self.credit_ns[process] = min(0, max(-most_ns, credit_ns) + passed_ns // 2)
            else:
                self.credit_ns[process] = min(most_ns, credit_ns)

    def look(self) -> None:
        """Something new for this CPU: it looks at once if it is idle or does a process's work."""
        if self.state in ("idle", "process"):
            self.state = "stopping"
            self.process.interrupt()

    def interrupt(self, why: str) -> None:
        self.leaves_idle = self.leaves_idle or (self.state == "idle" and self.world.host.idle_exit_ns > 0)
        self.interrupted_for.append(why)
        self.look()

    def pass_on(self) -> None:
        """Sender or reader, the one that has it not if both may, then hogs."""
        ready = [process for process in self.runnable if process != HOGS and self.credit_ns[process] >= 0]
        if ready:
            first = SENDER if self.holder == READER else READER
            self.holder = first if first in ready else ready[0]
        elif HOGS in self.runnable:
            self.holder = HOGS


class World:
    """One transfer from time 0 until the last byte is copied."""

    def __init__(self, host: Linux6, packets: int) -> None:
        self.env = simpy.Environment()
        self.host, self.packets = host, packets
        mss = host.mss_bytes
        self.local = host.sender_cpu is not None
        self.wired = not self.local or host.link_ps_per_byte > 0
        largest_window = min(host.window_bytes, host.ssthresh_bytes)
        self.gso = max(min(host.gso_bytes, largest_window // 2) // mss, 1)
        self.gro = max(host.gro_bytes // mss, 1)
        self.window = host.window_bytes // mss
        self.cwnd = max(host.cwnd_bytes // mss, 1)
        self.tsq = max(host.tsq_bytes // mss, 2)
        self.sndbuf = host.sndbuf_bytes // mss
        self.buffer = max(host.reader_bytes // mss, 1)
        self.checksum_ns = price_ns(mss, host.checksum_ps_per_byte) + host.ip_packet_ns
        self.copy_ns = price_ns(mss, host.copy_ps_per_byte) + host.copy_packet_ns
        self.write_ns = price_ns(mss, host.write_ps_per_byte)
        self.wire_ns = price_ns(mss + host.framing_bytes, host.link_ps_per_byte)
        self.ssthresh = host.ssthresh_bytes // mss
        self.socket = Socket(edge=min(self.window, self.ssthresh))
        self.timer_due = False
        # the sender's end
        self.written = self.sent = self.acked = self.by_ip = 0
        self.edge = self.socket.edge
        self.sender_asleep = False
        self.bucket_ns = price_ns(host.bucket_bytes, host.link_ps_per_byte) if self.local else 0
        self.wire_free_ns = self.last_left_ns = self.last_there_ns = 0
        self.on_the_way = 0
        # the reader
        self.reader_asleep = True
        self.copied = self.freed = 0
        self.free_on_its_way = False
        self.reader_script = self.reader_steps()
        self.counts = dict.fromkeys(COUNTED, 0)
        self.finished = self.env.event()
        # the stages
        self.protocol = Stage(host.protocol_cpu)
        self.steered = host.driver_cpu not in (None, host.protocol_cpu)
        self.driver = None if host.driver_cpu is None else Stage(host.driver_cpu)
        self.first = self.driver or self.protocol
        self.merging = 0  # packets of the skb that GRO holds
        self.sender_cpu = OTHER if host.sender_cpu is None else host.sender_cpu
        self.cpus = [Cpu(self, number) for number in range(OTHER + 1)]
        self.cpus[self.sender_cpu].runnable.append(SENDER)
        if host.hogs:
            self.cpus[host.reader_cpu].runnable.append(HOGS)
        for cpu in self.cpus:
            cpu.pass_on()
        if host.hogs or self.sender_cpu == host.reader_cpu:
            self.env.process(self.ticks(self.cpus[host.reader_cpu]))

    # time

    def later(self, delay_ns: int, priority: int) -> Event:
        event = self.env.event()
        event._ok, event._value = True, None
        self.env.schedule(event, priority, delay_ns)  # type: ignore[arg-type]
        return event

    def run(self) -> None:
        for _ in range(5_000_000):
            if self.finished.triggered:
                return
            self.env.step()
        raise RuntimeError("the transfer hardly moves")

    def ticks(self, cpu: Cpu) -> Steps:
        while True:
            yield self.later(self.host.slice_ns, TICK)
            before = cpu.holder
            cpu.settle()
            cpu.pass_on()
            if cpu.holder != before and cpu.state == "process":
                cpu.look()

    # what a CPU does next

    def choose(self, cpu: Cpu) -> Work | None:  # noqa: PLR0911 - one line of the rules each
        if cpu.leaves_idle:
            cpu.leaves_idle = False
            return Work(self.host.idle_exit_ns, lambda: None, counted=2)
        for signal in ("first", "protocol", "reader", "sender", "freed"):
            if signal in cpu.owed:
                cpu.owed.remove(signal)
                self.counts["signals"] += 1
                return Work(self.host.send_interrupt_ns, self.signalled(signal))
        if cpu.interrupted_for:
            why, cpu.interrupted_for = cpu.interrupted_for, []
            self.counts["interrupts"] += 1
            by_shaper = self.local and set(why) == {"device"}
            return Work(0 if by_shaper else self.host.interrupt_ns, lambda: self.interrupt_done(cpu, why))
        if self.protocol.cpu == cpu.number and self.socket.backlog and not self.socket.owned:
            return self.left_behind(cpu)
        if self.driver is not None and self.driver.cpu == cpu.number and self.driver.listed:
            return self.driver_step(cpu, self.driver)
        if self.protocol.cpu == cpu.number and self.protocol.listed:
            return self.protocol_step(cpu)
        if self.protocol.cpu == cpu.number and self.timer_due and not self.socket.owned:
            return self.timer_ack(cpu)
        if cpu.transmission_left:
            if self.may_transmit():
                return self.transmit(cpu)
            cpu.transmission_left = False
        return self.process_work(cpu)

    def process_work(self, cpu: Cpu) -> Work | None:
        while cpu.runnable:
            if cpu.holder not in cpu.runnable:
                cpu.pass_on()
            holder = cpu.holder
            if holder in cpu.remnant:
                return cpu.remnant.pop(holder)
            if holder == HOGS:
                return Work(1 << 60, lambda: None, interruptible=True, owner=HOGS, ours=False)
            work = self.sender_work(cpu) if holder == SENDER else next(self.reader_script)
            if work is not None:
                return work
            cpu.sleep(holder)
        return None

    def signalled(self, signal: str) -> Callable[[], None]:
        """A CPU at work is interrupted now, an idle one when this has been sent."""
        felt = []

        def at_once(_: Event) -> None:
            if self.target(signal).state != "idle":
                self.target(signal).interrupt(signal)
                felt.append(signal)

        self.later(0, AT_ONCE).callbacks.append(at_once)  # type: ignore[union-attr]
        return lambda: None if felt else self.target(signal).interrupt(signal)

    def target(self, signal: str) -> Cpu:
        targets = {"first": self.first.cpu, "protocol": self.protocol.cpu, "reader": self.host.reader_cpu}
        return self.cpus[targets.get(signal, self.sender_cpu)]

    def interrupt_done(self, cpu: Cpu, why: list[str]) -> None:
        if "protocol" in why:
            self.protocol.listed = True
        if "first" in why or "device" in why:
            self.first.listed = True
        if "reader" in why:
            cpu.wake(READER)
        if "sender" in why:
            cpu.wake(SENDER)
        if "freed" in why:
            self.free_on_its_way = False

    # sender

    def may_transmit(self) -> int:
        """Packets of the burst that may go now."""
        written, in_flight = self.written - self.sent, self.sent - self.acked
        burst = min(self.gso, written, self.edge - self.sent, self.cwnd - in_flight)
        if self.local:
            burst = min(burst, self.by_ip + self.tsq - self.sent)
        if burst <= 0:
            return 0
        window = min(self.edge - self.acked, self.cwnd)
        if in_flight and burst < written and burst < self.gso and 3 * burst < window:
            return 0
        return burst

    def transmit(self, cpu: Cpu, owner: int | None = None) -> Work:
        host, burst = self.host, self.may_transmit()
        self.sent += burst
        self.counts["bursts"] += 1
        leaves_ns, held = [], False
        for number in range(burst):
            sent_ns = self.env.now + host.send_burst_ns + (number + 1) * host.send_packet_ns
            left_ns, held = self.through_the_wire(sent_ns) if self.wired else (sent_ns, False)
            self.last_left_ns = max(self.last_left_ns, left_ns)
            leaves_ns.append(self.last_left_ns)
        nothing_waits = not self.first.scheduled and not self.first.waiting and not self.on_the_way
        if held and self.local and host.follows and nothing_waits:
            self.move_first(cpu)
        self.on_the_way += burst
        for left_ns in leaves_ns:
            there_ns = (leaves_ns[-1] if self.wired and self.local else left_ns) + host.delay_ns * held
            if self.wired and self.local:
                there_ns = self.last_there_ns = max(there_ns, self.last_there_ns)
            there = self.later(there_ns - self.env.now, ARRIVAL)
            there.callbacks.append(lambda _: self.arrive(held))  # type: ignore[union-attr]
        duration_ns = host.send_burst_ns + burst * host.send_packet_ns
        return Work(duration_ns, lambda: None if held else self.notice(cpu, self.first), owner=owner)

    def through_the_wire(self, sent_ns: int) -> tuple[int, bool]:
        """When a packet is through, and whether it was held: a bucket is empty as long as the wire is busy ahead."""
        saved_ns = self.bucket_ns
        self.wire_free_ns = max(self.wire_free_ns, sent_ns - saved_ns) + self.wire_ns
        held = not self.local or self.wire_free_ns > max(sent_ns, self.last_left_ns)
        return max(sent_ns, self.wire_free_ns), held

    def move_first(self, cpu: Cpu) -> None:
        self.first.cpu = cpu.number
        if not self.steered:
            self.protocol.cpu = cpu.number

    def notice(self, cpu: Cpu, stage: Stage) -> None:
        """Without a device: who puts packets into a queue sees that they are taken."""
        if not stage.waiting or stage.scheduled or (stage.held and stage.held[0]):
            return
        stage.scheduled = True
        if stage is self.first and self.host.follows:
            self.move_first(cpu)
        if stage.cpu == cpu.number:
            stage.listed = True
        else:
            cpu.owed.append("first" if stage is self.first else "protocol")

    def sender_work(self, cpu: Cpu) -> Work | None:
        if self.may_transmit():
            return self.transmit(cpu, SENDER)
        packets = min(self.gso, self.packets - self.written, self.sndbuf - (self.written - self.acked))
        if packets > 0:
            return Work(packets * self.write_ns, lambda: self.write_done(packets), interruptible=True, owner=SENDER)
        self.sender_asleep = True
        return None

    def write_done(self, packets: int) -> None:
        self.written += packets

    def ack_arrives(self, cpu: Cpu, acknowledged: int, edge: int) -> None:
        """The sender's end handles an ACK, on this CPU."""
        self.acked, self.edge = max(self.acked, acknowledged), max(self.edge, edge)
        self.someone_transmits(cpu)
        if self.sender_asleep and self.written < self.packets and 3 * (self.written - self.acked) <= 2 * self.sndbuf:
            self.sender_asleep = False
            self.counts["sender_wake_ups"] += 1
            if self.sender_cpu == cpu.number:
                cpu.wake(SENDER)
            else:
                cpu.owed.append("sender")
                self.cpus[self.sender_cpu].called_ns[SENDER] = self.env.now

    def someone_transmits(self, cpu: Cpu) -> None:
        if self.sender_asleep and self.may_transmit():
            cpu.transmission_left = True

    # link and device

    def arrive(self, held: bool) -> None:
        self.on_the_way -= 1
        self.first.waiting.append((self.env.now, 1))
        self.first.held.append(held)
        self.device_looks()

    def device_looks(self) -> None:
        stage = self.first
        if not self.wired or stage.scheduled or not stage.waiting or stage.alarm is not None or not stage.held[0]:
            return
        due_ns = max(self.env.now, stage.waiting[0][0] + self.host.coalesce_ns)
        stage.alarm = self.later(due_ns - self.env.now, DEVICE)
        stage.alarm.callbacks.append(lambda _: self.device_interrupts())  # type: ignore[union-attr]

    def device_interrupts(self) -> None:
        stage = self.first
        stage.alarm = None
        stage.scheduled = True
        self.cpus[stage.cpu].interrupt("device")

    # the driver's poll

    def driver_step(self, cpu: Cpu, stage: Stage) -> Work:
        host = self.host
        packets = min(len(stage.waiting), STEP_PACKETS, NAPI_WEIGHT - stage.in_run)
        price_of_packet_ns = host.driver_packet_ns + (host.gro_packet_ns if host.gro_bytes else 0)
        duration_ns = packets * price_of_packet_ns + self.softirq_ns(stage)
        skbs = []
        for _ in range(packets):
            stage.waiting.popleft()
            stage.held.popleft()
            self.merging += 1
            if self.merging == self.gro:
                skbs.append(self.merging)
                self.merging = 0
        stage.in_run += packets
        ends = stage.in_run == NAPI_WEIGHT or not stage.waiting
        if ends and self.merging:
            skbs.append(self.merging)
            self.merging = 0
        if ends:
            stage.in_run = 0
        if self.steered:
            duration_ns += len(skbs) * host.handover_skb_ns
            return Work(duration_ns, lambda: self.hand_over(cpu, stage, skbs))
        taking_ns, effects, longer_ns = self.take(cpu, skbs)

        def done() -> None:
            effects()
            self.run_may_end(stage)

        return Work(duration_ns + taking_ns, done, longer_ns=longer_ns)

    def hand_over(self, cpu: Cpu, stage: Stage, skbs: list[int]) -> None:
        self.protocol.waiting.extend((self.env.now, skb) for skb in skbs)
        self.notice(cpu, self.protocol)
        self.run_may_end(stage)

    def softirq_ns(self, stage: Stage) -> int:
        if not stage.fresh:
            return 0
        stage.fresh = False
        self.counts["runs"] += 1
        return self.host.softirq_ns

    def run_may_end(self, stage: Stage) -> None:
        if not stage.waiting:
            stage.scheduled = stage.listed = False
            stage.fresh, stage.in_run = True, 0
        self.device_looks()

    # the protocol

    def protocol_step(self, cpu: Cpu) -> Work:
        stage, skbs, duration_ns = self.protocol, list[int](), 0
        while stage.waiting and (not skbs or sum(skbs) + stage.waiting[0][1] <= STEP_PACKETS):
            skbs.append(stage.waiting.popleft()[1])
            if stage is self.first:
                stage.held.popleft()
        duration_ns = self.softirq_ns(stage)
        taking_ns, effects, longer_ns = self.take(cpu, skbs)

        def done() -> None:
            effects()
            self.run_may_end(stage)

        return Work(duration_ns + taking_ns, done, longer_ns=longer_ns)

    def take(self, cpu: Cpu, skbs: list[int]) -> tuple[int, Callable[[], None], Callable[[], int]]:
        """IP and TCP for some skbs in softirq: price, effects, and whether the reader is to be woken at the end."""
        host, socket = self.host, self.socket
        duration_ns, packets = len(skbs) * host.ip_skb_ns, sum(skbs)
        self.counts["skbs"] += len(skbs)
        if socket.owned:
            duration_ns += packets * self.checksum_ns

            def joined() -> None:
                self.by_ip += packets
                socket.backlog.extend(skbs)
                self.counts["backlogged"] += packets
                self.someone_transmits_locally(cpu)

            return duration_ns, joined, lambda: 0
        duration_ns += len(skbs) * host.tcp_skb_ns + packets * self.checksum_ns
        taken, acknowledged, edge, queue = socket.taken, socket.acknowledged, socket.edge, socket.queue
        acks = []
        for skb in skbs:
            taken += skb
            queue += skb
            if taken - acknowledged > 1 and self.advertised(queue) >= edge - acknowledged:
                acknowledged, edge = taken, max(edge, taken + self.advertised(queue))
                acks.append(taken)
        duration_ns += len(acks) * self.ack_ns

        def taken_in() -> None:
            self.by_ip += packets
            socket.taken += packets
            socket.queue += packets
            for acknowledged in acks[:-1]:
                self.counts["acks"] += 1
                socket.acknowledged = acknowledged
            for acknowledged in acks[-1:]:
                self.ack_leaves(cpu, acknowledged)
            self.start_timer()
            self.someone_transmits_locally(cpu)
            self.wake_reader(cpu, skbs)

        return duration_ns, taken_in, lambda: host.wake_ns if skbs and self.reader_asleep else 0

    def someone_transmits_locally(self, cpu: Cpu) -> None:
        if self.local:
            self.someone_transmits(cpu)

    def wake_reader(self, cpu: Cpu, skbs: list[int]) -> None:
        if not skbs or not self.reader_asleep:
            return
        self.reader_asleep = False
        self.counts["wake_ups"] += 1
        if self.host.reader_cpu == cpu.number:
            cpu.wake(READER)
        else:
            cpu.owed.append("reader")
            self.cpus[self.host.reader_cpu].called_ns[READER] = self.env.now

    # ACKs

    @property
    def ack_ns(self) -> int:
        return self.host.ack_ns + (self.host.sender_ack_ns if self.local else 0)

    def ack_leaves(self, cpu: Cpu, acknowledged: int) -> None:
        socket = self.socket
        self.counts["acks"] += 1
        socket.acknowledged = max(socket.acknowledged, acknowledged)
        unread = socket.acknowledged - self.copied
        socket.edge = max(socket.edge, socket.acknowledged + self.advertised(unread))
        socket.timer, self.timer_due = None, False
        acknowledged, edge = socket.acknowledged, socket.edge
        if self.local:
            self.ack_arrives(cpu, acknowledged, edge)
        else:
            there = self.later(self.host.delay_ns, ACKS)
            there.callbacks.append(lambda _: self.ack_there(acknowledged, edge))  # type: ignore[union-attr]

    def ack_there(self, acknowledged: int, edge: int) -> None:
        other = self.cpus[OTHER]
        self.ack_arrives(other, acknowledged, edge)
        other.look()

    def advertised(self, queue: int) -> int:
        """__tcp_select_window, in packets."""
        free = self.window - queue - sum(self.socket.backlog)
        return 0 if 16 * free < self.window else min(free, self.ssthresh)

    def start_timer(self) -> None:
        socket = self.socket
        if socket.timer is None and not self.timer_due and socket.taken > socket.acknowledged:
            timer = socket.timer = self.later(self.host.delack_ns, TIMER)
            timer.callbacks.append(lambda _: self.timer_fires(timer))  # type: ignore[union-attr]

    def timer_fires(self, timer: Event) -> None:
        if self.socket.timer is timer:
            self.socket.timer, self.timer_due = None, True
            if not self.socket.owned:
                self.cpus[self.protocol.cpu].look()

    def timer_ack(self, cpu: Cpu) -> Work:
        self.timer_due = False
        self.counts["delayed_acks"] += 1
        return Work(self.ack_ns, lambda: self.ack_leaves(cpu, self.socket.taken))

    # the reader

    def reader_steps(self) -> Generator[Work | None, None, None]:
        """Pieces of work one after the other; at first, and at None, it sleeps."""
        socket, host = self.socket, self.host
        room, copied = self.buffer, 0
        yield self.piece(host.schedule_ns, self.lock)
        while True:
            while True:
                if socket.queue and room:
                    packets = min(self.gso, room, socket.queue)
                    yield self.piece(packets * self.copy_ns, lambda packets=packets: self.copy_done(packets))  # type: ignore[misc]
                    room -= packets
                    copied += packets
                elif not room or (copied and not socket.backlog):
                    break
                elif socket.backlog:
                    yield from self.flush_backlog()
                else:
                    if self.clean_up(0):
                        yield self.clean_up_ack()
                    if socket.queue or socket.backlog:
                        continue
                    self.reader_asleep, socket.owned = True, False
                    yield None
                    yield self.piece(host.schedule_ns, self.lock)
            if self.clean_up(copied):
                yield self.clean_up_ack()
            while socket.backlog:
                yield from self.flush_backlog()
            socket.owned = False
            yield self.piece(host.syscall_ns, self.lock)
            self.counts["calls"] += 1
            room, copied = self.buffer, 0

    def lock(self) -> None:
        self.socket.owned = True

    def flush_backlog(self) -> Generator[Work, None, None]:
        """TCP's work until none is left, then one ACK for all of it."""
        host, socket = self.host, self.socket
        if not socket.backlog:
            return
        while socket.backlog:
            skbs, socket.backlog = socket.backlog, []
            yield self.piece(len(skbs) * host.tcp_skb_ns, lambda skbs=skbs: self.taken_over(skbs))  # type: ignore[misc]
        if socket.taken - socket.acknowledged > 1:
            yield self.reader_ack()

    def taken_over(self, skbs: list[int]) -> None:
        self.socket.taken += sum(skbs)
        self.socket.queue += sum(skbs)
        self.start_timer()

    def left_behind(self, cpu: Cpu) -> Work:
        """A backlog whose owner has gone."""
        host, socket = self.host, self.socket
        skbs, socket.backlog = socket.backlog, []
        acknowledges = socket.taken + sum(skbs) - socket.acknowledged > 1

        def done() -> None:
            socket.taken += sum(skbs)
            socket.queue += sum(skbs)
            if acknowledges:
                self.ack_leaves(cpu, socket.taken)
            self.start_timer()
            self.wake_reader(cpu, skbs)

        duration_ns = len(skbs) * host.tcp_skb_ns + acknowledges * self.ack_ns
        return Work(duration_ns, done, longer_ns=lambda: host.wake_ns if self.reader_asleep else 0)

    def piece(self, duration_ns: int, effects: Callable[[], Any]) -> Work:
        return Work(duration_ns, effects, interruptible=True, owner=READER)

    def copy_done(self, packets: int) -> None:
        host = self.host
        self.socket.queue -= packets
        self.copied += packets
        if self.copied == self.packets:
            self.finished.succeed()
        if host.free_packets and self.local and self.sender_cpu != host.reader_cpu:
            self.freed += packets
            if self.freed >= host.free_packets and not self.free_on_its_way:
                self.freed, self.free_on_its_way = 0, True
                self.cpus[host.reader_cpu].owed.append("freed")

    def clean_up(self, copied: int) -> bool:
        socket = self.socket
        now = socket.edge - socket.taken
        new = self.advertised(socket.queue)
        return (
            socket.taken - socket.acknowledged > 1
            or self.timer_due
            or (copied > 0 and 2 * now <= self.window and new > 0 and new >= 2 * now)
        )

    def clean_up_ack(self) -> Work:
        self.counts["delayed_acks"] += self.timer_due
        return self.reader_ack()

    def reader_ack(self) -> Work:
        cpu = self.cpus[self.host.reader_cpu]
        return Work(self.ack_ns, lambda: self.ack_leaves(cpu, self.socket.taken), owner=READER)

    def busy_ns(self) -> list[int]:
        return [
            cpu.busy_ns + (0 if cpu.working_since is None else (self.env.now - cpu.working_since) // cpu.counted)
            for cpu in self.cpus
        ]


def simulate(host: Linux6, packets: int) -> World:
    """The world at the moment when the last byte is copied."""
    world = World(host, packets)
    world.run()
    return world
