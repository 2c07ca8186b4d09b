"""Whatever is joined is true, of any receiver: one is played whose every byte's way is known."""

import tempfile
from collections import deque
from pathlib import Path
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import zcanalysis as zc
from tests.cpu.packet_traces import Trace, socket_name

ADDRESSES = 40
MOMENTS = ("driver_at_ns", "stack_at_ns", "socket_at_ns", "copy_at_ns", "done_at_ns")


class Receiver:
    """Plays sockets, their backlogs and queues; skbs merge as the kernel merges them, addresses are used again soon."""

    def __init__(self, random: Random, *, gro: bool, sockets: int, hashes: bool) -> None:
        self.random, self.gro, self.hashes = random, gro, hashes
        self.trace = Trace()
        self.free = [0x1000 + 0x10 * number for number in range(ADDRESSES)]
        self.ports = range(1, sockets + 1)
        self.device: deque = deque()
        self.backlog: dict = {port: deque() for port in self.ports}
        self.queue: dict = {port: deque() for port in self.ports}
        self.owned = dict.fromkeys(self.ports, False)
        self.truth: dict = {port: [] for port in self.ports}
        """For each byte of each socket that was copied: its moments."""
        self.copies: list = []
        """For each copy: line, socket, first byte."""

    def address(self) -> int | None:
        return self.free.pop(self.random.randrange(len(self.free))) if len(self.free) > 1 else None

    def arrive(self) -> None:
        port = self.random.choice(self.ports)
        flow = port if self.hashes else 0
        parts, head = [], None
        for _ in range(self.random.randint(1, 4)):
            if (skb := self.address()) is None:
                break
            size = self.random.randint(100, 500)
            moment = self.trace.handed(skb, size, gro=self.gro, flow=flow, after_us=self.random.randint(1, 9))
            if not self.gro:
                self.device.append((port, skb, [(size, moment)]))
                continue
            head = skb if head is None else head
            parts.append((size, moment))
            if skb != head:
                self.free.append(skb)  # GRO merges it: gone without a trace
        if parts:
            self.take(port, head, parts)

    def softirq(self) -> None:
        for _ in range(min(self.random.randint(1, 6), len(self.device))):
            self.take(*self.device.popleft())

    def take(self, port, skb, parts) -> None:
        moment = self.trace.taken(skb, sum(size for size, _ in parts))
        content = [(size, (driver, moment)) for size, driver in parts]
        if self.owned[port]:
            self.merge_or_append(self.backlog[port], skb, content)
        else:
            self.segment(port, skb, content)

    def merge_or_append(self, queue, skb, content) -> None:
        if queue and self.random.random() < 0.7:
            queue[-1][1].extend(content)
            self.free.append(skb)
        else:
            queue.append((skb, list(content)))

    def segment(self, port, skb, content, **place) -> None:
        moment = self.trace.segment(skb, sum(size for size, _ in content), port=port, **place)
        self.merge_or_append(self.queue[port], skb, [(size, (*seen, moment)) for size, seen in content])

    def own_or_release(self) -> None:
        port = self.random.choice(self.ports)
        self.owned[port] = not self.owned[port]
        while not self.owned[port] and self.backlog[port]:
            self.segment(port, *self.backlog[port].popleft(), cpu=1, tid=50 + port)

    def read(self) -> None:
        port = self.random.choice(self.ports)
        wanted = self.random.randint(50, 2500)
        copied = 0
        while wanted > copied and self.queue[port]:
            copied += self.copy_one(port, wanted - copied)
        if copied:
            self.trace.returned(copied, port=port, tid=50 + port)

    def copy_one(self, port, most) -> int:
        skb, content = self.queue[port][0]
        chunk = min(most, sum(size for size, _ in content))
        self.copies.append((len(self.trace.lines), port, len(self.truth[port])))
        moments = self.trace.copy(skb, chunk, port=port, tid=50 + port, lasts_us=self.random.randint(1, 5))
        left = chunk
        while left:
            size, seen = content[0]
            taken = min(size, left)
            self.truth[port].extend([(*seen, *moments)] * taken)
            left -= taken
            content[0:1] = [(size - taken, seen)] if size > taken else []
        if not content:
            self.queue[port].popleft()
            self.free.append(skb)
        return chunk


def played(random: Random, steps: int, **kind) -> Receiver:
    receiver = Receiver(random, **kind)
    actions = [receiver.arrive, receiver.arrive, receiver.softirq, receiver.own_or_release, receiver.read]
    for _ in range(steps):
        random.choice(actions)()
    return receiver


def joined(receiver: Receiver, from_line: int):
    """Ranges of the trace from a line on, and for each socket the byte that its first copy there begins with."""
    firsts = {}
    for line, port, byte in receiver.copies:
        if line >= from_line:
            firsts.setdefault(port, byte)
    part = Trace(lines=receiver.trace.lines[from_line:])
    with tempfile.TemporaryDirectory() as folder:
        return zc.latency(part.saved(Path(folder))), firsts


def true_moments(receiver: Receiver, port: int) -> np.ndarray:
    return np.array(receiver.truth[port], dtype=np.int64)


KINDS = st.fixed_dictionaries({"gro": st.booleans(), "sockets": st.integers(1, 3), "hashes": st.booleans()})


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), KINDS)
def test_every_byte_of_a_whole_trace_is_joined_to_its_own_events(seed, kind):
    receiver = played(Random(seed), 150, **kind)
    if not receiver.copies:
        return
    found, _ = joined(receiver, 0)
    resolvable = kind["hashes"] or kind["sockets"] == 1
    for port in receiver.ports:
        truth = true_moments(receiver, port)
        mine = found.ranges.filter(socket=socket_name(port)).sort("from_byte")
        sizes = mine["bytes"].to_numpy()
        if resolvable and len(truth):
            assert (mine["complete"].all(), sizes.sum()) == (True, len(truth))
        check_moments(mine, truth, 0)
    account = found.accounting
    assert account["copied_bytes"].sum() == account["received_bytes"].sum() == sum(map(len, receiver.truth.values()))
    assert account["lost_bytes"].sum() == account["cut_bytes"].sum() == 0
    assert account["addresses"].to_list() == account["addresses_agree"].to_list()


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), KINDS, st.floats(0, 0.9))
def test_a_trace_that_begins_in_the_middle_tells_nothing_untrue(seed, kind, begin):
    receiver = played(Random(seed), 150, **kind)
    from_line = int(begin * len(receiver.trace.lines))
    late = [line for line, _, _ in receiver.copies if line >= from_line]
    if not late or not any("tcp_probe" in line for line in receiver.trace.lines[from_line:]):
        return
    found, firsts = joined(receiver, from_line)
    for port, first in firsts.items():
        check_moments(found.ranges.filter(socket=socket_name(port)), true_moments(receiver, port), first)
    parts = found.accounting.select("joined_bytes", "early_bytes", "unmatched_bytes").sum().row(0)
    assert sum(parts) == found.accounting["copied_bytes"].sum()


def check_moments(ranges, truth, first) -> None:
    for row in ranges.iter_rows(named=True):
        spanned = truth[first + row["from_byte"] : first + row["to_byte"]]
        for column, name in enumerate(MOMENTS):
            if row[name] is not None:
                assert set(spanned[:, column]) == {row[name]}, (name, row)
        stages = [row[stage] or 0 for stage in ("hand_over_ns", "protocol_ns", "wake_up_ns", "queue_ns", "copy_ns")]
        assert sum(stages) == row["total_ns"]
