"""What datasets hold, for comparison."""

from pathlib import Path

import polars as pl

from zcanalysis.fleet.dataset import RUN, TABLES

EVERY = (*TABLES, "recordings")


def contents(directory: Path) -> dict[str, dict[str, pl.DataFrame]]:
    """Every table of every source, and nothing else that is parquet."""
    tables = {name: {file.name: pl.read_parquet(file) for file in (directory / name).iterdir()} for name in EVERY}
    assert sum(len(files) for files in tables.values()) == len(list(directory.rglob("*.parquet")))
    return tables


def check_same(one: Path, other: Path) -> None:
    """Both hold the same tables, row by row."""
    first, second = contents(one), contents(other)
    for name in EVERY:
        assert sorted(first[name]) == sorted(second[name])
        for file, table in first[name].items():
            assert table.equals(second[name][file]), (name, file)
    assert {file.name for file in (one / "failed").iterdir()} == {file.name for file in (other / "failed").iterdir()}


def leftovers(directory: Path) -> list[Path]:
    """Drafts and parts."""
    hidden = [file for file in directory.rglob(".*") if file.name != RUN]
    return [*hidden, *directory.rglob("*.part")]
