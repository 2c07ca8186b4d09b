"""Events of retis: generated from the schema of its sources, for no retis ran here."""

import json

import polars as pl
import pytest

from zcanalysis.cpu.spreads import spreads
from zcanalysis.errors import TraceError
from zcanalysis.io.trace_events import scan_events
from zcanalysis.io.trace_fields import field
from zcanalysis.tables import EVENTS, polars_schema

HEAD = 18_446_616_568_293_939_200
FIRST_NS = 23_868_643_385_999


def event(ns: int, symbol: str, *, skb: int = HEAD + 256, track: int = 0, kind: str = "kprobe", **more) -> dict:
    """One event, as `retis collect -o` writes it."""
    return {
        "common": {"timestamp": FIRST_NS + ns, "smp_id": 1, "task": {"pid": 8, "tgid": 7, "comm": "rd"}},
        "kernel": {"symbol": symbol, "probe_type": kind},
        "skb-tracking": {"orig_head": HEAD + track, "timestamp": FIRST_NS + track, "skb": skb},
        **more,
    }


def startup(version: str) -> dict:
    offset = {"sec": 1_700_000_000, "nsec": 5}
    return {"startup": {"retis_version": version, "cmdline": "retis collect", "clock_monotonic_offset": offset}}


def scan(tmp_path, *documents) -> pl.LazyFrame:
    file = tmp_path / "retis.json"
    file.write_text("".join(one if isinstance(one, str) else json.dumps(one) + "\n" for one in documents))
    return scan_events(file)


def test_an_event_keeps_its_packet_its_place_and_its_task(tmp_path):
    drop = event(500, "skb:kfree_skb", kind="raw_tracepoint", **{"skb-drop": {"drop_reason": "NO_SOCKET"}})
    table = scan(tmp_path, startup("v1.6.4"), event(0, "tcp_v4_rcv"), drop).collect()
    assert table.schema == polars_schema(EVENTS)
    row = table.row(0, named=True)
    assert (row["ts_ns"], row["cpu"], row["pid"], row["tid"], row["comm"]) == (FIRST_NS, 1, 7, 8, "rd")
    assert (row["event"], row["error"]) == ("tcp_v4_rcv", None)
    assert table.select(field("skbaddr", pl.UInt64)).to_series().to_list() == [HEAD + 256] * 2
    assert table.select(field("reason", pl.String)).to_series().to_list() == [None, "NO_SOCKET"]


def test_series_underscores_and_other_sections_are_read(tmp_path):
    later = event(90, "tcp_v4_rcv", kind="kretprobe")
    later["skb_tracking"] = later.pop("skb-tracking")
    sorted_event = event(40, "ip_rcv")
    sorted_event["tracking"] = {"skb": sorted_event.pop("skb-tracking"), "idx": 1}
    user = {"common": {"timestamp": 1}, "userspace": {"symbol": "u"}}
    table = scan(tmp_path, [sorted_event, later], user).collect()
    assert table.get_column("event").to_list() == ["ip_rcv", "tcp_v4_rcv (return)"]


def test_time_from_probe_to_probe_is_that_of_one_skb(tmp_path):
    # packet 0: 100 and 400 ns; packet 1 between them: 1000; a clone of packet 0 was seen once only
    lazy = scan(
        tmp_path,
        event(0, "net:netif_receive_skb"),
        event(50, "net:netif_receive_skb", track=1),
        event(60, "packet_rcv", skb=HEAD + 512),
        event(100, "ip_rcv"),
        event(500, "tcp_v4_rcv"),
        event(1050, "ip_rcv", track=1),
    )
    rows = spreads(lazy).select("quantity", "of", "count", "p50_low", "most").rows()
    assert rows == [
        ("from probe to probe", "netif_receive_skb > ip_rcv", 2, 1000, 1000),
        ("from probe to probe", "ip_rcv > tcp_v4_rcv", 1, 400, 400),
    ]


def test_drops_are_counted_by_reason(tmp_path):
    drop = {"skb-drop": {"drop_reason": "POLICY", "subsys": "ovs"}}
    rows = spreads(scan(tmp_path, *(event(at, "skb:kfree_skb", track=at, **drop) for at in range(3))))
    assert rows.select("quantity", "of", "count").rows() == [("skbs dropped", "ovs/POLICY", 3)]


@pytest.mark.parametrize("version", ["v2.0.0", "nonsense", ""])
def test_another_version_is_refused(tmp_path, version):
    with pytest.raises(TraceError, match=r"events of 1\.x are known"):
        scan(tmp_path, startup(version), event(0, "ip_rcv")).collect()


@pytest.mark.parametrize(
    "line",
    [
        '{"common": {"timestamp": 1',
        '{"common": {"timestamp": -1}, "kernel": {"symbol": "a", "probe_type": "kprobe"}}',
        '{"common": {"timestamp": 1e999}, "kernel": {"symbol": "a", "probe_type": "kprobe"}}',
        '{"common": {"timestamp": 99999999999999999999999}, "kernel": {"symbol": "a", "probe_type": "kprobe"}}',
        '{"common": {"timestamp": true}, "kernel": {"symbol": "a", "probe_type": "kprobe"}}',
        '{"common": [], "kernel": {"symbol": "a", "probe_type": "kprobe"}}',
        '{"kernel": 5}',
        "[5]",
        "7",
        "null",
    ],
)
def test_damage_is_a_row_that_says_where(tmp_path, line):
    table = scan(tmp_path, event(0, "ip_rcv"), line + "\n", event(1, "ip_rcv")).collect()
    assert table.get_column("error").null_count() == 2
    assert table.get_column("error")[1].startswith("line 2: not an event of retis: ")


def test_half_characters_and_control_characters_do_no_harm(tmp_path):
    table = scan(tmp_path, event(0, "a\ud800\n<b>", **{"skb-drop": {"drop_reason": "\udfff"}})).collect()
    assert table.get_column("event").to_list() == ["a?\n<b>"]


def test_a_file_without_any_event_is_refused(tmp_path):
    with pytest.raises(TraceError, match="no event"):
        scan(tmp_path, startup("v1.6.4")).collect()
