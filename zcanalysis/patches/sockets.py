"""Patches of sockets: the receive buffer, busy polling."""

from typing import Final

from zcanalysis.io.host_facts import HostFacts
from zcanalysis.patches.patch import Patch, Setting, already, cannot, step

RMEM: Final = "net.ipv4.tcp_rmem"
GROWS: Final = "net.ipv4.tcp_moderate_rcvbuf"
BUSY: Final = ("net.core.busy_poll", "net.core.busy_read")


def rcvbuf(patch: Patch, host: HostFacts) -> Setting:
    """How to give TCP's receive buffers another limit."""
    present = rmem_of(host)
    if present is None:
        return cannot(f"the recording does not say {RMEM}")
    after = rmem_after(patch, present)
    if after == present:
        return already(f"{RMEM} ends in {present[2]} already")
    note = "connections made after it; a program that sets SO_RCVBUF is not touched"
    return step(_rmem_command(after), _rmem_command(present), note)


def rmem_after(patch: Patch, present: tuple[int, int, int]) -> tuple[int, int, int]:
    """The same with another most, which the others cannot exceed."""
    most = int(patch.number)
    return min(present[0], most), min(present[1], most), most


def rmem_of(host: HostFacts) -> tuple[int, int, int] | None:
    """Least, default and most bytes of a TCP receive buffer; None when not recorded."""
    words = host.sysctls.get(RMEM, "").split()
    if len(words) != len(("least", "default", "most")) or not all(w.isdecimal() and w.isascii() for w in words):
        return None
    return int(words[0]), int(words[1]), int(words[2])


def _rmem_command(sizes: tuple[int, int, int]) -> str:
    return f"sysctl -w {RMEM}='{' '.join(map(str, sizes))}'"


def autotuning(patch: Patch, host: HostFacts) -> Setting:
    """How to have TCP's receive buffers grow by themselves, or stay as they begin."""
    present = host.sysctls.get(GROWS, "")
    if not (present.isdecimal() and present.isascii()):
        return cannot(f"the recording does not say {GROWS}")
    if (int(present) > 0) == patch.value:
        return already(f"{GROWS} is {int(present)} already")
    note = "buffers that have grown stay so; a program that sets SO_RCVBUF is not touched"
    return step(f"sysctl -w {GROWS}={int(bool(patch.value))}", f"sysctl -w {GROWS}={int(present)}", note)


def busy_poll(patch: Patch, host: HostFacts) -> Setting:
    """How long a reader that waits polls the device itself."""
    words = [host.sysctls.get(name, "") for name in BUSY]
    if not all(word.isdecimal() and word.isascii() for word in words):
        return cannot(f"the recording does not say {' and '.join(BUSY)}")
    if all(int(word) == patch.value for word in words):
        return already(f"busy polling is set to {patch.value} us already")
    command = " ".join(f"{name}={patch.value}" for name in BUSY)
    undo = " ".join(f"{name}={int(word)}" for name, word in zip(BUSY, words, strict=True))
    return step(f"sysctl -w {command}", f"sysctl -w {undo}", "only sockets whose device receives by NAPI are polled")
