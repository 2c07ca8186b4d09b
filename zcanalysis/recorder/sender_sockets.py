"""The sender's end of a transfer on this machine: its sockets live in a network namespace of their own.

A netlink socket stays in the namespace that it was made in (net/core/sock.c sk_alloc, sock_net), so one made in a
thread that entered the sender's answers for that namespace as long as it is open, and nothing else here moves.
"""

import contextlib
import ctypes
import os
import socket
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from zcanalysis.recorder.sockets import netlink_socket

CLONE_NEWNET: Final = 0x40000000


def senders_netlink(sender_pids: Sequence[int]) -> socket.socket | None:
    """A netlink socket in the namespace of the first sender that has another than ours.

    Parameters
    ----------
    sender_pids
        Processes that send from this machine.

    Returns
    -------
    socket.socket | None
        None where all share our namespace, are gone, or we may not enter theirs (it needs root).
    """
    ours = _namespace("self")
    for pid in sender_pids:
        place = Path(f"/proc/{pid}/ns/net")
        theirs = _namespace(pid)
        if theirs is not None and theirs != ours:
            with contextlib.suppress(OSError):
                return _made_inside(place)
    return None


def _namespace(pid: int | str) -> int | None:
    try:
        return Path(f"/proc/{pid}/ns/net").stat().st_ino
    except OSError:
        return None


def _made_inside(place: Path) -> socket.socket:
    """The socket, made by a thread that ends inside: only the calling thread changes its namespace (setns(2))."""
    made: list[socket.socket | OSError] = []

    def make() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        try:
            descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
            try:
                if libc.setns(descriptor, CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
                made.append(netlink_socket())
            finally:
                os.close(descriptor)
        except OSError as error:
            made.append(error)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if isinstance(made[0], OSError):
        raise made[0]
    return made[0]
