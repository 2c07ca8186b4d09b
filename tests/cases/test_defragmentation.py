"""Defragmentation: how gains, cards and pages are counted, and what the recordings of today's kernel show."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import zcanalysis as zc
from zcanalysis import charts
from zcanalysis.cases import defragmentation as copies
from zcanalysis.cases.defragmentation_machines import OF_2001, prices
from zcanalysis.cases.defragmentation_today import (
    STAGES,
    apart_table,
    chain_table,
    cost_of,
    counted_read,
    ratio_bounds,
    read_share,
    recordings,
    stage_table,
    today_table,
    totals,
)
from zcanalysis.cpu.kernel_stages import STAGES as STAGE_WORDS
from zcanalysis.model.nfs import CLIENT, SERVER, walk_cost, walk_gbps

DRAWS = 3_000
TRACES = Path(__file__).parent.parent.parent / "traces"


@pytest.fixture(scope="module")
def gains() -> pl.DataFrame:
    return copies.gain_table(DRAWS)


@pytest.fixture(scope="module")
def stages() -> pl.DataFrame:
    return stage_table(*(one.costs for one in recordings().values()))


def test_gains_are_rates_over_the_first_of_their_side(gains):
    machines = prices(OF_2001.drawn(DRAWS))
    first, second = (walk_gbps(walk, machines) for walk in list(CLIENT.values())[:2])
    row = gains.row(by_predicate=pl.col("walk") == "chained (2.4.17)", named=True)
    assert row["median"] == pytest.approx(np.median(second / first))
    assert gains.group_by("side").agg(pl.col("median").min())["median"].to_list() == [1.0] * len(copies.SIDES)


def test_each_step_of_the_client_and_of_sending_gives_more(gains):
    for side in ("client", "sending"):
        medians = gains.filter(pl.col("side") == side)["median"].to_list()
        assert medians == sorted(set(medians))


def test_chaining_alone_gives_knfsd_nothing(gains):
    row = gains.row(by_predicate=pl.col("walk") == list(SERVER)[1], named=True)
    assert (row["low"], row["high"]) == (1.0, 1.0)


def test_a_planted_machine_gains_what_its_copies_cost():
    # nothing but waiting, nothing cached: 7 lines a byte for three copies, 5 for two
    free = {name: 0.0 for name in OF_2001.prices if name.endswith(("(share)", "(ns)"))}
    free |= {"a pass in the cache (ns/byte)": 0.0, "bus clock (MHz)": 1e6}
    planted = prices(OF_2001.middle() | {name: np.array([value]) for name, value in free.items()})
    first, second = (walk_gbps(walk, planted) for walk in list(CLIENT.values())[:2])
    assert second / first == pytest.approx([7 / 5])


def test_at_100_mbit_a_cpu_is_as_busy_as_its_bytes_cost(gains):
    # 100 Mbit/s are 0.0125 bytes a nanosecond
    machines = prices(OF_2001.drawn(DRAWS))
    median_ns = np.median(walk_cost(CLIENT["chained (2.4.17)"], machines).ns_per_byte())
    row = gains.row(by_predicate=pl.col("walk") == "chained (2.4.17)", named=True)
    assert row["cpu_at_100_mbps"] == pytest.approx(0.0125 * median_ns)


def test_parts_add_up_to_what_a_byte_costs():
    table = copies.cost_table((8192,)).filter(pl.col("walk") == "chained (2.4.17)")
    cost = walk_cost(CLIENT["chained (2.4.17)"], prices(OF_2001.middle())).ns_per_byte()
    assert table["ns_per_byte"].sum() == pytest.approx(cost.item())


def test_a_request_that_fits_one_packet_is_one_piece():
    table = copies.cost_table((1024,)).filter(pl.col("walk") == "chained (2.4.17)", pl.col("part") == "packets")
    assert table["ns_per_byte"].item() == pytest.approx(6000 / 1024)


def test_only_a_card_that_sums_any_data_saves_anything_in_pieces():
    table = copies.card_table(DRAWS)
    some = table.filter((pl.col("saved_at_client") > 0) | (pl.col("saved_at_server") > 0))
    assert some["card_sums"].to_list() == ["any data"]
    # knfsd sums in a pass of its own, the client while it copies
    assert some["saved_at_server"].item() > some["saved_at_client"].item()
    assert dict(table.select("card_sums", "whole_ipv6").iter_rows())["IPv4 only"] == "NONE"


def test_every_card_of_the_keynote_is_named():
    named = dict(copies.cards_named().select("card", "keynote").iter_rows())
    assert [card for card, word in named.items() if word == "works"] == ["3c59x", "acenic", "SunHME", "loopback"]
    assert named["eepro100"] == "unclear"
    assert {named["SysKonnect"], named["tulip"]} == {"does not"}


def test_only_a_large_packet_with_its_headers_split_off_fills_pages():
    assert copies.page_table()["whole_pages"].to_list() == [0, 0, 0, 2]


def test_todays_kernel_chains_and_sums_pieces_while_it_copies(stages):
    for stage in ("defrag", "csum_copy"):
        pieces, whole = cost_of(stages, stage)
        assert pieces > 0 == whole, stage
    in_pieces, whole = totals(stages).values()
    assert in_pieces > 2 * whole


def test_every_stage_has_a_row_for_each_recording_and_its_interval_holds_it(stages):
    assert stages.height == 2 * len(STAGES)
    assert (stages["low"] <= stages["ns_per_byte"]).all()
    assert (stages["ns_per_byte"] <= stages["high"]).all()


def test_a_byte_of_today_costs_what_its_stages_do_together(stages):
    today = today_table(recordings())
    assert dict(today.select("came", "ns_per_byte").iter_rows()) == pytest.approx(totals(stages))
    # the interval of a sum is narrower than the sum of its parts' intervals
    wide = stages.group_by("came", maintain_order=True).agg(pl.col("low", "high").sum())
    assert (today["low"] > wide["low"]).all()
    assert (today["high"] < wide["high"]).all()
    low, high = ratio_bounds(today)
    assert low < today["ns_per_byte"][0] / today["ns_per_byte"][1] < high


def test_the_least_ratio_is_of_the_cheapest_pieces_and_the_dearest_whole():
    today = pl.DataFrame({"came": ["pieces", "whole"], "low": [4.0, 1.0], "high": [6.0, 2.0]})
    assert ratio_bounds(today) == (2.0, 6.0)


def test_the_words_hold_what_was_modelled_and_what_was_measured():
    said = copies.answer()
    today = said.tables[copies.TODAY]
    assert f"{today['ns_per_byte'][0] / today['ns_per_byte'][1]:.1f} times" in said.answer
    row = said.tables["Gain over the first row of each side, one CPU, 5 % to 95 %"].filter(walk="chained (2.4.17)")
    low, high = (100 * (row[name].item() - 1) for name in ("low", "high"))
    assert f"carries {low:.0f} to {high:.0f} % more" in said.answer


def test_call_chains_tell_a_walk_from_one_piece():
    receive = "recv;udp_recvmsg;"
    chains = [
        "softirq;ip_defrag;inet_frag_find",
        "softirq;ip_defrag;skb_linearize;skb_copy_bits;memcpy",
        f"{receive}skb_copy_datagram_iter;__skb_datagram_iter;_copy_to_iter",
        f"{receive}skb_copy_and_csum_datagram_msg;__skb_datagram_iter;__skb_datagram_iter;csum_and_copy_to_iter",
        f"{receive}skb_free",
    ]
    seen = chain_table(pl.DataFrame({"folded": chains}), pl.DataFrame({"folded": chains[2:3]}))
    assert seen["in_pieces"].to_list() == [2, 1, 2, 1, 1]
    assert seen["whole"].to_list() == [0, 0, 1, 0, 0]


def test_a_byte_received_and_a_byte_read_add_up_to_what_was_measured():
    apart = apart_table(recordings())
    counted = [counted_read(one.recording.counters) for one in recordings().values()]
    measured = today_table(recordings())["ns_per_byte"].to_list()
    for column, share, ns in zip(("in_pieces", "whole"), counted, measured, strict=True):
        below, copied, both = apart[column]
        assert below + copied * share == pytest.approx(ns)
        assert below + copied == pytest.approx(both)
    assert (apart["low"] <= apart["times"]).all()
    assert (apart["times"] <= apart["high"].fill_null(float("inf"))).all()
    for column in ("samples_in_pieces", "samples_whole"):
        assert apart[column][0] + apart[column][1] == apart[column][2]


def test_read_is_what_udp_counts_while_the_cpu_is_sampled():
    rows = [("sampling", 0, "Udp.InDatagrams", 10), ("sampling", 0, "Udp.InErrors", 5),
            ("sampling", 0, "Udp.InDatagrams", 40), ("sampling", 0, "Udp.InErrors", 15),
            ("sampling", 1, "Udp.InDatagrams", 90), ("sampling", 1, "Udp.InErrors", 20),
            ("sampling", 1, "Udp.InDatagrams", 90), ("sampling", 1, "Udp.InErrors", 80),
            ("after", 0, "Udp.InDatagrams", 900)]  # fmt: skip
    counters = pl.DataFrame(rows, schema=["phase", "repeat", "counter", "value"], orient="row").with_row_index("ts_ns")
    assert counted_read(counters) == pytest.approx(30 / (30 + 70))


def test_what_was_read_is_a_share_of_what_was_sent():
    assert read_share({"end": {"sum_received": {"bytes": 30}, "sum_sent": {"bytes": 120}}}) == 0.25


def test_the_recording_holds_whole_datagrams_of_six_pieces():
    found = zc.fragments(zc.scan_pcap(TRACES / "fragmented-udp" / "capture.pcap.zst")).row(0, named=True)
    assert (found["fragments_median"], found["fragments_max"], found["overlapping_datagrams"]) == (6, 6, 0)
    complete = found["datagrams"] - found["incomplete_datagrams"]
    assert found["bytes"] == complete * (8192 + 8)
    assert zc.fragments(zc.scan_pcap(TRACES / "whole-udp" / "capture.pcap.zst")).is_empty()


def test_the_charts_show_what_they_are_given(gains, stages):
    costs = charts.walk_costs(copies.cost_table()).to_dict()
    assert costs["params"][0]["bind"]["options"] == list(copies.REQUESTS)
    assert charts.walk_gains(gains).to_dict()["facet"]["row"]["sort"] == list(copies.SIDES)
    bars = charts.piece_costs(stages).to_dict()["layer"][0]["encoding"]
    assert bars["y"]["sort"] == [STAGE_WORDS[stage] for stage in STAGES]
    crossings = charts.bus_crossings(copies.buffer_table("client")).to_dict()
    assert crossings["spec"]["encoding"]["color"]["scale"]["domain"] == ["packets", "datagram", "page cache", "program"]
