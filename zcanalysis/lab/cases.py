"""What `lab validate` foretells and measures, and what must then limit: known of the machine, not of our code."""

from typing import Any, Final, NamedTuple

from zcanalysis.lab.scenarios import BASELINE


class ExpectedLimit(NamedTuple):
    """What holds a scenario back, and how that is known without any analysis of ours."""

    places: tuple[tuple[str, str], ...]
    """Kind and place; several where the machine does not tell them apart."""
    because: str

    def is_named_by(self, kind: str, where: str | None) -> bool:
        """Whether a limit that was named is one of these."""
        return (kind, where) in self.places

    def as_json(self) -> dict[str, Any]:
        """For documents."""
        return {"places": [{"kind": kind, "where": where} for kind, where in self.places], "because": self.because}


class Case(NamedTuple):
    """One patch of the baseline."""

    patch: str
    limit: ExpectedLimit | None
    """None where the machine does not settle it."""


READER_CPU: Final = ("receiver cpu", "CPU 1")
SENDER_CPU: Final = ("sender", "CPU 0")
SHARED_CPU: Final = ("receiver cpu", "CPU 0")

# How it is known: a real-time process took a quarter of one CPU, 60 us at a time, in turn with leaving it alone, in one
# running transfer of the development machine (2 virtual CPUs, kernel 6.18); what goodput remained says whose time is
# scarce. "Busy" is by the CPUs' idle counters while nothing of ours looked.
BASELINE_LIMIT: Final = ExpectedLimit(
    (READER_CPU,), "with a quarter of CPU 1 taken 46 % of the goodput remain, with a quarter of CPU 0 114 %"
)

CASES: Final = (
    Case("hw-checksum=on", BASELINE_LIMIT._replace(because="the same hosts: veth has verified every checksum already")),
    Case(
        "mtu=9000",
        ExpectedLimit(
            (SENDER_CPU, READER_CPU), "a quarter of either CPU taken costs 23 %; CPU 0 is 99.6 % busy, CPU 1 95.6 %"
        ),
    ),
    Case(
        "gro=on",
        ExpectedLimit(
            (SHARED_CPU, SENDER_CPU),
            "CPU 0 sends and does GRO: a quarter of it taken costs 30 %, of CPU 1 14 %; 99.4 and 79 % busy",
        ),
    ),
    Case(
        "rps=off",
        ExpectedLimit(
            (SHARED_CPU,),
            "CPU 0 sends and receives up to the socket: a quarter taken costs 38 %, of CPU 1 26 %; 97 and 84 % busy",
        ),
    ),
    Case(
        "rcvbuf=65536",
        ExpectedLimit(
            (("receive window", "the receive buffer"),), "both CPUs are idle at times; a larger buffer gives 2.5 times"
        ),
    ),
    Case("competing-load=1", ExpectedLimit((READER_CPU,), "CPU 1 is never idle; without the hog goodput doubles")),
)


def case_of(scenario: str, patch: str) -> Case:
    """The case of that patch; its limit is known for the baseline only."""
    known = {case.patch: case for case in CASES} if scenario == BASELINE else {}
    return known.get(patch, Case(patch, None))
