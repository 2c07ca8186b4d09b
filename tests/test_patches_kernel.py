"""Commands of patches, typed to the kernel that runs here: it takes them, acts on them, and gives back what was."""

import shlex
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

from tests.lab.real import why_not
from zcanalysis import patches
from zcanalysis.io.host_facts import HostFacts

pytestmark = [pytest.mark.root, pytest.mark.skipif(why_not() is not None, reason=str(why_not()))]

RTO_MIN = "net.ipv4.tcp_rto_min_us"
MADE = """
set -e
ip link set lo up
ip link add veth-t type veth peer name veth-u
ip link set veth-u up
ip link set veth-t up
ip address add 192.0.2.2/24 dev veth-t
ip route add default via 192.0.2.1 metric 100
"""
SHOW = "ip -4 route show dev veth-t"
# Bytes that nobody reads: the receiver's delayed ACK is all that can acknowledge them. 600 segments end its quick ACKs.
WAITS = """
import array, fcntl, socket, time
listener = socket.create_server(("127.0.0.1", 0))
sender = socket.create_connection(listener.getsockname())
sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
receiver, _ = listener.accept()
unacknowledged = array.array("i", [0])
for segment in range(624):
    sent = time.perf_counter()
    sender.send(b"0123456789")
    while segment >= 600:
        fcntl.ioctl(sender, 0x5411, unacknowledged)  # SIOCOUTQ
        if not unacknowledged[0]:
            print((time.perf_counter() - sent) * 1000)
            break
    time.sleep(0.002)
"""


def apart(script: str) -> list[str]:
    """What a script prints in a network namespace of its own."""
    done = subprocess.run(["unshare", "-n", "sh", "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return [line.strip() for line in done.stdout.splitlines()]


def usual_wait_ms(command: str | None) -> float:
    """How long an ACK is delayed, as a rule, after a command."""
    script = f"set -e; ip link set lo up; {command} > /dev/null; {shlex.quote(sys.executable)} -c {shlex.quote(WAITS)}"
    return median(map(float, apart(script)))


def test_a_kernel_takes_the_routes_and_gives_them_back():
    host = HostFacts(kernel="6.18", device="veth-t", routes=tuple(apart(MADE + SHOW)))
    assert len(host.routes) == 2
    quickened = f"{MADE}{patches.command(patches.quickack(True), host)}\n"
    quick = tuple(apart(quickened + SHOW))
    assert quick == patches.facts_after(patches.quickack(True), host).routes
    assert all("quickack 1" in route for route in quick)
    assert tuple(apart(f"{quickened}{patches.undo(patches.quickack(True), host)}\n{SHOW}")) == host.routes


@pytest.mark.skipif(not Path("/proc/sys", *RTO_MIN.split(".")).exists(), reason="no such setting before Linux 6.11")
def test_acks_wait_no_longer_than_asked_for():
    # without a bound TCP_ATO_MIN, 40 ms; both a tick longer, and longer where the machine is busy
    host = HostFacts(kernel="6.18", hz=250, sysctls={RTO_MIN: "200000"})
    bounded, usual = usual_wait_ms(patches.command(patches.delack_ms(8), host)), usual_wait_ms("true")
    assert usual > 35
    assert bounded < usual / 2


def test_a_route_that_says_quickack_has_its_packets_acknowledged_at_once():
    change = "ip route change table local local 127.0.0.1 dev lo proto kernel scope host src 127.0.0.1 quickack 1"
    assert usual_wait_ms(change) < usual_wait_ms("true") / 10
