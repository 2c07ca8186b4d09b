"""Patches that copy the payload otherwise, or not at all: questions, they need another program, driver or kernel."""

from typing import Final

from zcanalysis.io.host_facts import HostFacts
from zcanalysis.patches.kernels import NO_KERNEL, at_least
from zcanalysis.patches.patch import Patch, Setting, already, cannot, imagined

PAGE_BYTES: Final = 4096
TIMESTAMPS: Final = "net.ipv4.tcp_timestamps"
TIMESTAMPS_BYTES: Final = 12
HEADERS_BYTES: Final = (40, 60)  # TCP over IPv4 and over IPv6, without options
X86: Final = frozenset({"i386", "i486", "i586", "i686"})


def zero_copy(patch: Patch, host: HostFacts) -> Setting:
    """How to map received pages instead of copying them: for a program that asks with TCP_ZEROCOPY_RECEIVE."""
    del patch
    known = at_least(host, 4, 18)
    if known is None:
        return cannot(NO_KERNEL)
    if not known:
        return cannot("receiving without a copy came with Linux 4.18 (TCP_ZEROCOPY_RECEIVE)", in_place=False)
    if host.mtu is None:
        return cannot("the recording does not say the MTU")
    if not (sizes := whole_page_mtus(host)):
        fitting = PAGE_BYTES + HEADERS_BYTES[0] + _timestamps_bytes(host)
        return cannot(f"at MTU {host.mtu} the payload is not in whole pages: mtu={fitting} would be", in_place=False)
    if host.physical and host.ring is not None and host.ring.data_split is False:
        return cannot("the device does not split headers from payload: ethtool -g, TCP data split", in_place=False)
    split = (
        "a device that splits headers from payload"
        if host.physical
        else "a sender that sends whole pages (MSG_ZEROCOPY)"
    )
    return imagined(f"needs a reader that calls TCP_ZEROCOPY_RECEIVE, {split} and senders by {' or '.join(sizes)}")


def whole_page_mtus(host: HostFacts) -> tuple[str, ...]:
    """Over which IP version the host's MTU leaves whole pages of payload."""
    options = _timestamps_bytes(host)
    names = zip(("IPv4", "IPv6"), HEADERS_BYTES, strict=True)
    payloads = ((name, (host.mtu or 0) - headers - options) for name, headers in names)
    return tuple(name for name, payload in payloads if payload > 0 and payload % PAGE_BYTES == 0)


def _timestamps_bytes(host: HostFacts) -> int:
    return 0 if host.sysctls.get(TIMESTAMPS) == "0" else TIMESTAMPS_BYTES


def pinned_buffers(patch: Patch, host: HostFacts) -> Setting:
    """How to forward what arrives without copying it to a program."""
    del patch
    if host.readers and host.senders and not host.reader_pids & host.sender_pids:
        return cannot("who reads is not who sends: nothing is forwarded", in_place=False)
    return imagined("for a program that only forwards; today splice(2) moves pages from socket to socket by a pipe")


def defrag_chain(patch: Patch, host: HostFacts) -> Setting:
    """How to reassemble datagrams without copying their fragments."""
    del patch
    chained = at_least(host, 2, 4, 4)
    if chained is None:
        return cannot(NO_KERNEL)
    if chained:
        return already("fragments are chained since Linux 2.4.4: reassembly copies nothing")
    return imagined("a kernel with it; packets in fragments only, and an NFS server still makes them one piece")


def sse_copy(patch: Patch, host: HostFacts) -> Setting:
    """How to copy by wide registers: for x86 before rep movsb was the fast way."""
    del patch
    old = host.generation == "linux-2.4"
    if host.architecture == "x86_64":
        return cannot("x86-64 copies by rep movsb (ERMS) or whole words: ask copy-gbps= instead", in_place=False)
    if host.architecture is None and not old:
        return cannot("the recording does not say the architecture")
    if host.architecture is not None and host.architecture not in X86:
        return cannot(f"SSE is of x86, not of {host.architecture}", in_place=False)
    return imagined("an x86 with SSE and a kernel with the routine; where the buffer is not aligned it gains most")
