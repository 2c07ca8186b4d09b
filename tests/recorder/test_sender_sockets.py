"""The sender's end in another namespace: asked over a netlink socket that was made there."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from zcanalysis.recorder.sender_sockets import senders_netlink
from zcanalysis.recorder.sockets import dump_over, netlink_socket, parse_sockets

needs_root = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare")
OUR_NAMESPACE = Path("/proc/self/ns/net")
LISTEN = """
import socket, sys
with socket.create_server(("127.0.0.1", 0)) as door, socket.create_connection(door.getsockname()) as made:
    print(made.getsockname()[1], flush=True)
    sys.stdin.read()
"""


def test_a_sender_in_our_own_namespace_needs_none():
    assert senders_netlink([os.getpid()]) is None
    assert senders_netlink([]) is None


def test_a_sender_that_is_gone_needs_none():
    ended = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True, check=True, timeout=10)
    assert senders_netlink([int(ended.stdout)]) is None


@pytest.mark.root
@needs_root
def test_connections_of_another_namespace_are_seen_and_ours_stays():
    command = ["unshare", "-n", "sh", "-c", 'ip link set lo up && exec python3 -c "$0"', LISTEN]
    ours = OUR_NAMESPACE.stat().st_ino
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as there:
        port = int(there.stdout.readline())
        netlink = senders_netlink([there.pid])
        assert netlink is not None
        with netlink, netlink_socket() as here:
            assert port in {one.local_port for one in parse_sockets(dump_over(netlink))}
            assert {one.local_port for one in parse_sockets(dump_over(netlink))} != {
                one.local_port for one in parse_sockets(dump_over(here))
            }
        there.stdin.close()
    assert OUR_NAMESPACE.stat().st_ino == ours
