"""Many values of a patch, or of several: one prediction each, as a table and as JSON."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any, Final

import polars as pl

from zcanalysis.answer import Answer, answered
from zcanalysis.errors import PatchError
from zcanalysis.io.recording import Recording
from zcanalysis.modelled import CONFIDENCE
from zcanalysis.patches import Patch, parse_patch
from zcanalysis.patches.patch import Value
from zcanalysis.tables import SWEEP, conform, polars_schema
from zcanalysis.whatif import REPLAYED_TIERS, Prediction, bound, predictions

MOST_ROWS: Final = 1000


def sweep(recording: Recording | Answer, values: Mapping[str, Iterable[Value]]) -> pl.DataFrame:
    """What each value of a patch would give: the SWEEP table, one row a value, in the order asked.

    Parameters
    ----------
    recording
        As read by `read_recording`, or an answer already worked out.
    values
        Values by the name of a patch, ``{"mtu": [1500, 9000]}``; with several names every combination, at most 1000.

    Raises
    ------
    PatchError
        If there is no such patch, it cannot have such a value, or there are too many combinations.
    TraceError
        If a file of the recording turns out to be damaged.
    """
    chosen = [[parse_patch(str(Patch(name, value))) for value in some] for name, some in values.items()]
    answer = recording if isinstance(recording, Answer) else answered(recording)
    return swept(answer, chosen)


def swept(answer: Answer, chosen: Sequence[Sequence[Patch]]) -> pl.DataFrame:
    """The SWEEP table of every combination of one patch from each list.

    Parameters
    ----------
    answer
        Of the recording.
    chosen
        Each list holds one patch with its values.

    Raises
    ------
    PatchError
        If there are too many combinations.
    """
    check_number(chosen)
    rows = [_row(made) for made in predictions(answer, product(*chosen))]
    return conform(pl.DataFrame(rows, schema=polars_schema(SWEEP)), SWEEP)


def parse_sweep(texts: Iterable[str]) -> list[list[Patch]]:
    """The patches that texts such as ``mtu=1500,9000`` mean, a list for each text.

    Raises
    ------
    PatchError
        If there is no such patch, it cannot have one of the values, it is given twice, or there are too many.

    Examples
    --------
    >>> [[str(patch) for patch in some] for some in parse_sweep(["mtu=1500,9000", "gro"])]
    [['mtu=1500', 'mtu=9000'], ['gro=on']]
    """
    chosen: list[list[Patch]] = []
    for text in texts:
        name, equals, values = text.partition("=")
        parts = values.split(",") if equals else [""]
        some = [parse_patch(f"{name}{equals}{value}") for value in parts]
        if any(some[0].name == other[0].name for other in chosen):
            raise PatchError(f"patch {some[0].name} is given twice; its values go into one, as in {some[0].name}=A,B")
        chosen.append(list(dict.fromkeys(some)))
    check_number(chosen)
    return chosen


def check_number(chosen: Sequence[Sequence[Patch]]) -> None:
    """Raise a `PatchError` where nothing, or too much, is asked.

    Parameters
    ----------
    chosen
        Lists of patches to combine.
    """
    rows = prod(map(len, chosen)) if chosen else 0
    if not 0 < rows <= MOST_ROWS:
        raise PatchError(f"a sweep has 1 to {MOST_ROWS} combinations of values, got {rows}")


def sweep_document(answer: Answer, table: pl.DataFrame) -> dict[str, Any]:
    """The promised JSON of `sweep`; confidence is null unless a replay gave every row.

    Parameters
    ----------
    answer
        Of the recording.
    table
        The SWEEP table of it.
    """
    rows = [
        row | {"cpu_busy_after": {str(one["cpu"]): one["share"] for one in row["cpu_busy_after"]}}
        for row in table.to_dicts()
    ]
    replayed = all(row["tier"] in REPLAYED_TIERS for row in rows)
    return {
        "recording": answer.recording.name,
        "baseline_gbps": answer.goodput_gbps,
        "baseline_low_gbps": answer.low_gbps,
        "baseline_high_gbps": answer.high_gbps,
        "confidence": CONFIDENCE if replayed else None,
        "bound": bound(answer),
        "no_model": answer.no_model,
        "sweep": rows,
    }


def _row(made: Prediction) -> dict[str, Any]:
    value = made.patches[0].value
    return {
        "patch": made.name,
        "value": None if value is None or isinstance(value, bool | str) else float(value),
        "others": " + ".join(map(str, made.patches[1:])),
        "applies": made.applies, "why": made.why, "predicted_gbps": made.gbps, "low_gbps": made.low_gbps,
        "high_gbps": made.high_gbps, "limit_after": made.limit_after,
        "cpu_busy_after": [{"cpu": cpu, "share": share} for cpu, share in sorted(made.busy.items())],
        "tier": made.tier,
    }  # fmt: skip
