"""The folder of a dataset: parquet tables of every source, written so that nothing is ever half there.

A file appears under its name when it is whole. A source's row in ``recordings`` is written last and marks it as done;
until then its other tables do not count, and are swept away by the next run.

    dataset.json             says that the folder is ours, and which version
    recordings/KEY.parquet   one row: what the source is, and its answer in numbers
    flows/KEY.parquet        and costs, blame, limits, audit: the tables of `report`, with the key in front
    failed/KEY.json          a source that could not be analysed, and why
    .run                     which run may write, while one does
    index.html               all of it on one page
"""

import fcntl
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple
from uuid import uuid4

import polars as pl

from zcanalysis.errors import TraceError
from zcanalysis.fleet.sources import MARKER, Source, as_text
from zcanalysis.io.json_file import read_json
from zcanalysis.tables import (
    AUDIT,
    BLAME,
    COSTS,
    FLOWS,
    LIMITS,
    RECORDINGS,
    Column,
    Schema,
    conform,
    parquet_metadata,
    polars_schema,
)
from zcanalysis.whole_file import appearing_whole

DATASET_VERSION: Final = 1
ROW: Final = "recordings"
FAILED: Final = "failed"
PARTS: Final = ".parts"
RUN: Final = ".run"
STATE: Final = "zcanalysis.source"
"""In every table's metadata: what it was made of, so that no two states of a source pass for one."""
KEYED: Final[Schema] = {"key": RECORDINGS["key"]}
LIMITED: Final[Schema] = {
    "limit": Column(pl.String(), "what limited the direction most of its time; null where that is not known"),
    "limit_share": Column(pl.Float64(), "its part of that time"),
}
TABLES: Final[dict[str, Schema]] = {
    "flows": KEYED | FLOWS | LIMITED,
    "costs": KEYED | COSTS,
    "blame": KEYED | BLAME,
    "limits": KEYED | LIMITS,
    "audit": KEYED | AUDIT,
}


class Failure(NamedTuple):
    """A source that could not be analysed."""

    key: str
    path: str
    reason: str


class Dataset:
    """A dataset's folder, from any process that sees it, for one run.

    A task cannot be stopped once it is under way: when its run was interrupted it may end in the middle of the next
    one. So only tasks of the run that is named in the folder write.
    """

    def __init__(self, directory: Path, run: str) -> None:
        self.directory = directory
        self.run = run

    def check(self) -> None:
        """Look whether this process may write.

        Raises
        ------
        TraceError
            If it does not see the folder, or the run is over.
        """
        if not (self.directory / MARKER).exists():
            raise TraceError(f"{self.directory}: not seen by a worker; the dataset's folder must be shared by all")
        running = self.directory / RUN
        if not running.exists() or running.read_text() != self.run:
            raise TraceError(f"{self.directory}: the batch that asked for this is over")

    def is_done(self, source: Source, state: str) -> bool:
        """Whether all tables of a source are there, made when it and the options were as `state` says."""
        try:
            return all(
                pl.read_parquet_metadata(self._file(name, source.key)).get(STATE) == state for name in (*TABLES, ROW)
            )
        except (OSError, pl.exceptions.PolarsError):
            return False

    def keep(self, source: Source, tables: Mapping[str, pl.DataFrame], state: str) -> None:
        """Write the tables of a source, with `recordings` among them; that one comes last."""
        self.check()
        self._file(ROW, source.key).unlink(missing_ok=True)
        for name, schema in TABLES.items():
            keyed = tables[name].select(pl.lit(source.key).alias("key"), pl.all())
            self._write(name, source.key, keyed, schema, state)
        self._write(ROW, source.key, tables[ROW], RECORDINGS, state)
        self.forgive(source)

    def fail(self, source: Source, reason: str) -> None:
        """Keep why a source could not be analysed, instead of what it said before."""
        self.check()
        said = Failure(source.key, source.shown, as_text(" ".join(reason.split())))
        self._forget(source.key)
        _write_whole(self._failure(source), json.dumps(said._asdict(), indent=1))

    def forgive(self, source: Source) -> None:
        """No failure of it any more."""
        self._failure(source).unlink(missing_ok=True)

    def has_failed(self, source: Source) -> bool:
        """Whether its last run was a failure."""
        return self._failure(source).exists()

    def recordings(self) -> pl.DataFrame:
        """RECORDINGS of all sources that are done, by path."""
        files = sorted((self.directory / ROW).glob("*.parquet"))
        rows = [pl.read_parquet(file) for file in files]
        table = pl.concat(rows) if rows else pl.DataFrame(schema=polars_schema(RECORDINGS))
        return table.sort("path", "key")

    def failures(self) -> list[Failure]:
        """Of all sources that failed when they were last tried, by path."""
        every = (read_json(file) for file in (self.directory / FAILED).glob("*.json"))
        return sorted((Failure(**one) for one in every), key=lambda one: (one.path, one.key))

    def parts(self, source: Source) -> Path:
        """A folder for what is needed only until the source is done."""
        folder = self.directory / PARTS / self.run / source.key
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def drop_parts(self, source: Source) -> None:
        """Remove that folder."""
        shutil.rmtree(self.directory / PARTS / self.run / source.key, ignore_errors=True)

    def sweep(self) -> None:
        """Remove what runs left that were killed: drafts, and tables of sources that are not done."""
        shutil.rmtree(self.directory / PARTS, ignore_errors=True)
        done: set[str] = set()
        for name in (ROW, *TABLES, FAILED):
            for file in (self.directory / name).iterdir():
                is_orphan = name in TABLES and file.name not in done
                if file.name.startswith(".") or is_orphan or not file.stat().st_size:  # empty: the machine went down
                    file.unlink(missing_ok=True)
                elif name == ROW:
                    done.add(file.name)

    def _forget(self, key: str) -> None:
        for name in (ROW, *TABLES):
            self._file(name, key).unlink(missing_ok=True)

    def _write(self, name: str, key: str, table: pl.DataFrame, schema: Schema, state: str) -> None:
        said = parquet_metadata(name, schema, DATASET_VERSION) | {STATE: state}
        part = self._draft(name, key)
        conform(table, schema).write_parquet(part, compression="zstd", metadata=said)
        part.replace(self._file(name, key))

    def _file(self, name: str, key: str) -> Path:
        return self.directory / name / f"{key}.parquet"

    def _failure(self, source: Source) -> Path:
        return self.directory / FAILED / f"{source.key}.json"

    def _draft(self, name: str, key: str) -> Path:
        return self.directory / name / f".{key}.{uuid4().hex}.part"


@contextmanager
def dataset_in(directory: Path) -> Iterator[Dataset]:
    """The dataset of a folder, made if there is none yet; nobody else writes it meanwhile.

    Raises
    ------
    TraceError
        If the folder holds something else, is of another version, or another run writes it.
    """
    marker = directory / MARKER
    if not marker.exists():
        if directory.exists() and not directory.is_dir():
            raise TraceError(f"{directory}: is a file; name a folder for the dataset")
        if directory.exists() and any(not one.name.startswith(".") for one in directory.iterdir()):
            raise TraceError(f"{directory}: is neither empty nor a dataset of batch; name another folder")
        directory.mkdir(parents=True, exist_ok=True)
        _write_whole(marker, json.dumps({"zcanalysis": "dataset", "version": DATASET_VERSION}) + "\n")
    version = read_json(marker).get("version")
    if version != DATASET_VERSION:
        raise TraceError(f"{directory}: is a dataset of version {version}, expected {DATASET_VERSION}; name another")
    with marker.open("rb") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TraceError(f"{directory}: another batch is writing it; wait for its end") from error
        for name in (*TABLES, ROW, FAILED):
            (directory / name).mkdir(exist_ok=True)
        dataset = Dataset(directory, uuid4().hex)
        _write_whole(directory / RUN, dataset.run)
        dataset.sweep()
        try:
            yield dataset
        finally:
            (directory / RUN).unlink(missing_ok=True)
            dataset.sweep()


def _write_whole(file: Path, text: str) -> None:
    with appearing_whole(file) as part:
        part.write_text(text, encoding="utf-8")
