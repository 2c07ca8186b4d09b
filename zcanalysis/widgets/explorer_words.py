"""What an explorer shows, in words and numbers: nothing here computes."""

from collections.abc import Iterable
from html import escape
from typing import Final

from zcanalysis.answer import Answer, limits_text, rate_text, sentence
from zcanalysis.exploring import Explored, Subject, acting
from zcanalysis.hosts import Host
from zcanalysis.measured_change import Measured
from zcanalysis.modelled import CONFIDENCE, FAST_ERROR
from zcanalysis.scenarios import parts
from zcanalysis.whatif import NULL
from zcanalysis.widgets.page_parts import dim, rows_html, warning

NO_CHANGE: Final = 0.005
LIMITS: Final = {"link": "the link", "receive window": "the receive window", "not seen": "nothing that was seen"}
FAST_WORDS: Final = f"fast answer, 99 of 100 are within {FAST_ERROR:.0%} of the exact one, which follows"
EXACT_WORDS: Final = "all 25 hosts replayed, as zc.what_if does"


def said(subject: Subject, found: Explored, measured: Iterable[Measured]) -> str:
    """What the picture shows, in a few sentences.

    Parameters
    ----------
    subject
        Of a recording, or a host.
    found
        What the scenario would give it.
    measured
        What the lab measured of the same.
    """
    made = found.prediction
    if found.changes_nothing:
        start = "Replayed" if subject.answer is None else "Measured"
        return f"{start}: {rate_text(*subject.baseline)}. The limit is {limit_words(subject.limit)}. Change something."
    asked = " and ".join(parts(found.scenario))
    if made.gbps is None:
        return f"{asked}: nothing can be predicted. {made.why}"
    unable = "" if made.applies else " (it cannot act here)"
    words = [
        f"With {asked}{unable}: {rate_text(*found.rate)}{_sure(found)}, {_change(subject, found)}.",
        _limits(limit_words(subject.limit), limit_words(made.limit_after)),
        *(_measured(subject, found, one) for one in sorted(measured, key=lambda one: not is_outside(found, one))),
    ]
    if made.why:
        words.append(f"Mind: {made.why}.")
    return " ".join(words)


def doubt(subject: Subject, found: Explored, measured: Iterable[Measured]) -> str:
    """The part of `said` that contradicts the prediction; empty where nothing does.

    Parameters
    ----------
    subject, found, measured
        As for `said`.
    """
    if found.changes_nothing or found.prediction.gbps is None:
        return ""
    return " ".join(_measured(subject, found, one) for one in measured if is_outside(found, one))


def is_outside(found: Explored, measured: Measured) -> bool:
    """Whether the measured interval, or the point where it has none, has nothing in common with the predicted one.

    Parameters
    ----------
    found
        What is predicted.
    measured
        Of the same changes.
    """
    _, low, high = found.rate
    if low is None or high is None:
        return False
    least = measured.gbps if measured.low_gbps is None else measured.low_gbps
    most = measured.gbps if measured.high_gbps is None else measured.high_gbps
    return most < low or least > high


def figures_html(subject: Subject, found: Explored) -> str:
    """The prediction large, and what is busy then.

    Parameters
    ----------
    subject, found
        As for `said`.
    """
    made = found.prediction
    how = EXACT_WORDS if found.exact else FAST_WORDS
    change = "" if found.changes_nothing or made.gbps is None else _change(subject, found)
    interval = " range of simpler arithmetic, no confidence" if made.tier == NULL and made.gbps is not None else ""
    rows = [
        ("as it is", rate_text(*subject.baseline), limit_words(subject.limit), _busy(subject, None)),
        (
            "with the changes",
            rate_text(*found.rate),
            limit_words(subject.limit if found.changes_nothing else made.limit_after),
            _busy(subject, found),
        ),
    ]
    rows = rows[:1] if found.changes_nothing else rows
    head = f'<div class="zc-large">{escape(rate_text(*found.rate))}</div>{escape(change)}{warning(interval)}'
    table = rows_html(("", f"goodput ({CONFIDENCE:.0%})", "limit", "CPUs busy"), rows)
    return f"{head}<div>{dim(how)}</div>{table}"


def recording_html(answer: Answer) -> str:
    """What was recorded: the answer, and how far to trust it.

    Parameters
    ----------
    answer
        Of the recording.
    """
    doubts = answer.audit.filter(answer.audit.get_column("verdict") != "ok")
    bad = doubts.filter(doubts.get_column("verdict") == "bad").height
    trust = f"Trust: {doubts.height} of {answer.audit.height} checks to look at, {bad} of them bad (zc.audit)."
    model = "" if answer.model is not None else warning(f"No replay: {answer.no_model}. Null models answer alone.")
    return f"<div><b>{escape(answer.recording.name)}</b>: {escape(sentence(answer))}</div>{dim(trust)} {model}"


def connection_html(answer: Answer, connection: str) -> str:
    """What held one connection back.

    Parameters
    ----------
    answer
        Of the recording.
    connection
        As its LIMITS name it.
    """
    mine = answer.limits.filter(answer.limits.get_column("connection") == connection)
    every = max(int(answer.limits.get_column("payload_bytes").sum()), 1)
    share = int(mine.get_column("payload_bytes").sum()) / every
    words = f"{connection}: {share:.0%} of the payload; held back by {limits_text(mine)}."
    return f"{escape(words)} {dim('Predictions are of all connections together.')}"


def host_html(host: Host) -> str:
    """What a host that nobody recorded stands for, and where its prices come from.

    Parameters
    ----------
    host
        A preset.
    """
    prices = host.prices().values()
    counted = {origin: sum(price.origin == origin for price in prices) for origin in ("published", "assumed")}
    origins = ", ".join(f"{number} {origin}" for origin, number in counted.items())
    words = f"Not recorded: the preset {host.name}, {host.generation}. {host.about}"
    return f"<div>{escape(words)}</div>{dim(f'Prices: {origins}, none measured here.')}"


def limit_words(limit: str) -> str:
    """A limit as it stands in a sentence.

    Examples
    --------
    >>> limit_words("CPU 1"), limit_words("link")
    ('CPU 1', 'the link')
    """
    return LIMITS.get(limit, limit)


def _change(subject: Subject, found: Explored) -> str:
    """Against the baseline: difference and ratio."""
    before, after = subject.baseline.gbps, found.prediction.gbps
    assert after is not None
    if not before:
        return "with nothing to compare it with"
    ratio = after / before
    if abs(ratio - 1) < NO_CHANGE or not (acting(found) or found.scenario.prices):
        return f"no change from {rate_text(*subject.baseline)}"
    return f"{after - before:+.1f} Gbit/s, {ratio:.2f} times the {before:.1f} Gbit/s as it is"


def _measured(subject: Subject, found: Explored, one: Measured) -> str:
    """What was measured, and where it contradicts the prediction by how much, with the reason if the data give one."""
    words = f"Measured in the lab: {rate_text(*one[:3])} ({one.where})"
    if not is_outside(found, one):
        return f"{words}."
    before, after = subject.baseline.gbps, found.prediction.gbps
    words += ", outside the prediction"
    if before and after:
        words += f": {one.gbps / before:.2f} times as much as it is, not {after / before:.2f} times"
    return f"{words}; {one.cpus}." if one.cpus else f"{words}."


def _limits(before: str, after: str) -> str:
    return f"The limit stays {after}." if before == after else f"Then the limit is {after}; it was {before}."


def _sure(found: Explored) -> str:
    return "" if found.exact else " at first sight"


def _busy(subject: Subject, found: Explored | None) -> str:
    before = {} if subject.start is None else subject.start.before.busy[0]
    busy = before if found is None else found.prediction.busy
    return ", ".join(f"CPU {cpu} {share:.0%}" for cpu, share in sorted(busy.items())) or "unknown"
