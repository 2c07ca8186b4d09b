"""What the kernel's text files say: text in, (instance, counter, value) rows out. Opens nothing."""

from collections.abc import Iterator
from typing import Final

Row = tuple[str, str, int]

TICKS_PER_S: Final = 100  # USER_HZ: what /proc/stat counts in, whatever CONFIG_HZ is
NS_PER_TICK: Final = 1_000_000_000 // TICKS_PER_S
SOFTNET_COLUMNS: Final = {
    0: "processed",
    1: "dropped",
    2: "time_squeeze",
    9: "received_rps",
    10: "flow_limit",
}
SOFTNET_CPU_COLUMN: Final = 12
NETDEV_COLUMNS: Final = {
    0: "rx_bytes", 1: "rx_packets", 2: "rx_errors", 3: "rx_dropped", 4: "rx_fifo",
    8: "tx_bytes", 9: "tx_packets", 10: "tx_errors", 11: "tx_dropped",
}  # fmt: skip
STEAL_COLUMN: Final = 8


def netdev_rows(text: str) -> Iterator[Row]:
    """Byte and packet counters of every device, from /proc/net/dev; dropped includes missed by the ring."""
    for line in text.split("\n")[2:]:  # names may hold what else ends a line for Python
        device, _, rest = line.partition(":")
        values = rest.split()
        for column, counter in NETDEV_COLUMNS.items():
            if column < len(values):
                yield device.strip(" "), counter, int(values[column])


def softnet_rows(text: str) -> Iterator[Row]:
    """Counters of the receive softirq per CPU, from /proc/net/softnet_stat; offline CPUs have no line."""
    for number, line in enumerate(text.splitlines()):
        values = [int(word, 16) for word in line.split()]
        cpu = values[SOFTNET_CPU_COLUMN] if len(values) > SOFTNET_CPU_COLUMN else number
        for column, counter in SOFTNET_COLUMNS.items():
            if column < len(values):
                yield f"cpu{cpu}", counter, values[column]


def interrupt_rows(text: str) -> Iterator[Row]:
    """Counts per CPU of every interrupt line, from /proc/interrupts: `LOC`, or `NN:name` where numbered."""
    lines = text.splitlines()
    cpus = [word.lower() for word in lines[0].split()] if lines else []
    for line in lines[1:]:
        label, _, rest = line.partition(":")
        words = rest.split()
        counts = words[: len(cpus)]
        if len(counts) < len(cpus) or not all(word.isdigit() for word in counts):
            continue  # ERR and MIS: one count for the whole machine
        label = label.strip()
        name = f"{label}:{words[-1]}" if label.isdigit() and len(words) > len(cpus) else label
        for cpu, count in zip(cpus, counts, strict=True):
            yield cpu, name, int(count)


def softirq_rows(text: str) -> Iterator[Row]:
    """Counts per CPU of every softirq, from /proc/softirqs."""
    lines = text.splitlines()
    cpus = [word.lower() for word in lines[0].split()] if lines else []
    for line in lines[1:]:
        label, _, rest = line.partition(":")
        for cpu, count in zip(cpus, rest.split(), strict=False):
            yield cpu, label.strip(), int(count)


def protocol_rows(text: str) -> Iterator[Row]:
    """Counters like `Tcp.InSegs`, from the pairs of lines in /proc/net/snmp and /proc/net/netstat."""
    lines = text.splitlines()
    for names, values in zip(lines[::2], lines[1::2], strict=False):
        protocol, _, names_text = names.partition(":")
        for name, value in zip(names_text.split(), values.partition(":")[2].split(), strict=False):
            yield "", f"{protocol}.{name}", int(value)


def protocol6_rows(text: str) -> Iterator[Row]:
    """Counters like `Ip6InReceives`, one a line, from /proc/net/snmp6."""
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if value.strip().isdigit():
            yield "", name.rstrip(), int(value)


def steal_rows(text: str) -> Iterator[Row]:
    """Time the hypervisor kept from each CPU, from /proc/stat; steps of 10 ms."""
    for line in text.splitlines():
        words = line.split()
        if words and words[0].startswith("cpu") and words[0] != "cpu" and len(words) > STEAL_COLUMN:
            yield words[0], "steal_ns", int(words[STEAL_COLUMN]) * NS_PER_TICK


def pressure_rows(text: str) -> Iterator[Row]:
    """Stall time, from a file of /proc/pressure: `some_us` and `full_us`."""
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        total = rest.rpartition("total=")[2]
        if total.isdigit():
            yield "", f"{kind}_us", int(total)


def ethtool_rows(text: str) -> Iterator[Row]:
    """Counters of the driver, from the text of `ethtool -S`; lines without a number are left out."""
    for line in text.splitlines():
        name, _, value = line.strip().rpartition(":")
        if name and value.strip().lstrip("-").isdigit():
            yield "", name.strip(), int(value)


def triple_rows(text: str) -> Iterator[Row]:
    """Rows that were written one a line as `instance counter value`."""
    for line in text.splitlines():
        instance, counter, value = line.split()
        yield instance, counter, int(value)
