"""One iperf3 transfer between the two hosts, and what remains of its report."""

import contextlib
import json
import os
import signal
import subprocess
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
SLACK_SECONDS: Final = 20.0
POLL_SECONDS: Final = 0.02
PORT: Final = 5201
LISTENING: Final = "0A"
PERSONAL: Final = frozenset({"cookie", "system_info", "title", "extra_data"})


@dataclass(slots=True)
class Transfer:
    """A running transfer: the two processes and where the client's report goes."""

    server: "subprocess.Popen[bytes]"
    client: "subprocess.Popen[bytes]"
    report: IO[bytes]
    deadline: float

    def finish(self) -> dict[str, Any]:
        """Wait for the end; iperf3's report without anything personal.

        Raises
        ------
        HostError
            If iperf3 fails, hangs or reports an error.
        """
        try:
            self.client.wait(max(self.deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired as error:
            raise HostError("iperf3 did not end in time; look for a stuck process in the namespace") from error
        self.report.seek(0)
        return checked_report(self.report.read())


def checked_report(content: bytes) -> dict[str, Any]:
    """iperf3's JSON report, cleaned.

    Raises
    ------
    HostError
        If it is no JSON, holds an error, or lacks the receiver's side.
    """
    try:
        report = json.loads(content)
    except ValueError as error:
        raise HostError(f"iperf3 gave no report: {content[:80].decode(errors='replace')!r}") from error
    if message := report.get("error"):
        raise HostError(f"iperf3: {message}")
    if "server_output_json" not in report:
        raise HostError("iperf3: the report lacks the receiver's intervals (server_output_json)")
    cleaned: dict[str, Any] = without_personal(report)
    return cleaned


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
    """Server and client, each on its CPU; both gone on the way out.

    Raises
    ------
    HostError
        If the server does not listen within 5 s.
    """
    server_arguments = ["iperf3", "--server", "--one-off", "--json", "--interval", str(INTERVAL_SECONDS)]
    server_arguments += ["--affinity", str(scenario.reader_cpu)]
    client_arguments = ["iperf3", "--client", RECEIVER_ADDRESS, "--time", f"{seconds:.0f}", "--json"]
    client_arguments += ["--get-server-output", "--interval", str(INTERVAL_SECONDS)]
    client_arguments += ["--congestion", scenario.congestion_control, "--affinity", str(scenario.sender_cpu)]
    deadline = time.monotonic() + seconds + SLACK_SECONDS
    with contextlib.ExitStack() as cleanup:
        report = cleanup.enter_context((scratch / "iperf3.json").open("w+b"))
        server = _spawned(inside(pair.receiver, server_arguments), subprocess.DEVNULL, cleanup)
        _await_listener(server)
        client = _spawned(inside(pair.sender, client_arguments), report, cleanup)
        yield Transfer(server, client, report, deadline)


def _spawned(arguments: list[str], output: int | IO[bytes], cleanup: contextlib.ExitStack) -> "subprocess.Popen[bytes]":
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
