"""`python -m zcanalysis.lab.remote.keeper`: settings of this machine for a while, put back unless SIGKILL ends us.

The first line of standard input is a JSON document: `seconds` (after which all is put back by itself), `folder`
(whether a temporary one is needed), `changes` (see `changes_from`). Everything is read before anything is changed;
what is there already is left alone. Then one JSON line says what was changed, with the values before. When the input
ends, the last change is put back first, and only where it was ours.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from zcanalysis.errors import HostError, last_words
from zcanalysis.lab.remote.attendant import ended_by_signals

TOLD_SECONDS: Final = 5.0
TOOL_SECONDS: Final = 10.0
LINK_SECONDS: Final = 10.0
POLL_SECONDS: Final = 1.0
FEATURE: Final = re.compile(r"^\s*([a-z0-9-]+): (on|off)(.*)$")
ROUNDS: Final = 3
GROUPS: Final = ("rx-checksumming", "tx-checksumming", "rx-vlan-offload", "tx-vlan-offload")


class Change(Protocol):
    """One setting, to be made and put back."""

    @property
    def name(self) -> str:
        """What is said of it."""

    def look(self) -> None:
        """Keep what is there; a `HostError` where it is not there or could not be put back."""

    def make(self) -> None:
        """Set it."""

    def undo(self) -> None:
        """Put back what was there, and see that it is."""

    def before(self) -> str:
        """What was there, in words."""


@dataclass(slots=True)
class FileChange:
    """The text of a file of /sys or /proc/sys."""

    path: str
    value: str
    text: str = ""

    @property
    def name(self) -> str:
        """Its path."""
        return self.path

    def look(self) -> None:
        """As `Change`."""
        try:
            self.text = Path(self.path).read_text().strip()
        except OSError as error:
            raise HostError(f"{self.path}: {error.strerror}: this machine has no such setting") from error

    def make(self) -> None:
        """As `Change`."""
        if self.text.split() != self.value.split():
            self._write(self.value)

    def undo(self) -> None:
        """As `Change`."""
        if Path(self.path).read_text().strip() != self.text:
            self._write(self.text)
        if (now := Path(self.path).read_text().strip()) != self.text:
            raise HostError(f"{self.path}: is {now}, was {self.text}")

    def before(self) -> str:
        """As `Change`."""
        return self.text

    def _write(self, text: str) -> None:
        try:
            Path(self.path).write_text(text)
        except OSError as error:
            raise HostError(f"{self.path}: does not take {text!r}: {error.strerror}") from error


@dataclass(slots=True)
class FeatureChange:
    """One offload of a device; it may take others along, which come back with it."""

    device: str
    feature: str
    value: str
    was: dict[str, str] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        """As ethtool is told."""
        return f"{self.device} {self.feature}"

    def look(self) -> None:
        """As `Change`."""
        found, fixed = features_of(tool("ethtool", "-k", self.device))
        if self.feature not in found:
            raise HostError(f"{self.device}: has no {self.feature}")
        if self.feature in fixed and found[self.feature] != self.value:
            raise HostError(f"{self.device}: {self.feature} is fixed to {found[self.feature]}")
        self.was = found

    def make(self) -> None:
        """As `Change`; features that an earlier change took along are as they are now."""
        self.was = features_of(tool("ethtool", "-k", self.device))[0]
        if self.was[self.feature] == self.value:
            return
        self.changed = {self.feature}
        tool("ethtool", "-K", self.device, self.feature, self.value)
        now = features_of(tool("ethtool", "-k", self.device))[0]
        self.changed |= {name for name, value in now.items() if self.was.get(name) != value}
        if now[self.feature] != self.value:
            raise HostError(f"{self.device}: {self.feature} stays {now[self.feature]}")

    def undo(self) -> None:
        """As `Change`."""
        left: list[str] = []
        for _ in range(ROUNDS):  # one may wait for another
            now = features_of(tool("ethtool", "-k", self.device))[0]
            left = sorted(name for name in self.changed if now.get(name) != self.was[name])
            if not left:
                return
            # a group such as tx-checksumming would take along what was off before: its members go first
            for name in [each for each in left if each.startswith(("rx-", "tx-")) and each not in GROUPS] or left:
                with suppress(HostError):
                    tool("ethtool", "-K", self.device, name, self.was[name])
        raise HostError(f"{self.device}: not as before: {', '.join(left)}")

    def before(self) -> str:
        """As `Change`."""
        return self.was[self.feature]


@dataclass(slots=True)
class ShaperChange:
    """A queueing discipline at the root of a device whose present one is the kernel's own."""

    device: str
    arguments: list[str]
    kind: str = ""

    @property
    def name(self) -> str:
        """Of the device."""
        return f"{self.device} qdisc"

    def look(self) -> None:
        """As `Change`."""
        handle, self.kind = self._root()
        if handle != "0:":
            raise HostError(f"{self.device}: has a queueing discipline of its own ({self.kind}): it cannot be put back")

    def make(self) -> None:
        """As `Change`."""
        tool("tc", "qdisc", "add", "dev", self.device, "root", *self.arguments)

    def undo(self) -> None:
        """As `Change`."""
        if self._root()[0] != "0:":
            tool("tc", "qdisc", "del", "dev", self.device, "root")
        if (now := self._root()) != ("0:", self.kind):
            raise HostError(f"{self.device}: its queueing discipline is {now[1]}, was {self.kind}")

    def before(self) -> str:
        """As `Change`."""
        return self.kind

    def _root(self) -> tuple[str, str]:
        """Handle and kind; 0: is one that nobody has asked for."""
        for each in json.loads(tool("tc", "-j", "qdisc", "show", "dev", self.device) or "[]"):
            if each.get("root"):
                return str(each.get("handle")), str(each.get("kind"))
        return "0:", "noqueue"


def features_of(text: str) -> tuple[dict[str, str], set[str]]:
    r"""Every feature, on or off, and those that nobody can change, from the text of `ethtool -k`.

    Examples
    --------
    >>> features_of("Features for eth0:\nrx-checksumming: on [fixed]\n\ttx-checksum-ipv4: off\n")
    ({'rx-checksumming': 'on', 'tx-checksum-ipv4': 'off'}, {'rx-checksumming'})
    """
    found = [match for line in text.splitlines() if (match := FEATURE.match(line))]
    return {each[1]: each[2] for each in found}, {each[1] for each in found if "[fixed]" in each[3]}


def tool(*arguments: str) -> str:
    """Standard output of a short program, or a `HostError`."""
    try:
        done = subprocess.run(
            arguments, capture_output=True, text=True, timeout=TOOL_SECONDS, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HostError(f"{arguments[0]}: {error}") from error
    if done.returncode != 0:
        why = last_words(done.stderr, f"failed with status {done.returncode}")
        raise HostError(f"{' '.join(arguments)}: {why}")
    return done.stdout


def changes_from(documents: list[dict[str, Any]]) -> list[Change]:
    """Of `{"path", "value"}`, `{"device", "feature", "value"}` and `{"device", "arguments"}`."""
    made: list[Change] = []
    for each in documents:
        if "path" in each:
            made.append(FileChange(each["path"], each["value"]))
        elif "feature" in each:
            made.append(FeatureChange(each["device"], each["feature"], each["value"]))
        else:
            made.append(ShaperChange(each["device"], each["arguments"]))
    return made


def make_all(changes: list[Change], made: list[Change]) -> None:
    """Look at all, then make each; `made` holds those that are begun."""
    for change in changes:
        change.look()
    for change in changes:
        made.append(change)
        change.make()


def undo_all(made: list[Change]) -> list[str]:
    """Put back the last one first, each even when another cannot be; what is wrong then."""
    wrong = []
    for change in reversed(made):
        try:
            change.undo()
        except (HostError, OSError) as error:
            wrong.append(str(error))
    return wrong


def await_links(devices: list[str]) -> None:
    """A device may be down for a moment after its MTU or its offloads changed."""
    deadline = time.monotonic() + LINK_SECONDS
    while time.monotonic() < deadline:
        states = [Path(f"/sys/class/net/{device}/operstate").read_text().strip() for device in devices]
        if all(state in ("up", "unknown") for state in states):
            return
        time.sleep(0.05)
    raise HostError(f"{', '.join(devices)}: is not up within {LINK_SECONDS:.0f} s after the settings were made")


def main() -> int:
    """Exit status 0, or 2 with one line on standard error."""
    questions = ended_by_signals()
    told = questions.next(TOLD_SECONDS)
    if told is None:
        return 2
    orders, made, wrong = json.loads(told), list[Change](), list[str]()
    folder = tempfile.mkdtemp(prefix="zc-lab-") if orders.get("folder") else None
    try:
        make_all(changes_from(orders["changes"]), made)
        await_links(orders.get("devices", []))
        document = {"folder": folder, "before": {change.name: change.before() for change in made}}
        with suppress(OSError):
            sys.stdout.write(json.dumps(document) + "\n")
            sys.stdout.flush()
        deadline = time.monotonic() + orders["seconds"]
        while not questions.ended and time.monotonic() < deadline:
            questions.next(POLL_SECONDS)
    except (HostError, OSError) as error:
        wrong.append(str(error))
    finally:
        wrong += undo_all(made)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        sys.stderr.write("".join(f"{line}\n" for line in [" ; ".join(wrong)] if wrong))
    return 2 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
