"""One iperf3 transfer between the two hosts, what competes with it, and what remains of its report."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from zcanalysis.errors import HostError
from zcanalysis.lab.namespaces import RECEIVER_ADDRESS, HostPair, inside
from zcanalysis.lab.scenarios import Scenario

INTERVAL_SECONDS: Final = 0.1
LISTEN_SECONDS: Final = 5.0
END_SECONDS: Final = 20.0
POLL_SECONDS: Final = 0.02
PORT: Final = 5201
LISTENING: Final = "0A"
ENDED_BY_US: Final = "interrupt - the client has terminated"
HOG: Final = """
import os, sys
cpu, parent = map(int, sys.argv[1:])
os.sched_setaffinity(0, {cpu})
while os.getppid() == parent:  # nobody computes for a dead lab
    for _ in range(1_000_000):
        pass
"""
PERSONAL: Final = frozenset({"cookie", "system_info", "title", "extra_data"})


@dataclass(slots=True)
class Transfer:
    """A running transfer: its two processes, where their reports go, and who competes for the reader's CPU."""

    server: "subprocess.Popen[bytes]"
    client: "subprocess.Popen[bytes]"
    client_report: IO[bytes]
    server_report: IO[bytes]
    hog: "subprocess.Popen[bytes] | None" = None

    def end(self) -> None:
        """Let the client say goodbye: both sides then write their reports."""
        if self.client.poll() is None:
            self.client.send_signal(signal.SIGINT)

    def finish(self) -> dict[str, Any]:
        """End the transfer; iperf3's report with that of the receiver, without anything personal.

        Raises
        ------
        HostError
            If iperf3 fails, hangs or reports an error.
        """
        self.end()
        try:
            for process in (self.client, self.server):
                process.wait(END_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise HostError("iperf3 did not end in time; look for a stuck process in the namespace") from error
        return joined_report(_read_again(self.client_report), _read_again(self.server_report))


def _read_again(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


def joined_report(client: bytes, server: bytes) -> dict[str, Any]:
    """The client's JSON report with the server's as `server_output_json`, cleaned.

    The client is ended by us, so that it cannot fetch the server's report over the control connection; the
    server writes its own, with an error about the connection that is gone.

    Raises
    ------
    HostError
        If either is no JSON, the client met an error, or the receiver's intervals are absent.
    """
    report, receiver = _parsed(client), _parsed(server)
    message = report.pop("error", None)
    if message and not message.startswith(ENDED_BY_US):
        raise HostError(f"iperf3: {message}")
    message = receiver.pop("error", None)
    if not receiver.get("intervals"):
        raise HostError(f"iperf3: no intervals of the receiver: {message or 'it says nothing'}")
    if "end" in report and "end" in receiver:  # the client never heard what had been received
        report["end"]["sum_received"] = receiver["end"].get("sum_received")
    cleaned: dict[str, Any] = without_personal(report | {"server_output_json": receiver})
    return cleaned


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        report: dict[str, Any] = json.loads(content)
    except ValueError as error:
        raise HostError(f"iperf3 gave no report: {content[:80].decode(errors='replace')!r}") from error
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
        If the server does not listen within 5 s.
    """
    server_arguments = ["iperf3", "--server", "--one-off", "--json", "--interval", str(INTERVAL_SECONDS)]
    server_arguments += ["--affinity", str(scenario.reader_cpu)]
    client_arguments = ["iperf3", "--client", RECEIVER_ADDRESS, "--time", f"{seconds:.0f}", "--json"]
    client_arguments += ["--interval", str(INTERVAL_SECONDS)]
    client_arguments += ["--congestion", scenario.congestion_control, "--affinity", str(scenario.sender_cpu)]
    if scenario.pace_gbps is not None:
        client_arguments += ["--bitrate", f"{scenario.pace_gbps * 1e9:.0f}"]
    with contextlib.ExitStack() as cleanup:
        sent, received = (
            cleanup.enter_context((scratch / f"{name}.json").open("w+b")) for name in ("client", "server")
        )
        server = _spawned(inside(pair.receiver, server_arguments), received, cleanup)
        _await_listener(server)
        client = _spawned(inside(pair.sender, client_arguments), sent, cleanup)
        yield Transfer(server, client, sent, received, _spawned_hog(pair, scenario, cleanup))


def _spawned_hog(pair: HostPair, scenario: Scenario, cleanup: contextlib.ExitStack) -> "subprocess.Popen[bytes] | None":
    if scenario.hog_cpu is None:
        return None
    arguments = [sys.executable, "-I", "-S", "-c", HOG, str(scenario.hog_cpu), str(os.getpid())]
    return _spawned(inside(pair.receiver, arguments), subprocess.DEVNULL, cleanup)


def _spawned(arguments: list[str], output: IO[bytes] | int, cleanup: contextlib.ExitStack) -> "subprocess.Popen[bytes]":
    child = subprocess.Popen(
        arguments, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.DEVNULL, start_new_session=True
    )
    cleanup.callback(_end, child)
    return child


def _end(child: "subprocess.Popen[bytes]") -> None:
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _await_listener(server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + LISTEN_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError):
            tables = [Path(f"/proc/{server.pid}/net/{name}").read_text() for name in ("tcp", "tcp6")]
            if any(is_listening(text, PORT) for text in tables):
                return
        time.sleep(POLL_SECONDS)
    raise HostError(f"iperf3 --server does not listen on port {PORT} within {LISTEN_SECONDS:.0f} s")


def is_listening(text: str, port: int) -> bool:
    """Whether the text of /proc/net/tcp or tcp6 has a listener on the port."""
    rows = (line.split() for line in text.splitlines()[1:])
    return any(row[1].endswith(f":{port:04X}") and row[3] == LISTENING for row in rows)
