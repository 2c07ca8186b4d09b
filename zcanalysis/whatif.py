"""What a patch would give back, by three null models: the honest baselines that every better model has to beat.

"No change"; "the share of samples removed"; and per-packet, per-byte arithmetic after Amdahl. None of them knows
queues, waiting or the size of batches, so the range between them carries no confidence.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import polars as pl

from zcanalysis.answer import Answer, answered
from zcanalysis.effects import UNPRICED, applied, no_effect, remark
from zcanalysis.goodput import Goodput, sender_is_here
from zcanalysis.io.host_facts import HostFacts
from zcanalysis.io.recording import Recording
from zcanalysis.patches import Patch, Setting, facts_after, setting
from zcanalysis.tables import PATCHES, conform, polars_schema
from zcanalysis.workload import (
    CHEAPER,
    DEARER,
    LINK,
    Workload,
    bounds,
    busy_after,
    capacity,
    least,
    link_payload_gbps,
    workload,
)

EXACT: Final = "exact"
UPPER: Final = "upper (sender not recorded)"
TIER: Final = "null"
BY_NULL_MODELS: Final = "null models only: the range carries no confidence"
NOTHING_TO_GO_BY: Final = "without goodput and CPU samples nothing can be predicted"
MOST_REMOVED: Final = 0.99
UNKNOWN: Final = "unknown"


class Nulls(NamedTuple):
    """The three null models; None where nothing here can say."""

    no_change_gbps: float | None
    samples_removed_gbps: float | None
    amdahl_gbps: float | None


class Prediction(NamedTuple):
    """What some patches together would give."""

    patches: tuple[Patch, ...]
    settings: tuple[Setting, ...]
    applies: bool
    why: str
    gbps: float | None
    low_gbps: float | None
    high_gbps: float | None
    nulls: Nulls
    limit_before: str
    limit_after: str
    busy: Mapping[int, float]

    @property
    def name(self) -> str:
        """The patches as one text."""
        return " + ".join(map(str, self.patches)) or "no patch"

    @property
    def command(self) -> str | None:
        """All commands in order; None where there is none."""
        return " && ".join(one.command for one in self.settings if one.command) or None

    @property
    def undo(self) -> str | None:
        """All of them taken back, last first."""
        return " && ".join(one.undo for one in reversed(self.settings) if one.undo) or None


def what_if(recording: Recording | Answer, patches: Iterable[Patch | Iterable[Patch]]) -> pl.DataFrame:
    """Before and after each patch: the PATCHES table, in the order asked.

    Parameters
    ----------
    recording
        As read by `read_recording`, or an answer already worked out.
    patches
        Each one alone; several in a tuple or list are applied together.

    Raises
    ------
    TraceError
        If a file of the recording turns out to be damaged.
    """
    answer = recording if isinstance(recording, Answer) else answered(recording)
    load = _workload(answer)
    groups = [(group,) if isinstance(group, Patch) else tuple(group) for group in patches]
    rows = [_row(answer, _prediction(answer, load, group)) for group in groups]
    return conform(pl.DataFrame(rows, schema=polars_schema(PATCHES)), PATCHES)


def predict(answer: Answer, patches: Iterable[Patch]) -> Prediction:
    """What the patches together would give."""
    return _prediction(answer, _workload(answer), tuple(patches))


def predict_document(answer: Answer, patches: Iterable[Patch]) -> dict[str, Any]:
    """The promised JSON of `predict`; confidence is null because a null model has none."""
    made = predict(answer, patches)
    return {
        "recording": answer.recording.name,
        "baseline_gbps": answer.goodput_gbps,
        "predicted_gbps": made.gbps,
        "low_gbps": made.low_gbps,
        "high_gbps": made.high_gbps,
        "confidence": None,
        "bound": bound(answer),
        "limit_before": made.limit_before,
        "limit_after": made.limit_after,
        "cpu_busy_after": {str(cpu): share for cpu, share in made.busy.items()},
        "tier": TIER,
        "patches": list(_patch_rows(made)),
        "applies": made.applies,
        "why": made.why,
        "modes": None,
        "nulls": made.nulls._asdict(),
        "command": made.command,
        "undo": made.undo,
    }


def bound(answer: Answer) -> str:
    """Whether the sender's own work is in the prediction."""
    return EXACT if sender_is_here(answer.recording) else UPPER


def _patch_rows(made: Prediction) -> Iterator[dict[str, Any]]:
    for patch, means in zip(made.patches, made.settings, strict=True):
        yield {
            "patch": str(patch), "applies": means.obstacle is None, "why": means.obstacle or means.note,
            "in_place": means.in_place, "command": means.command, "undo": means.undo,
        }  # fmt: skip


def _row(answer: Answer, made: Prediction) -> dict[str, Any]:
    return {
        "patch": made.name, "applies": made.applies, "why": made.why, "predicted_gbps": made.gbps,
        "low_gbps": made.low_gbps, "high_gbps": made.high_gbps, "bound": bound(answer),
        "limit_after": made.limit_after, "command": made.command, "undo": made.undo,
    } | made.nulls._asdict()  # fmt: skip


def _workload(answer: Answer) -> Workload | None:
    goodput = _goodput(answer)
    return None if goodput is None else workload(answer.evidence, goodput, answer.ceiling, answer.limit)


def _goodput(answer: Answer) -> Goodput | None:
    if answer.evidence.quiet is not None or answer.goodput_gbps is None:
        return answer.evidence.quiet
    return Goodput(answer.goodput_gbps, None, 0, None, 0, 0, "capture")


def _prediction(answer: Answer, load: Workload | None, patches: tuple[Patch, ...]) -> Prediction:
    settings = _settings(answer.recording.host, load, patches)
    acting = tuple(patch for patch, means in zip(patches, settings, strict=True) if means.obstacle is None)
    possible = all(means.obstacle is None or means.in_place for means in settings)
    unpriced = [
        f"{patch} {UNPRICED[patch.kind]}: no null model prices that" for patch in acting if patch.kind in UNPRICED
    ]
    said = [text for means in settings for text in (means.obstacle, means.note)] + unpriced
    if load is None:
        said.append(NOTHING_TO_GO_BY)
    elif acting and not unpriced:
        said.append(BY_NULL_MODELS)
    base = Prediction(
        patches, settings, bool(acting) and possible, "; ".join(dict.fromkeys(text for text in said if text)),
        None, None, None, Nulls(answer.goodput_gbps, None, None), UNKNOWN, UNKNOWN, {},
    )  # fmt: skip
    if load is None:
        return base
    base = base._replace(limit_before=least(bounds(load, load), load)[0])
    unknown = any(means.obstacle is not None and means.in_place is None for means in settings)
    return base if unknown or unpriced else _predicted(base, load, acting, _error(answer))


def _settings(host: HostFacts, load: Workload | None, patches: tuple[Patch, ...]) -> tuple[Setting, ...]:
    """What each means where those before it are in place: so the undos in reverse restore what was recorded."""
    means: list[Setting] = []
    for patch in patches:
        means.append(setting(patch, host) if load is None else _shown(load, patch))
        if means[-1].obstacle is None:
            host = facts_after(patch, host)
            load = None if load is None else applied(load, (patch,))
    return tuple(means)


def _shown(load: Workload, patch: Patch) -> Setting:
    """What the host's facts say, and then what the recording shows."""
    means = setting(patch, load.host)
    if means.obstacle is not None:
        return means
    if (why := no_effect(load, patch)) is not None:
        return Setting(False, why, None, None, "")
    return means._replace(note="; ".join(text for text in (means.note, remark(load, patch)) if text))


def _error(answer: Answer) -> float:
    quiet = answer.evidence.quiet
    return (quiet.relative_error or 0.0) if quiet else 0.0


def _predicted(base: Prediction, load: Workload, patches: tuple[Patch, ...], error: float) -> Prediction:
    changed = applied(load, patches)
    usual = least(bounds(changed, load), load)
    others = [
        least(bounds(applied(load.changed(assumed=prices), patches), load), load)[1] for prices in (DEARER, CHEAPER)
    ]
    removed = _samples_removed(changed, load)
    points = (load.baseline_gbps, removed, usual[1], *others)
    link = link_payload_gbps(changed)
    most = max(points) * (1 + error)
    return base._replace(
        gbps=usual[1],
        low_gbps=min(points) * (1 - min(error, 1.0)),
        high_gbps=most if link is None else max(min(most, link), usual[1]),
        nulls=Nulls(load.baseline_gbps, removed, usual[1]),
        limit_after=usual[0],
        busy=busy_after(changed, load, usual[1]),
    )


def _samples_removed(changed: Workload, load: Workload) -> float:
    """Goodput if the limiting CPU's removed time were free; no change where no CPU limits."""
    if not load.saturated or least(bounds(load, load), load)[0] == LINK:
        return load.baseline_gbps
    cpu = load.saturated[0] if load.limiting_cpu is None else load.limiting_cpu
    removed = (_share(load, cpu) - _share(changed, cpu)) / capacity(load)
    return load.baseline_gbps / (1 - min(removed, MOST_REMOVED))


def _share(load: Workload, cpu: int) -> float:
    return float(load.work.filter(pl.col("cpu") == cpu).get_column("share").sum())
