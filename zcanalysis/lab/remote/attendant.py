"""`python -m zcanalysis.lab.remote.attendant`: one program on this machine for somebody far away.

The first line of standard input is a JSON document: `arguments`, `input` (its standard input; absent for none),
`listening` (a TCP port that it will listen on), `seconds` (after which it is ended), `heard` (whether its complaints
are passed on). Then a line INT, TERM or KILL is a signal for it. When the input ends, so does the program. On standard
error: a line ``pid N``, and ``ready`` when it runs, and listens if it was told to.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

PID, READY = "pid ", "ready"
LISTEN_SECONDS: Final = 5.0
GOODBYE_SECONDS: Final = 5.0
POLL_SECONDS: Final = 0.1
PASSED_ON: Final = {b"INT": signal.SIGINT, b"TERM": signal.SIGTERM, b"KILL": signal.SIGKILL}


class Questions:
    """Lines of standard input, read without a buffer that `select` could not see."""

    def __init__(self) -> None:
        self.ended = False
        self._text = b""

    def end(self, _number: int, _frame: object) -> None:
        """A signal to end: as if the input had."""
        self.ended = True

    def next(self, seconds: float) -> bytes | None:
        """The next line, without its end; None where there is none in that time."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self._text and not self.ended:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([0], [], [], left)[0]:
                return None
            part = os.read(0, 1 << 16)
            self._text += part
            self.ended = self.ended or not part
        if b"\n" not in self._text:
            return None
        line, _, self._text = self._text.partition(b"\n")
        return line


def ended_by_signals() -> Questions:
    """Standard input, which also ends when somebody ends us."""
    questions = Questions()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, questions.end)
    return questions


def main() -> int:
    """The program's exit status, 128 more than the number of the signal that killed it."""
    from zcanalysis.lab.children import ASKED, ending_with_us
    from zcanalysis.own_code import our_environment

    questions = ended_by_signals()
    told = questions.next(LISTEN_SECONDS)
    if told is None:
        return 2
    orders = json.loads(told)
    with tempfile.TemporaryFile() as given:
        given.write(orders.get("input", "").encode())
        given.seek(0)
        try:
            child = subprocess.Popen(
                ending_with_us(orders["arguments"], ASKED), stdin=given, env=our_environment(), start_new_session=True,
                stderr=None if orders.get("heard") else subprocess.DEVNULL,
            )  # fmt: skip
        except OSError as error:
            sys.stderr.write(f"{orders['arguments'][0]}: {error.strerror}\n")
            return 2
    status = attended(child, questions, orders)
    return status if status >= 0 else 128 - status


def attended(child: "subprocess.Popen[bytes]", questions: Questions, orders: dict[str, Any]) -> int:
    """Pass on what is asked until the program ends, or its time does, or the questions do; its exit status."""
    deadline = time.monotonic() + orders["seconds"]
    try:
        sys.stderr.write(f"{PID}{child.pid}\n")
        if listens(child, orders.get("listening")):
            sys.stderr.write(f"{READY}\n")
        else:
            sys.stderr.write(f"{orders['arguments'][0]}: does not listen on port {orders['listening']}\n")
            return 2
        sys.stderr.flush()
        while child.poll() is None and not questions.ended and time.monotonic() < deadline:
            asked = questions.next(POLL_SECONDS)
            if asked in PASSED_ON and child.poll() is None:
                child.send_signal(PASSED_ON[asked])
    finally:
        ended(child)
    return child.returncode


def listens(child: "subprocess.Popen[bytes]", port: int | None) -> bool:
    """Whether the program listens on that port in time, if it shall."""
    deadline = time.monotonic() + LISTEN_SECONDS
    while port is not None and not is_taken(port):
        if child.poll() is not None or time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def is_taken(port: int) -> bool:
    """Whether anybody in this namespace listens on a TCP port."""
    from zcanalysis.lab.transfer import is_listening

    texts = []
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            texts.append(Path(f"/proc/self/net/{name}").read_text())
    return any(is_listening(text, port) for text in texts)


def ended(child: "subprocess.Popen[bytes]") -> None:
    """Ask a program to end, then end it and what it has started."""
    if child.poll() is None:
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(GOODBYE_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


if __name__ == "__main__":
    sys.exit(main())
