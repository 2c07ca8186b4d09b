"""Captures and perf traces as parquet."""

import json
from pathlib import Path

import polars as pl
import pytest

from tests.io.test_perf import TWO_SAMPLES
from zcanalysis.errors import TraceError
from zcanalysis.io.compressed import open_bytes
from zcanalysis.io.exports import Converted, convert
from zcanalysis.io.pcap import scan_pcap
from zcanalysis.io.perf import scan_perf
from zcanalysis.tables import PACKETS, parquet_metadata

CAPTURE = Path(__file__).parent.parent.parent / "traces/veth-gro/capture.pcap.zst"


def test_a_capture_keeps_every_column_and_value(tmp_path):
    target = tmp_path / "out.parquet"
    done = convert(CAPTURE, target)
    rows = scan_pcap(CAPTURE).collect()
    written = pl.read_parquet(target)
    assert done == Converted("packets", rows.height, 0, None)
    assert written.columns == list(PACKETS)
    assert written.drop("src", "dst").equals(rows.drop("src", "dst"))
    assert set(written.get_column("src")) == {"10.77.0.1", "10.77.0.2"}


def test_the_file_says_its_schema_and_what_each_column_means(tmp_path):
    target = tmp_path / "out.parquet"
    convert(CAPTURE, target)
    metadata = pl.read_parquet_metadata(target)
    assert metadata["zcanalysis.schema"] == "packets 1"
    assert set(json.loads(metadata["zcanalysis.columns"])) == set(PACKETS)
    units = json.loads(metadata["zcanalysis.units"])
    assert {name: units.get(name) for name in ("ts_ns", "wire_bytes", "seq")} == {
        "ts_ns": "ns", "wire_bytes": "bytes", "seq": None,
    }  # fmt: skip


def test_what_the_file_says_stands_in_its_footer_as_plain_text(tmp_path):
    target = tmp_path / "out.parquet"
    convert(CAPTURE, target)
    written = target.read_bytes()
    # the format: ..., footer, its length in 4 bytes, PAR1
    footer = written[-8 - int.from_bytes(written[-8:-4], "little") : -8]
    assert written[-4:] == b"PAR1"
    for name, text in parquet_metadata("packets", PACKETS).items():
        assert name.encode() + b"\x18" in footer  # thrift: the next field is text too
        assert text.encode() in footer


def test_csv_holds_the_same_rows(tmp_path):
    source = Path(__file__).parent.parent.parent / "traces/limits/loss.first.pcap.zst"
    done = convert(source, tmp_path / "out.csv")
    convert(source, tmp_path / "out.parquet")
    rows, text = pl.read_parquet(tmp_path / "out.parquet"), pl.read_csv(tmp_path / "out.csv", infer_schema=False)
    assert (done.rows, done.damaged) == (rows.height, 0)
    assert text.columns == list(PACKETS)
    plain = [name for name, column in PACKETS.items() if column.dtype.is_integer() and name not in ("src", "dst")]
    assert text.select(pl.col(name).cast(PACKETS[name].dtype) for name in plain).equals(rows.select(plain))
    at = rows.get_column("sack_blocks").list.len().arg_max()
    blocks = rows.get_column("sack_blocks")[at].to_list()
    assert blocks
    assert text.get_column("sack_blocks")[at] == " ".join(f"{one['left']}-{one['right']}" for one in blocks)


def test_csv_of_a_damaged_capture_counts_its_damage(tmp_path):
    with open_bytes(CAPTURE) as stream:
        (tmp_path / "cut.pcap").write_bytes(stream.read(100_000))
    cut = tmp_path / "cut.pcap"
    assert convert(cut, tmp_path / "out.csv") == convert(cut, tmp_path / "out.parquet")


def test_a_perf_trace_becomes_samples(tmp_path):
    source = tmp_path / "perf.txt"
    source.write_text(TWO_SAMPLES + "odd line\n\n")
    done = convert(source, tmp_path / "out.parquet")
    assert (done.kind, done.rows, done.damaged) == ("samples", 3, 1)
    assert done.first_damage is not None
    assert pl.read_parquet(tmp_path / "out.parquet").equals(scan_perf(source).collect())


def test_a_damaged_capture_is_converted_as_far_as_it_goes_and_counted(tmp_path):
    with open_bytes(CAPTURE) as stream:
        (tmp_path / "cut.pcap").write_bytes(stream.read(100_001))
    done = convert(tmp_path / "cut.pcap", tmp_path / "out.parquet")
    assert done.damaged == 1
    assert done.rows > 800
    assert "byte" in str(done.first_damage)


def test_nothing_is_overwritten_and_nothing_half_written_stays(tmp_path):
    target = tmp_path / "out.parquet"
    target.write_text("mine")
    with pytest.raises(TraceError, match="exists already"):
        convert(CAPTURE, target)
    assert target.read_text() == "mine"
    noise = tmp_path / "noise"
    noise.write_bytes(b"\0\1\2\3" * 100)
    with pytest.raises(TraceError):
        convert(noise, target, overwrite=True)
    assert target.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["noise", "out.parquet"]
    assert convert(CAPTURE, target, overwrite=True).rows == pl.read_parquet(target).height


def test_a_neighbour_called_part_is_left_alone(tmp_path):
    mine = tmp_path / "out.csv.part"
    mine.write_text("mine")
    convert(CAPTURE, tmp_path / "out.csv")
    assert mine.read_text() == "mine"
    assert {file.name for file in tmp_path.iterdir()} == {"out.csv", "out.csv.part"}
