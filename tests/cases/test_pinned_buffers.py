"""Pinned buffers: how the volumes are counted, and what the words may say."""

import numpy as np
import polars as pl
import pytest

from zcanalysis import charts
from zcanalysis.cases import pinned_buffers as pinned
from zcanalysis.cases.pinned_buffers_machines import CHOICES, OF_2000, RANGES, drawn, machines
from zcanalysis.cases.pinned_buffers_today import measured_words, relay_pairs
from zcanalysis.model.relay import DESIGNS, RESOURCES, relay_rates

DRAWS = 4_000


@pytest.fixture(scope="module")
def gains() -> pl.DataFrame:
    return pinned.gain_table(DRAWS)


def test_draws_lie_in_their_ranges_as_often_as_they_say():
    values = drawn(20_000)
    for name, price in RANGES.items():
        assert (values[name] < price.low).mean() == pytest.approx(0.05, abs=0.01), name
        if price.high < values[name].max():  # a share is cut at the whole, a payload at a full packet
            assert (values[name] > price.high).mean() == pytest.approx(0.05, abs=0.01), name
    assert all(values[name].max() <= 1 for name in values if name.endswith(("(share)", "(of raw)")))
    assert all(set(values[name]) == set(choice.values) for name, choice in CHOICES.items())


def test_the_middle_machine_is_made_of_the_middles():
    made = machines(OF_2000.middle())
    assert made.front_side_gbps == pytest.approx([6.4 * 0.65])
    assert made.pci_gbps == pytest.approx([1.056 * 0.65])


def test_gains_are_of_machines_that_the_bus_limited_before(gains):
    everyone = machines(drawn(DRAWS))
    before, after = (relay_rates(DESIGNS[name], everyone) for name in (pinned.HIS_BEFORE, pinned.HIS_AFTER))
    his = [RESOURCES[at] in ("front-side bus", "memory") for at in before.limit()]
    gain = after.gbps.min(axis=0)[his] / before.gbps.min(axis=0)[his]
    row = gains.row(
        by_predicate=(pl.col("before") == pinned.HIS_BEFORE) & (pl.col("after") == pinned.HIS_AFTER), named=True
    )
    assert row["his_words"] == np.mean(his)
    assert row["median"] == pytest.approx(np.median(gain))
    assert row["gives_it"] == np.mean([1.55 <= one <= 1.65 for one in gain])


def test_what_limits_then_adds_up_to_all_that_gain_as_reported(gains):
    then = gains.select(pl.sum_horizontal(*pinned.THEN))
    assert then.to_series().to_list() == pytest.approx(gains["gives_it"].to_list())


def test_only_where_nothing_is_read_does_a_bus_that_limits_again_rule_the_report_out(gains):
    unread = pl.col("after") == "pinned, never read"
    assert gains.filter(unread)["bus_again_gives_it"].max() < 0.01 < gains.filter(~unread)["bus_again_gives_it"].min()
    again = gains.filter(pl.col("bus_again_gives_it") > 0)
    assert (again["then_bus"] < again["bus_again_gives_it"]).all()  # a share of all is less than one of some


def test_pinning_never_carries_less_than_mapping_pages(gains):
    by = {(row["before"], row["after"]): row["median"] for row in gains.to_dicts()}
    for before in pinned.COPIED:
        for sums in ("summed twice", "sum carried"):
            assert by[before, f"pinned, {sums}"] >= by[before, f"pages mapped, {sums}"]


def test_a_planted_machine_gains_what_its_crossings_say():
    # memory alone limits: 8 crossings before and 2 after are 4 times the rate, and 3 after are 8 / 3
    wide = {"CPUs (CPUs)": 1e6, "PCI raw (Gbit/s)": 1e6, "links, one way (Gbit/s)": 1e6}
    cold = dict.fromkeys([name for name in RANGES if name.endswith("(share)")], 0.0)
    values = OF_2000.middle() | {name: np.array([value]) for name, value in (wide | cold).items()}
    values["front-side bus reached (of raw)"] = np.array([1.0])
    planted = machines(values)
    before = relay_rates(DESIGNS[pinned.HIS_BEFORE], planted)
    for name, gain in (("pinned, never read", 4), (pinned.HIS_AFTER, 8 / 3)):
        after = relay_rates(DESIGNS[name], planted)
        assert pinned.gain_of(before, after) == pytest.approx([gain])
        assert pinned.bus_limited(after).all()


def test_bins_hold_every_machine_once():
    bins = pinned.gain_bins(DRAWS)
    sums = bins.group_by(pinned.PAIR).agg(pl.col("share").sum())
    assert sums["share"].to_list() == pytest.approx([1.0] * sums.height)


def test_the_bin_of_the_report_holds_what_gives_it(gains):
    bins = pinned.gain_bins(DRAWS).filter(pl.col("from") == 1.55)
    assert bins["to"].unique().to_list() == [1.65]
    both = bins.group_by(pinned.PAIR).agg(pl.col("share").sum()).join(gains, on=pinned.PAIR)
    assert both["share"].to_list() == pytest.approx(both["gives_it"].to_list())


def test_a_dearer_flush_moves_the_size_from_which_pages_pay():
    def pays_from(flush_ns: int) -> int:
        table = pinned.message_table((flush_ns,)).pivot("design", index="message_bytes", values="cpu_ns_per_byte")
        pays = table.filter(pl.col("pages mapped, sum carried") < pl.col("copied, summed meanwhile"))
        return pays["message_bytes"].min()

    assert pays_from(1_000) < pays_from(30_000)


def test_published_rates_that_no_bus_could_carry_are_found():
    shares = dict(pinned.published_table().select("what", "share_of_raw").iter_rows())
    assert shares["Celeron 1200: sum 4 MB"] > 2
    assert shares["Pentium III: cached file to an aligned 8 KB buffer"] < 0.35


def test_a_pair_is_the_cpu_time_of_one_over_the_others():
    runs = [
        {"pair": 0, "design": "copying", "bytes": 2 * 10**9, "cpu_s": 1.0, "elapsed_s": 9.0},
        {"pair": 0, "design": "splice", "bytes": 10**9, "cpu_s": 0.4, "elapsed_s": 1.0},
    ]
    assert relay_pairs({"runs": runs}).rows() == [(0, 0.5, 0.4, 0.8)]
    said = measured_words({"runs": runs, "kernel": "9.9", "load_before": 7.25, "cpus": 2})
    assert "takes 0.80 times the CPU time" in said
    assert "at a load of 7.2 on 2 CPUs" in said


def test_the_words_say_how_many_machines_a_ruling_rests_on(gains):
    never = gains.filter(after=pinned.NEVER_READ)
    rates = {
        name: relay_rates(DESIGNS[name], machines(drawn(DRAWS))) for name in (pinned.HIS_BEFORE, pinned.NEVER_READ)
    }
    both = pinned.bus_limited(rates[pinned.HIS_BEFORE]) & pinned.bus_limited(rates[pinned.NEVER_READ])
    assert never.filter(before=pinned.HIS_BEFORE).item(0, pinned.AGAIN) == both.sum() > 0


def test_page_tricks_gain_less_than_pinning_but_they_gain():
    every = pinned.mapping_table(DRAWS).row(0, named=True)
    assert 1 < every["mapped_gain"] < every["pinned_gain"]
    assert every["no_gain"] < 0.1  # what Dale says of them does not come out, and the answer says so
    assert "does not come out" in pinned.answer().answer


def test_the_charts_show_every_design():
    crossings = charts.bus_crossings(pinned.buffer_table()).to_dict()
    assert crossings["spec"]["encoding"]["y"]["sort"] == list(DESIGNS)
    gain = charts.relay_gain(pinned.gain_bins(DRAWS), (1.55, 1.65)).to_dict()
    assert [layer["mark"]["type"] for layer in gain["layer"]] == ["rect", "bar", "text"]  # the band is behind
    choices = {param["name"]: param["bind"]["options"] for param in gain["params"]}
    assert choices == {"before_design": list(pinned.COPIED), "after_design": list(pinned.OTHERS)}
    slider = charts.relay_messages(pinned.message_table(pinned.FLUSH_NS)).to_dict()["params"][0]
    assert slider["value"] in pinned.FLUSH_NS
    assert range(slider["bind"]["min"], slider["bind"]["max"] + 1, slider["bind"]["step"]) == pinned.FLUSH_NS
