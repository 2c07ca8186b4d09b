"""Questions without a command: another bus, path, CPU, program, or no kernel at all."""

from zcanalysis.io.host_facts import HostFacts
from zcanalysis.patches.device import device_of
from zcanalysis.patches.patch import Patch, Setting, already, cannot, imagined


def competing_load(patch: Patch, host: HostFacts) -> Setting:
    """Busy processes beside the reader."""
    del patch, host
    return imagined("each gets as much of the reader's CPU as the reader")


def copy_gbps(patch: Patch, host: HostFacts) -> Setting:
    """Another copy routine."""
    del patch, host
    return imagined("a routine of that speed has to exist first")


def link_gbps(patch: Patch, host: HostFacts) -> Setting:
    """Another link."""
    if host.link_rate_gbps == patch.value:
        return already(f"the link carries {patch.value} Gbit/s already")
    return imagined("another link; sender and switches must carry it too")


def speedup(patch: Patch, host: HostFacts) -> Setting:
    """A stage that takes less time."""
    del patch, host
    return imagined("virtual: says what a faster stage would be worth")


def dma_gbps(patch: Patch, host: HostFacts) -> Setting:
    """Another bus between device and memory."""
    del patch
    return _bus(host) or imagined("another slot, bus or interconnect")


def dma_burst(patch: Patch, host: HostFacts) -> Setting:
    """Larger or smaller pieces on that bus."""
    del patch
    return _bus(host) or imagined(
        "set by firmware or with setpci, in a register that differs from device to device;"
        " PCI-X MMRBC is for what the device reads, not for what it receives"
    )


def _bus(host: HostFacts) -> Setting | None:
    if host.physical is False:
        return cannot(f"{device_of(host) or 'the device'} is virtual: no bus lies before its memory", in_place=False)
    return None


def rtt_us(patch: Patch, host: HostFacts) -> Setting:
    """Another way between sender and receiver."""
    del patch, host
    return imagined("another path; to try a longer one: tc qdisc add dev DEVICE root netem delay, at either end")


def cpu_speed(patch: Patch, host: HostFacts) -> Setting:
    """Other CPUs."""
    del patch, host
    return imagined("other CPUs; a governor that lowers the clock is worth a look first: cpupower frequency-info")


def reader_bytes(patch: Patch, host: HostFacts) -> Setting:
    """A reader that asks for more at once, or less."""
    del patch, host
    return imagined("the program's own choice, as in iperf3 --length; no call reads more than has arrived")


def gso(patch: Patch, host: HostFacts) -> Setting:
    """Whether the sender cuts its segments late."""
    del host
    word = "on" if patch.value else "off"
    return imagined(f"the sender's setting: there, ethtool -K DEVICE tso {word} gso {word}")


def flows(patch: Patch, host: HostFacts) -> Setting:
    """More connections at once, or fewer."""
    del patch, host
    return imagined("the sender's choice, as in iperf3 --parallel; each needs a reader with a CPU to run on")


def kernel_bypass(patch: Patch, host: HostFacts) -> Setting:
    """The program takes packets from the device itself."""
    del patch, host
    return imagined("a bound, not a plan: another program (MPI, DPDK) that does the protocol's work itself")
