"""What the main changes give in every combination: worked out beforehand, for a page that has no kernel to ask."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any, Final, NamedTuple

import polars as pl

from zcanalysis.advice import candidates
from zcanalysis.answer import Answer, gbps_text
from zcanalysis.io.host_facts import HostFacts
from zcanalysis.modelled import CONFIDENCE
from zcanalysis.patches import Patch, parse_patch
from zcanalysis.signs import signs
from zcanalysis.tables import COMBINATIONS, conform, empty, polars_schema
from zcanalysis.whatif import REPLAYED_TIERS, Prediction, predictions

MOST_COMBINATIONS: Final = 48
"""Each is a replay, some hundredths of a second."""
TITLES: Final[Mapping[str, str]] = {
    "mtu": "MTU (bytes)",
    "gro": "GRO",
    "rps": "RPS",
    "cpu": "reader and softirqs",
    "rcvbuf": "receive buffer",
}
"""The changes combined, in the order in which they are made, and how a control is named."""
WORDS: Final[Mapping[str, str]] = {"cpu=shared": "on one CPU", "cpu=split": "on two CPUs"}
MORE_VALUES: Final = ("gro=off", "cpu=shared", "mtu=3000", "mtu=1500")
"""Besides those that anybody would weigh; the last are left out first."""
AS_RECORDED: Final = "as recorded"
BETWEEN: Final = "|"
MIB: Final = 1 << 20

Group = tuple[Patch, ...]


class Control(NamedTuple):
    """One change, and what may be chosen of it."""

    title: str
    options: tuple[str, ...]
    """Each as `parse_patch` reads it; the first is empty: as recorded."""
    labels: tuple[str, ...]
    """How to show each."""


class Combinations(NamedTuple):
    """Controls, and what every combination of their options gives."""

    controls: tuple[Control, ...]
    table: pl.DataFrame
    """COMBINATIONS; its first row is the host as recorded."""


def combined_changes(answer: Answer) -> Combinations:
    """What the main changes that can act here give, alone and together, by replay; nothing where none can.

    Parameters
    ----------
    answer
        Of the recording; without a calibrated host nothing is combined.
    """
    if answer.model is None or answer.goodput_gbps is None:
        return Combinations((), empty(COMBINATIONS))
    alone = _acting_alone(answer)
    chosen = _within_bounds([made.patches[0] for made in alone])
    groups = [tuple(patch for patch in group if patch) for group in product(*chosen.values())]
    known = {made.patches: made for made in alone}
    rest = [group for group in groups if group not in known]
    known |= dict(zip(rest, predictions(answer, rest), strict=True))
    rows = [_row(answer, known[group], chosen) for group in groups] if chosen else []
    table = conform(pl.DataFrame(rows, schema=polars_schema(COMBINATIONS)), COMBINATIONS)
    return Combinations(tuple(_controls(chosen, answer.recording.host)), table)


def _acting_alone(answer: Answer) -> list[Prediction]:
    """Each change that acts here and that a replay prices; of RPS the first one only."""
    weighed = candidates(answer.recording.host, signs(answer.evidence))
    asked = [*weighed, *map(parse_patch, MORE_VALUES)]
    tried = predictions(answer, [(patch,) for patch in dict.fromkeys(asked) if patch.name in TITLES])
    found: list[Prediction] = []
    for made in tried:
        usable = made.applies and made.gbps is not None and made.tier in REPLAYED_TIERS
        if usable and not any(made.patches[0].name == other.patches[0].name == "rps" for other in found):
            found.append(made)
    return found


def _within_bounds(patches: Sequence[Patch]) -> dict[str, list[Patch | None]]:
    """Options by name of the change, None for as recorded; in the order of TITLES, as many as the bound allows."""
    chosen: dict[str, list[Patch | None]] = {}
    for patch in patches:
        wider = chosen | {patch.name: [*chosen.get(patch.name, [None]), patch]}
        if prod(map(len, wider.values())) <= MOST_COMBINATIONS:
            chosen = wider
    return {name: sorted(chosen[name], key=_size) for name in TITLES if name in chosen}


def _size(patch: Patch | None) -> float:
    """As recorded first, then by value."""
    value = None if patch is None else patch.value
    return -1.0 if patch is None else float(value) if isinstance(value, int | float) else 0.0


def _row(answer: Answer, made: Prediction, chosen: Mapping[str, Any]) -> dict[str, Any]:
    texts = {patch.name: str(patch) for patch in made.patches}
    row: dict[str, Any] = {
        "key": BETWEEN.join(texts.get(name, "") for name in chosen),
        "patch": made.name, "predicted_gbps": made.gbps, "low_gbps": made.low_gbps, "high_gbps": made.high_gbps,
        "limit_after": _limit(made, answer),
    }  # fmt: skip
    if made.gbps is None or made.low_gbps is None or made.high_gbps is None:
        return row | {"says": "no prediction", "change": _obstacles(made)}
    says = f"{gbps_text(made.gbps, made.low_gbps, made.high_gbps)}, {CONFIDENCE:.0%}"
    return row | {"says": says, "change": _change(made, answer) if made.patches else AS_RECORDED}


def _limit(made: Prediction, answer: Answer) -> str | None:
    """What limits then; of the host as recorded what the report says."""
    if not made.patches:
        return answer.held_back_by.where or answer.held_back_by.kind
    return None if made.gbps is None else made.limit_after


def _change(made: Prediction, answer: Answer) -> str:
    """Against the goodput as recorded."""
    before, after = answer.goodput_gbps or 0.0, made.gbps or 0.0
    ratio, gain = after / before, after - before
    inside = (made.low_gbps or 0.0) <= before <= (made.high_gbps or 0.0)
    sure = "; no change is inside the interval" if inside else ""
    return f"{ratio:.2f} times the goodput as recorded, {gain:+.1f} Gbit/s{sure}"


def _obstacles(made: Prediction) -> str:
    said = [means.obstacle for means in made.settings if means.obstacle is not None and not means.in_place]
    return "; ".join(dict.fromkeys(said)) or made.why


def _controls(chosen: Mapping[str, Sequence[Patch | None]], host: HostFacts) -> Iterator[Control]:
    for name, patches in chosen.items():
        recorded = f"{AS_RECORDED} ({host.mtu})" if name == "mtu" and host.mtu is not None else AS_RECORDED
        options = tuple("" if patch is None else str(patch) for patch in patches)
        labels = tuple(recorded if patch is None else _label(patch) for patch in patches)
        yield Control(TITLES[name], options, labels)


def _label(patch: Patch) -> str:
    """The value, as short as its control's title allows.

    Examples
    --------
    >>> _label(Patch("mtu", 9000)), _label(Patch("rcvbuf", 32 << 20)), _label(Patch("rps", 1))
    ('9000', '32 MiB', 'to CPU 1')
    """
    if patch.name == "rcvbuf" and isinstance(patch.value, int):
        return f"{patch.value / MIB:g} MiB"
    if patch.name == "rps" and isinstance(patch.value, int):
        return f"to CPU {patch.value}"
    return WORDS.get(str(patch), str(patch).partition("=")[2])
