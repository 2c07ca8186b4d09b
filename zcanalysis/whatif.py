"""What a patch would give back: by replay of the calibrated host, and beside it by three null models.

The nulls are the honest baselines that every better model has to beat: "no change"; "the share of samples removed";
and per-packet, per-byte arithmetic after Amdahl. None of them knows queues, waiting or the size of batches. Where no
host can be calibrated, or the model does not know a patch, they alone answer, and their range carries no confidence.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import polars as pl

from zcanalysis.answer import Answer, answered, model_of
from zcanalysis.effects import applied, assumption, no_effect, remark, unpriced
from zcanalysis.goodput import Goodput, sender_is_here
from zcanalysis.hosts import Host
from zcanalysis.io.host_facts import HostFacts
from zcanalysis.io.recording import Recording
from zcanalysis.modelled import (
    CONFIDENCE,
    FAST_HOSTS,
    Basis,
    Modelled,
    all_priced,
    basis_of,
    checked_prices,
    limit_of,
    predicted,
)
from zcanalysis.patched import is_priced
from zcanalysis.patches import Patch, Setting, facts_after, setting
from zcanalysis.prices.machine import MachinePrices, calibrated_names
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
NULL: Final = "null"
FROM_RECORDING: Final = "recording"
FROM_MACHINE: Final = "calibrated"
REPLAYED_TIERS: Final = (FROM_RECORDING, FROM_MACHINE)
"""Tiers whose intervals carry their confidence: a host calibrated from the recording, replayed."""
FROM_HOST: Final = "host"
BY_NULL_MODELS: Final = "null models only: the range carries no confidence"
PRICES_NEED_REPLAY: Final = "only a replay knows prices"
NOTHING_TO_GO_BY: Final = "without goodput and CPU samples nothing can be predicted"
MOST_REMOVED: Final = 0.99
UNKNOWN: Final = "unknown"
NULL_NAMES: Final[Mapping[str, str]] = {
    "no_change_gbps": "no change",
    "samples_removed_gbps": "share of samples removed",
    "amdahl_gbps": "per packet and byte (Amdahl)",
}


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
    prices: Mapping[str, float]
    """Those that were set, by name."""
    tier: str = NULL
    """What it rests on: a host calibrated from this recording, alone or with prices of its machine, or null models."""

    @property
    def name(self) -> str:
        """Patches and prices as one text."""
        return _names(self.patches, self.prices)

    @property
    def command(self) -> str | None:
        """All commands in order; None where there is none."""
        return " && ".join(one.command for one in self.settings if one.command) or None

    @property
    def undo(self) -> str | None:
        """All of them taken back, last first."""
        return " && ".join(one.undo for one in reversed(self.settings) if one.undo) or None


def what_if(
    recording: Recording | Answer | Host,
    patches: Iterable[Patch | Iterable[Patch]],
    *,
    machine: MachinePrices | None = None,
    prices: Mapping[str, float] | None = None,
) -> pl.DataFrame:
    """Before and after each patch: the PATCHES table, in the order asked.

    Parameters
    ----------
    recording
        As read by `read_recording`, or an answer already worked out; or a host (a preset, or one read from a file),
        whose replay then stands for the measurement.
    patches
        Each one alone; several in a tuple or list are applied together.
    machine
        Prices of the recording's machine (`read_machine_prices`), for those that it can only assume; of no use for an
        answer already worked out, or for a host.
    prices
        Set to these values in every changed host, whatever the recording says: ``{"copy.ns_per_byte": 0.05}``, names
        and units as `calibrate(recording).prices()` has them. An empty group of patches then asks for them alone.

    Raises
    ------
    TraceError
        If a file of the recording turns out to be damaged, or the prices are another machine's; or if prices are set
        where no host can be calibrated.
    ImpossibleHostError
        If there is no such price, or it cannot have that value.
    ValueError
        If a machine comes with what is no recording.
    """
    if machine is not None and not isinstance(recording, Recording):
        raise ValueError(f"machine goes with a recording, got a {type(recording).__name__}")
    groups = [(group,) if isinstance(group, Patch) else tuple(group) for group in patches]
    if isinstance(recording, Host):
        return conform(pl.DataFrame(_of_host(recording, groups, prices or {}), schema=polars_schema(PATCHES)), PATCHES)
    answer = recording if isinstance(recording, Answer) else answered(recording, machine=machine)
    rows = [_row(answer, made) for made in predictions(answer, groups, prices)]
    return conform(pl.DataFrame(rows, schema=polars_schema(PATCHES)), PATCHES)


def predictions(
    answer: Answer, groups: Iterable[tuple[Patch, ...]], prices: Mapping[str, float] | None = None
) -> Iterator[Prediction]:
    """What each group of patches would give; the prices are set with every group."""
    load, known = workload_of(answer), _checked(answer, prices)
    yield from (_prediction(answer, load, group, known) for group in groups)


def fast_prediction(
    answer: Answer, load: Workload | None, patches: Iterable[Patch], prices: Mapping[str, float] | None = None
) -> Prediction:
    """The same of few hosts and without the null models: within `FAST_ERROR` of the exact one, in a tenth of the time.

    Parameters
    ----------
    answer
        Of a recording.
    load
        Its `workload_of`.
    patches, prices
        As for `predict`. Where no replay can say, the null models answer, as they do there.
    """
    return _prediction(answer, load, tuple(patches), _checked(answer, prices), FAST_HOSTS)


def _checked(answer: Answer, prices: Mapping[str, float] | None) -> Mapping[str, float]:
    return checked_prices(model_of(answer).hosts[0], prices) if prices else {}


def _of_host(host: Host, groups: list[tuple[Patch, ...]], prices: Mapping[str, float]) -> list[dict[str, Any]]:
    """Rows of a host that nobody recorded: no facts, so no commands."""
    start = basis_of(host)
    rows = []
    for group in groups:
        made = host_prediction(start, group, prices)
        row: dict[str, Any] = dict.fromkeys(PATCHES)
        row |= {"patch": made.name, "applies": made.applies, "why": made.why, "tier": made.tier, "bound": EXACT}
        if made.gbps is not None:
            row |= {"predicted_gbps": made.gbps, "low_gbps": made.low_gbps, "high_gbps": made.high_gbps,
                    "limit_after": made.limit_after}  # fmt: skip
        rows.append(row | made.nulls._asdict())
    return rows


def host_prediction(
    start: Basis, patches: Iterable[Patch], prices: Mapping[str, float] | None = None, hosts: int | None = None
) -> Prediction:
    """What the patches together would give a host that nobody recorded.

    Parameters
    ----------
    start
        Its `basis_of`.
    patches, prices, hosts
        As for `predicted`.

    Raises
    ------
    ImpossibleHostError
        If it has no such price, or it cannot have that value.
    """
    chosen, known = tuple(patches), checked_prices(start.hosts[0], prices or {})
    made = predicted(start, chosen, known, hosts)
    unknown = [str(patch) for patch in chosen if not is_priced(patch)]
    why = f"the model does not know {', '.join(unknown)}" if unknown else made if isinstance(made, str) else ""
    before = limit_of(start.hosts[0], start.before)
    base = Prediction(
        chosen, (), not why, why, None, None, None, Nulls(start.goodput.gbps, None, None), before, UNKNOWN, {}, known,
        FROM_HOST,
    )  # fmt: skip
    return base if why or isinstance(made, str) else _by_model(base, made, changing=True)


def _names(patches: tuple[Patch, ...], prices: Mapping[str, float]) -> str:
    return " + ".join([*map(str, patches), *(f"{name}={value:g}" for name, value in prices.items())]) or "no patch"


def predict(answer: Answer, patches: Iterable[Patch], prices: Mapping[str, float] | None = None) -> Prediction:
    """What the patches together would give, with prices set where any are given."""
    return next(predictions(answer, [tuple(patches)], prices))


def predict_document(
    answer: Answer, patches: Iterable[Patch], prices: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """The promised JSON of `predict`; confidence is null where only null models answer."""
    made = predict(answer, patches, prices)
    return {
        "recording": answer.recording.name,
        "baseline_gbps": answer.goodput_gbps,
        "predicted_gbps": made.gbps,
        "low_gbps": made.low_gbps,
        "high_gbps": made.high_gbps,
        "confidence": CONFIDENCE if made.tier in REPLAYED_TIERS else None,
        "bound": bound(answer),
        "limit_before": made.limit_before,
        "limit_after": made.limit_after,
        "cpu_busy_after": {str(cpu): share for cpu, share in made.busy.items()},
        "tier": made.tier,
        "patches": list(_patch_rows(made)),
        "prices": dict(made.prices),
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
        "limit_after": made.limit_after, "tier": made.tier, "command": made.command, "undo": made.undo,
    } | made.nulls._asdict()  # fmt: skip


def workload_of(answer: Answer) -> Workload | None:
    """The recorded work that null models and preconditions go by; None where no goodput or no samples are known."""
    goodput = _goodput(answer)
    return None if goodput is None else workload(answer.evidence, goodput, answer.ceiling, answer.limit)


def _goodput(answer: Answer) -> Goodput | None:
    if answer.evidence.quiet is not None or answer.goodput_gbps is None:
        return answer.evidence.quiet
    return Goodput(answer.goodput_gbps, None, 0, None, 0, 0, "capture")


def _prediction(
    answer: Answer,
    load: Workload | None,
    patches: tuple[Patch, ...],
    prices: Mapping[str, float],
    hosts: int | None = None,
) -> Prediction:
    replayable = answer.model is not None and all_priced(patches)
    settings = _settings(answer.recording.host, load, patches, assuming=not replayable)
    acting = tuple(patch for patch, means in zip(patches, settings, strict=True) if means.obstacle is None)
    possible = all(means.obstacle is None or means.in_place for means in settings)
    said = [text for means in settings for text in (means.obstacle, means.note)]
    base = Prediction(
        patches, settings, bool(acting or prices) and possible, "", None, None, None,
        Nulls(answer.goodput_gbps, None, None), UNKNOWN, UNKNOWN, {}, prices,
    )  # fmt: skip
    if load is None:
        return base._replace(why=_joined([*said, NOTHING_TO_GO_BY]))
    base = base._replace(limit_before=least(bounds(load, load), load)[0])
    if any(means.obstacle is not None and means.in_place is None for means in settings):
        return base._replace(why=_joined(said))
    if answer.model is None or not all_priced(acting):
        return _unreplayed(answer, base, load, acting, said)
    replayed = predicted(answer.model, acting, prices, hosts)
    if isinstance(replayed, str):
        return base._replace(applies=False, why=_joined([*said, replayed]))
    nullable = hosts is None and not prices and not any(map(unpriced, acting))
    by_null = _by_nulls(base, load, acting, _error(answer)) if nullable else base
    tier = FROM_MACHINE if calibrated_names(answer.model.calibration.host) else FROM_RECORDING
    changing = bool(acting or prices)
    return _by_model(by_null, replayed, changing=changing)._replace(why=_joined(said), tier=tier)


def _unreplayed(
    answer: Answer, base: Prediction, load: Workload, acting: tuple[Patch, ...], said: list[str | None]
) -> Prediction:
    """What null models alone say, where there is no host to replay or it does not know a patch."""
    if base.prices:
        unknown = ", ".join(str(patch) for patch in acting if not is_priced(patch))
        return base._replace(
            applies=False, why=_joined([*said, f"{PRICES_NEED_REPLAY}, and it does not know {unknown}"])
        )
    unseen = [f"{patch} {why}: no null model prices that" for patch in acting if (why := unpriced(patch)) is not None]
    by_null = base if unseen else _by_nulls(base, load, acting, _error(answer))
    without = [] if not acting or unseen else [BY_NULL_MODELS]
    return by_null._replace(why=_joined([*said, *unseen, *without]))


def _joined(said: Iterable[str | None]) -> str:
    return "; ".join(dict.fromkeys(text for text in said if text))


def _by_model(by_null: Prediction, replayed: Modelled, *, changing: bool) -> Prediction:
    return by_null._replace(
        gbps=replayed.gbps, low_gbps=replayed.low_gbps, high_gbps=replayed.high_gbps,
        limit_after=replayed.limit_after if changing else by_null.limit_before, busy=replayed.busy,
    )  # fmt: skip


def _settings(
    host: HostFacts, load: Workload | None, patches: tuple[Patch, ...], *, assuming: bool
) -> tuple[Setting, ...]:
    """What each means where those before it are in place: so the undos in reverse restore what was recorded."""
    means: list[Setting] = []
    for patch in patches:
        means.append(setting(patch, host) if load is None else _shown(load, patch, assuming=assuming))
        if means[-1].obstacle is None:
            host = facts_after(patch, host)
            load = None if load is None else applied(load, (patch,))
    return tuple(means)


def patch_setting(answer: Answer, load: Workload | None, patch: Patch) -> Setting:
    """Whether the patch can act where that was recorded, by the host's facts and by what the recording shows.

    Parameters
    ----------
    answer
        Of a recording.
    load
        Its `workload_of`.
    patch
        Any.
    """
    return _settings(answer.recording.host, load, (patch,), assuming=not all_priced((patch,)))[0]


def _shown(load: Workload, patch: Patch, *, assuming: bool) -> Setting:
    """What the host's facts say, then what the recording shows, and what the null models assume where they answer."""
    means = setting(patch, load.host)
    if means.obstacle is not None:
        return means
    if (why := no_effect(load, patch)) is not None:
        return Setting(False, why, None, None, "")
    notes = (means.note, remark(load, patch), assumption(load, patch) if assuming else "")
    return means._replace(note="; ".join(text for text in notes if text))


def _error(answer: Answer) -> float:
    quiet = answer.evidence.quiet
    return (quiet.relative_error or 0.0) if quiet else 0.0


def _by_nulls(base: Prediction, load: Workload, patches: tuple[Patch, ...], error: float) -> Prediction:
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
