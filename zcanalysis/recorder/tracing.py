"""Tracepoints of batches or packets for a moment, through an instance of tracefs of our own: nobody else's buffer.

perf would do too, but drops everything that happens while CPU 1's idle thread runs (measured on 6.18 in a virtual
machine: neither samples nor tracepoints of it); ftrace has at least the interrupts in it.
"""

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from zcanalysis.errors import HostError

PLACES: Final = (Path("/sys/kernel/tracing"), Path("/sys/kernel/debug/tracing"))
BATCH_EVENTS: Final = (
    "sched/sched_switch", "sched/sched_wakeup", "irq/irq_handler_entry", "irq/irq_handler_exit", "irq/softirq_entry",
    "irq/softirq_exit", "irq_vectors/call_function_single_entry", "irq_vectors/call_function_single_exit",
    "napi/napi_poll",
)  # fmt: skip
"""Events of batches, not of packets: those of packets halve the throughput."""
DRIVER_EVENTS: Final = ("net/netif_rx_entry", "net/napi_gro_receive_entry", "net/napi_gro_frags_entry")
DEVICE_EVENTS: Final = (*DRIVER_EVENTS, "net/netif_receive_skb")
PACKET_EVENTS: Final = (
    *DEVICE_EVENTS, "tcp/tcp_probe", "skb/skb_copy_datagram_iovec", "tcp/tcp_rcv_space_adjust",
    "sock/sock_recv_length", "skb/kfree_skb", "sched/sched_switch",
)  # fmt: skip
"""What `zcanalysis.cpu.latency` joins; `netif_rx_entry` is `netif_rx` with the hash of the packet's connection."""
DATA_ONLY: Final = "data_len > 0"
BUFFER_KIB_PER_CPU: Final = 32_768
BUFFER_KIB: Final = 262_144
OURS: Final = re.compile(r"^zc-(\d+)-(\d+)$")
"""Inode of the PID namespace, and the process."""
SIMPLE_NAME: Final = re.compile(r"^[\w.:@-]+$", re.ASCII)
COPY_BYTES: Final = 1 << 20


def batch_filters() -> dict[str, str | None]:
    """The events of batches, all of them."""
    return dict.fromkeys(BATCH_EVENTS)


def packet_filters(device: str, devices: Path = Path("/sys/class/net")) -> dict[str, str | None]:
    """The events of packets, those of one device, and of TCP only segments with payload.

    Parameters
    ----------
    device
        Packets of a device that stands on another (bond, VLAN, bridge) are traced under that one's name: all are kept.
    devices
        Where the kernel lists them.
    """
    stands_on_another = any((devices / device).glob("lower_*"))
    odd = stands_on_another or not SIMPLE_NAME.match(device)
    ours = {} if odd else dict.fromkeys(DEVICE_EVENTS, f'name == "{device}"')
    return dict.fromkeys(PACKET_EVENTS) | ours | {"tcp/tcp_probe": DATA_ONLY}


def why_tracing_cannot_run() -> str | None:
    """One line, or None when tracepoints can be read here."""
    if os.geteuid() != 0:
        return "tracepoints are for root; run as root"
    if _tracefs() is None:
        return f"tracefs is not mounted; mount -t tracefs tracefs {PLACES[0]}"
    return None


def _tracefs() -> Path | None:
    return next((place for place in PLACES if (place / "instances").is_dir()), None)


@dataclass(slots=True)
class TraceProbe:
    """Our own instance of tracefs and the file its text goes to."""

    instance: Path
    text_path: Path
    lost_events: int = 0

    @classmethod
    def spawned(cls, text_path: Path, filters: Mapping[str, str | None]) -> "TraceProbe":
        """An instance with those of the events that this kernel has, switched off; whoever has it must stop it.

        Parameters
        ----------
        text_path
            Where the text goes.
        filters
            For each event the kernel's own filter, or None.

        Raises
        ------
        HostError
            If the kernel refuses a step.
        """
        place = _tracefs()
        if place is None:
            raise HostError(why_tracing_cannot_run() or "tracefs is gone")
        sweep_leftovers(place)
        probe = cls(place / "instances" / f"zc-{_pid_namespace()}-{os.getpid()}", text_path)
        try:
            probe.instance.mkdir()
        except OSError as error:
            raise HostError(f"tracefs refuses {error.filename}: {error.strerror or error}") from error
        try:
            probe._write("tracing_on", "0")
            probe._write("trace_clock", "mono")
            probe._write("options/overwrite", "0")  # should we be killed, it ends by itself when the buffer is full
            probe._write("buffer_size_kb", str(min(BUFFER_KIB_PER_CPU, BUFFER_KIB // (os.cpu_count() or 1))))
            for event, kept in filters.items():
                if (probe.instance / "events" / event).is_dir():
                    if kept is not None:
                        probe._write(f"events/{event}/filter", kept)
                    probe._write(f"events/{event}/enable", "1")
        except OSError as error:
            probe.stop()
            raise HostError(f"tracefs refuses {error.filename}: {error.strerror or error}") from error
        return probe

    def _write(self, name: str, text: str) -> None:
        (self.instance / name).write_text(text)

    def begin(self) -> None:
        """Trace from now on."""
        self._write("tracing_on", "1")

    def pause(self, _from_ns: int, _to_ns: int) -> None:
        """Trace no more, and keep what there is as text."""
        self._write("tracing_on", "0")
        self.lost_events = sum(self._lost())
        with (self.instance / "trace").open("rb") as source, self.text_path.open("wb") as target:
            while part := source.read(COPY_BYTES):
                target.write(part)

    def _lost(self) -> Iterator[int]:
        for stats in self.instance.glob("per_cpu/cpu*/stats"):
            for line in stats.read_text().splitlines():
                name, _, value = line.partition(":")
                if name in ("overrun", "dropped events") and value.strip().isdigit():
                    yield int(value)

    def stop(self) -> None:
        """Remove the instance."""
        remove_instance(self.instance)


def remove_instance(instance: Path) -> None:
    """Switch an instance off and remove it; nothing where it is gone."""
    with contextlib.suppress(OSError):
        (instance / "tracing_on").write_text("0")
        (instance / "events" / "enable").write_text("0")
        instance.rmdir()


def _pid_namespace() -> int:
    return Path("/proc/self/ns/pid").stat().st_ino


def sweep_leftovers(place: Path) -> None:
    """Remove the instances of runs whose process, one of our PID namespace, is dead."""
    for instance in (place / "instances").iterdir():
        found = OURS.match(instance.name)
        if found and int(found[1]) == _pid_namespace() and not Path(f"/proc/{found[2]}").exists():
            remove_instance(instance)
