"""Folded call chains, one a line and root first: what flame graph programs read.

Enters: a table of samples. Leaves: `stack` (`comm;root;...;leaf`) and `count`, sorted by stack. Text equal to what
stackcollapse-perf writes is a promise here, because people compare flame graphs made by both.
"""

import re
from collections.abc import Collection
from pathlib import PurePosixPath
from typing import Final, Literal

import polars as pl

Label = Literal["comm", "pid", "tid"]
Mark = Literal["kernel", "jit", "inlined"]

INLINED: Final[tuple[Mark, ...]] = ("inlined",)
INLINED_IN: Final = re.compile(r"(?<!operator)->")
JIT_DSO: Final = re.compile(r"/tmp/perf-\d+\.map")
ARGUMENTS: Final = re.compile(r"\((?!anonymous namespace\)).*")
GO_METHOD: Final = re.compile(r"\.\(.*\)\.")
UNKNOWN: Final = "[unknown]"


def folded_stacks(
    samples: pl.DataFrame | pl.LazyFrame,
    *,
    label: Label = "comm",
    marks: Collection[Mark] = INLINED,
    event: str | None = None,
) -> pl.DataFrame:
    r"""How often each call chain was seen, or how many events it stands for where the trace has periods.

    Parameters
    ----------
    samples
        Columns of SAMPLES: comm, pid, tid, event, period, callchain, error.
    label
        First element of a stack: the command name, with the process id, or with process and thread id
        (`?` where the trace does not name the process). Spaces in it become `_`.
    marks
        Functions to annotate: `_[k]` kernel, `_[j]` compiled at run time, `_[i]` inlined (`caller->callee` or
        perf's own inlined lines).
    event
        The event to count; by default that of the first sample, because counts of different events do not add up.

    Returns
    -------
    polars.DataFrame
        stack and count, sorted by stack.

    Notes
    -----
    Rules of stackcollapse-perf that are kept though they look odd: a sample without period, or with period 0, counts
    1; `;` in a name becomes `:`; quotes and everything from the first parenthesis on are cut from names, except for
    Go methods and anonymous namespaces; the `L` in front of a Java class is cut only where the label is exactly
    `java`, so never with ids; a function without name shows its file in brackets. One rule is not kept: C++'s
    ``operator->`` is a name, not an inlined call. Three of its defects are not kept either: it loses the last sample
    of a text that does not end with a blank line, prints nothing for a frame that perf printed without any name, and
    takes the idle task's thread 0 for none (`swapper-?` where we print `swapper-0`).

    Examples
    --------
    >>> samples = pl.DataFrame({"comm": ["sh"], "callchain": ["read\tvmlinux\tk\nmain\t/bin/sh\tu"], "event": ["e"],
    ...                         "pid": [1], "tid": [2], "period": [None], "error": [None]})
    >>> folded_stacks(samples, label="tid", marks=["kernel"]).row(0)
    ('sh-1/2;main;read_[k]', 1)
    """
    good = samples.lazy().filter(pl.col("error").is_null())
    chosen = pl.col("event").first() if event is None else pl.lit(event)
    weight = pl.col("period").cast(pl.Int64).fill_null(1).replace(0, 1)
    counted = (
        good.filter(pl.col("event").eq_missing(chosen))
        .group_by(label=_label(label), callchain="callchain")
        .agg(count=weight.sum())
        .collect()
    )
    stacks = [
        ";".join([name, *_functions(chain, name, marks)]) for name, chain in counted.select("label", "callchain").rows()
    ]
    return (
        counted.select(pl.Series("stack", stacks, dtype=pl.String), "count")
        .group_by("stack")
        .agg(pl.col("count").sum())
    ).sort("stack")


def folded_text(stacks: pl.DataFrame) -> str:
    """The table as text for flame graph programs: one stack a line, a space, its count."""
    lines = stacks.select(pl.concat_str("stack", pl.col("count").cast(pl.String), separator=" ")).to_series()
    return "".join(f"{line}\n" for line in lines)


def folded_difference_text(chains: pl.DataFrame) -> str:
    r"""Two profiles as text for flame graph programs, as difffolded.pl writes them: a stack, before, after.

    Parameters
    ----------
    chains
        CHAINS_COMPARED. Told in whole ns per 1,000,000 bytes of payload, because most programs read whole numbers.

    Examples
    --------
    >>> folded_difference_text(pl.DataFrame({"stack": ["sh;main"], "before": [0.25], "after": [0.0]}))
    'sh;main 250 0\n'
    """
    sides = ((pl.col(name) * 1000).round().cast(pl.Int64).cast(pl.String) for name in ("before", "after"))
    lines = chains.select(pl.concat_str("stack", *sides, separator=" ")).to_series()
    return "".join(f"{line}\n" for line in lines)


def chain_functions(callchain: str) -> list[str]:
    r"""The names of a call chain root first, as `folded_stacks` writes them.

    Parameters
    ----------
    callchain
        As SAMPLES holds it.

    Examples
    --------
    >>> chain_functions("read\tvmlinux\tk\nmain(int)\t/bin/sh\tu")
    ['main', 'read']
    """
    return _functions(callchain, "", INLINED)


def _label(label: Label) -> pl.Expr:
    name = pl.col("comm").fill_null("").str.replace_all(" ", "_").str.replace_all(";", ":")
    process = pl.col("pid").cast(pl.String).fill_null("?")
    thread = pl.col("tid").cast(pl.String).fill_null("?")
    if label == "comm":
        return name
    ids = [process] if label == "pid" else [process, pl.lit("/"), thread]
    return pl.concat_str(name, pl.lit("-"), *ids)


def _functions(callchain: str, label: str, marks: Collection[Mark]) -> list[str]:
    """Names root first; one frame gives several when it holds inlined calls."""
    names: list[str] = []
    for frame in reversed(callchain.split("\n") if callchain else []):
        symbol, dso, mode = frame.split("\t")
        for depth, part in enumerate(INLINED_IN.split(symbol)):
            name = _tidy(part if part != UNKNOWN else _file_name(dso), java=label == "java")
            names.append(name + _mark(name, dso, mode, inlined=depth > 0 or dso == "(inlined)", marks=marks))
    return names


def _file_name(dso: str) -> str:
    return UNKNOWN if dso == UNKNOWN else f"[{PurePosixPath(dso).name}]"


def _tidy(name: str, *, java: bool) -> str:
    name = name.replace(";", ":")
    if not GO_METHOD.search(name):
        name = ARGUMENTS.sub("", name)
    name = name.replace('"', "").replace("'", "")
    return name[1:] if java and name.startswith("L") and "/" in name else name


def _mark(name: str, dso: str, mode: str, *, inlined: bool, marks: Collection[Mark]) -> str:
    if inlined:
        return "_[i]" if "inlined" in marks and "_[i]" not in name else ""
    if mode == "k":
        return "_[k]" if "kernel" in marks else ""
    return "_[j]" if "jit" in marks and JIT_DSO.search(dso) and "_[j]" not in name else ""
