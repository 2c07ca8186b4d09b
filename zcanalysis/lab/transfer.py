"""One transfer between the two hosts, what competes with it, and what remains of its report."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from zcanalysis.errors import HostError
from zcanalysis.lab.children import Child, Running, end_group, ending_with_us
from zcanalysis.lab.namespaces import RECEIVER_ADDRESS, HostPair, inside
from zcanalysis.lab.orders import BLOCK_BYTES, RECEIVER, SENDER, Orders
from zcanalysis.lab.scenarios import Scenario
from zcanalysis.own_code import our_environment

INTERVAL_SECONDS: Final = 0.1
LISTEN_SECONDS: Final = 5.0
BEGIN_SECONDS: Final = 60.0  # machine code is compiled once on a machine
DRAIN_SECONDS: Final = 1.0
END_SECONDS: Final = 20.0
POLL_SECONDS: Final = 0.02
PORT: Final = 5201
IPERF, OURS = "iperf3", "traffic"
LISTENING: Final = "0A"
ENDED_BY_US: Final = "interrupt - the client has terminated"
HOG: Final = """
import os, sys
cpu, parent = map(int, sys.argv[1:])
parent = parent or os.getppid()
os.sched_setaffinity(0, {cpu})
while os.getppid() == parent:  # nobody computes for a dead lab
    for _ in range(1_000_000):
        pass
"""
PERSONAL: Final = frozenset({"cookie", "system_info", "title", "extra_data"})


@dataclass(slots=True)
class Transfer:
    """A running transfer: its two processes, where their reports go, and who competes for the reader's CPU."""

    server: Running
    client: Running
    client_report: IO[bytes]
    server_report: IO[bytes]
    program: str
    """``iperf3``, or ``traffic`` for our own."""
    hogs: tuple[Running, ...] = ()

    def end(self) -> None:
        """Let the client say goodbye: both sides then write their reports."""
        if self.client.poll() is None:
            self.client.send_signal(signal.SIGINT)

    def is_broken(self) -> bool:
        """Whether a process of it has failed or was killed: what is measured now is no longer what was asked for."""
        client, server, *hogs = (child.poll() for child in (self.client, self.server, *self.hogs))
        return client not in (None, 0) or (server or 0) < 0 or any(status is not None for status in hogs)

    def finish(self) -> dict[str, Any]:
        """End the transfer; the sender's report with that of the receiver, without anything personal.

        Raises
        ------
        HostError
            If one of them fails, hangs or reports an error, or what competes is gone.
        """
        if any(hog.poll() is not None for hog in self.hogs):
            raise HostError("a process that competes for the CPU ended before the transfer: somebody has killed it")
        self.end()
        try:
            self.client.wait(END_SECONDS)
            if self.program == OURS:
                self._end_server()
            self.server.wait(END_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise HostError(f"{self.program} did not end in time; look for a stuck process in the namespace") from error
        return joined_report(_read_again(self.client_report), _read_again(self.server_report), self.program)

    def _end_server(self) -> None:
        """Datagrams have no end that the receiver could see; what is left in a connection it may still read."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.server.wait(DRAIN_SECONDS)
        if self.server.poll() is None:
            self.server.send_signal(signal.SIGINT)

    def roles(self, scenario: Scenario) -> dict[str, list[dict[str, Any]]]:
        """Who reads and who sends, for host.json."""
        names = (RECEIVER, SENDER) if self.program == OURS else (self.program, self.program)
        return {
            "reader": [{"pid": self.server.pid, "comm": names[0], "cpus": [scenario.reader_cpu]}],
            "sender": [{"pid": self.client.pid, "comm": names[1], "cpus": [scenario.sender_cpu]}],
        }


def _read_again(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


def joined_report(client: bytes, server: bytes, program: str = IPERF) -> dict[str, Any]:
    """The client's JSON report with the server's as `server_output_json`, cleaned.

    The client is ended by us, so that it cannot fetch the server's report over the control connection; the
    server writes its own, with an error about the connection that is gone.

    Raises
    ------
    HostError
        If either is no JSON, the client met an error, or the receiver's intervals are absent.
    """
    report, receiver = _parsed(client, program), _parsed(server, program)
    message = report.pop("error", None)
    if message and not message.startswith(ENDED_BY_US):
        raise HostError(f"{program}: {message}")
    message = receiver.pop("error", None)
    if not receiver.get("intervals"):
        raise HostError(f"{program}: no intervals of the receiver: {message or 'it says nothing'}")
    if "end" in report and "end" in receiver:  # the client never heard what had been received
        report["end"]["sum_received"] = receiver["end"].get("sum_received")
    cleaned: dict[str, Any] = without_personal(report | {"server_output_json": receiver})
    return cleaned


def _parsed(content: bytes, program: str) -> dict[str, Any]:
    try:
        report: dict[str, Any] = json.loads(content)
    except ValueError as error:
        raise HostError(f"{program} gave no report: {content[:80].decode(errors='replace')!r}") from error
    return report


def without_personal(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """The same JSON value without host names, cookies and titles.

    Examples
    --------
    >>> without_personal({"start": {"cookie": "x", "version": "3.12"}})
    {'start': {'version': '3.12'}}
    """
    if isinstance(value, dict):
        return {name: without_personal(entry) for name, entry in value.items() if name not in PERSONAL}
    if isinstance(value, list):
        return [without_personal(entry) for entry in value]
    return value


@contextlib.contextmanager
def running_transfer(pair: HostPair, scenario: Scenario, seconds: float, scratch: Path) -> Iterator[Transfer]:
    """Server and client, each on its CPU, and the scenario's hog; all gone on the way out.

    Parameters
    ----------
    pair, scenario
        Where and how.
    seconds
        After which the transfer ends even if nobody ends it.
    scratch
        Folder for the two reports.

    Raises
    ------
    HostError
        If they do not begin in time.
    """
    receiver, sender = programs(scenario, seconds)
    with contextlib.ExitStack() as cleanup:
        sent, received = (
            cleanup.enter_context((scratch / f"{name}.json").open("w+b")) for name in ("client", "server")
        )
        server = _spawned(inside(pair.receiver, receiver), received, cleanup)
        if scenario.has_own_traffic:
            client = _spawned(inside(pair.sender, sender), sent, cleanup)
            await_begin((server, received), (client, sent))
        else:
            _await_listener(server)
            client = _spawned(inside(pair.sender, sender), sent, cleanup)
        program = OURS if scenario.has_own_traffic else IPERF
        yield Transfer(server, client, sent, received, program, _spawned_hogs(pair, scenario, cleanup))


class Ends(NamedTuple):
    """What the programs of a transfer are told of where they run."""

    address: str = RECEIVER_ADDRESS
    pythons: tuple[str, str] = (sys.executable, sys.executable)
    """Interpreters of the receiver's and of the sender's machine."""
    parent: int | None = None
    """See `Orders`; None for this process."""


def programs(scenario: Scenario, seconds: float, ends: Ends | None = None) -> tuple[list[str], list[str]]:
    """Argument lists of the receiver and of the sender."""
    ends = ends or Ends()
    return _own_programs(scenario, seconds, ends) if scenario.has_own_traffic else _iperf3(scenario, seconds, ends)


def _iperf3(scenario: Scenario, seconds: float, ends: Ends) -> tuple[list[str], list[str]]:
    """Server and client."""
    common = [IPERF, "--json", "--interval", str(INTERVAL_SECONDS), "--affinity"]
    client = ["--client", ends.address, "--time", f"{seconds:.0f}", "--congestion", scenario.congestion_control]
    if scenario.flows > 1:
        client += ["--parallel", str(scenario.flows)]
    if scenario.pace_gbps is not None:
        client += ["--bitrate", f"{scenario.pace_gbps * 1e9:.0f}"]
    return (
        [*common, str(scenario.reader_cpu), "--server", "--one-off"],
        [*common, str(scenario.sender_cpu), *client],
    )


def _own_programs(scenario: Scenario, seconds: float, ends: Ends) -> tuple[list[str], list[str]]:
    """Receiver and sender."""
    common = Orders(
        parent=os.getpid() if ends.parent is None else ends.parent, address=ends.address, port=PORT,
        cpu=scenario.reader_cpu, protocol=scenario.protocol, flows=scenario.flows,
        request_bytes=scenario.request_bytes or 0,
    )  # fmt: skip
    receiver = replace(
        common, call_bytes=scenario.reader_bytes or BLOCK_BYTES, whole_pages=scenario.zero_copy,
        busy_poll_us=scenario.busy_poll_us, pause_us=scenario.reader_pause_us,
    )  # fmt: skip
    sender = replace(
        common, cpu=scenario.sender_cpu, seconds=seconds, congestion_control=scenario.congestion_control,
        call_bytes=scenario.udp_payload_bytes if scenario.protocol == "udp" else BLOCK_BYTES,
        whole_pages=scenario.sender_pages,
    )  # fmt: skip
    receiving, sending = ([python, "-m", "zcanalysis.lab.traffic"] for python in ends.pythons)
    return [*receiving, "receiver", receiver.as_argument()], [*sending, "sender", sender.as_argument()]


def _spawned_hogs(pair: HostPair, scenario: Scenario, cleanup: contextlib.ExitStack) -> tuple[Child, ...]:
    if scenario.hog_cpu is None:
        return ()
    command = inside(pair.receiver, hog_program(scenario.hog_cpu, sys.executable, os.getpid()))
    return tuple(_spawned(command, subprocess.DEVNULL, cleanup) for _ in range(scenario.hogs))


def hog_program(cpu: int, python: str, parent: int) -> list[str]:
    """What computes without end while its parent (0: whoever starts it) lives."""
    return [python, "-I", "-S", "-c", HOG, str(cpu), str(parent)]


def _spawned(arguments: list[str], output: IO[bytes] | int, cleanup: contextlib.ExitStack) -> Child:
    child = subprocess.Popen(
        ending_with_us(arguments), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.DEVNULL,
        start_new_session=True, env=our_environment(),
    )  # fmt: skip
    cleanup.callback(end_group, child)
    return child


def _await_listener(server: Child) -> None:
    deadline = time.monotonic() + LISTEN_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError):
            tables = [Path(f"/proc/{server.pid}/net/{name}").read_text() for name in ("tcp", "tcp6")]
            if any(is_listening(text, PORT) for text in tables):
                return
        time.sleep(POLL_SECONDS)
    raise HostError(f"iperf3 --server does not listen on port {PORT} within {LISTEN_SECONDS:.0f} s")


def await_begin(*ends: tuple[Running, IO[bytes]]) -> None:
    """Wait for the first byte that each writes: the transfer runs then."""
    deadline = time.monotonic() + BEGIN_SECONDS
    for child, report in ends:
        while not os.fstat(report.fileno()).st_size:
            if child.poll() is not None or time.monotonic() > deadline:
                raise HostError(f"our own traffic did not begin within {BEGIN_SECONDS:.0f} s")
            time.sleep(POLL_SECONDS)
    for _, report in ends:
        if message := _complaint(report):
            raise HostError(f"traffic: {message}")


def _complaint(report: IO[bytes]) -> str | None:
    """The error of a process that ended before it began."""
    text = _read_again(report).strip()
    message: str | None = _parsed(text, OURS).get("error") if text else None
    return message


def is_listening(text: str, port: int) -> bool:
    """Whether the text of /proc/net/tcp or tcp6 has a listener on the port."""
    rows = (line.split() for line in text.splitlines()[1:])
    return any(row[1].endswith(f":{port:04X}") and row[3] == LISTENING for row in rows)
