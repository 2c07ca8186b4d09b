"""What `lab validate` foretells and measures, and what must then limit: known of the machine, not of our code."""

from typing import Final, NamedTuple

from zcanalysis.lab.scenarios import BASELINE


class ExpectedLimit(NamedTuple):
    """What holds a scenario back, and how that is known without any analysis of ours."""

    kind: str
    where: str
    because: str

    def is_named_by(self, kind: str, where: str | None) -> bool:
        """Whether a limit that was named is this one."""
        return (kind, where) == (self.kind, self.where)


class Case(NamedTuple):
    """One patch of the baseline."""

    patch: str
    limit: ExpectedLimit | None
    """None where the machine does not settle it."""


BASELINE_LIMIT: Final = ExpectedLimit("receiver cpu", "CPU 1", "never idle")

CASES: Final = (
    Case("hw-checksum=on", BASELINE_LIMIT),
    Case("mtu=9000", ExpectedLimit("receiver cpu", "CPU 1", "never idle")),
    Case("gro=on", ExpectedLimit("receiver cpu", "CPU 0", "never idle")),
    Case("rps=off", ExpectedLimit("receiver cpu", "CPU 0", "never idle")),
    Case("rcvbuf=65536", ExpectedLimit("receive window", "the receive buffer", "both CPUs are idle at times")),
    Case("competing-load=1", ExpectedLimit("receiver cpu", "CPU 1", "shared with the hog")),
)


def case_of(scenario: str, patch: str) -> Case:
    """The case of that patch; its limit is known for the baseline only."""
    known = {case.patch: case for case in CASES} if scenario == BASELINE else {}
    return known.get(patch, Case(patch, None))
