"""The case of June 2002: the sweep, what it leaves open, and that a cause which is known is found."""

from functools import cache

import numpy as np
import polars as pl
import pytest

from zcanalysis.cases import quadrics_figures
from zcanalysis.cases.quadrics import answered, assumptions, studied
from zcanalysis.cases.quadrics_blast import CLOSED, REPLAYED, replayed_gbps
from zcanalysis.cases.quadrics_figures import received_tcp, received_udp, stalled_ns, transmitted_gbps
from zcanalysis.cases.quadrics_hypotheses import ALL_HYPOTHESES, NAMES, PLAIN, hypothesis_named, supposed
from zcanalysis.cases.quadrics_measurements import COUNTERS, MEASUREMENTS, gbps_with, looked, mutual_bits
from zcanalysis.cases.quadrics_planted import next_measured, planted, recovered, trails
from zcanalysis.cases.quadrics_prior import PRICES, RECEIVE_GBPS, TRANSMIT_GBPS, drawn
from zcanalysis.cases.quadrics_sensitivity import AS_ASSUMED, HALVED, SLOWER, belief
from zcanalysis.cases.quadrics_sweep import BRANCHES, hypotheses, odds, posterior, swept, within
from zcanalysis.hosts import preset
from zcanalysis.hosts.replayed import linux24
from zcanalysis.model.linux24 import replay_summaries


@cache
def small_sweep():
    return swept(5, 40_000)


def some_hosts(n=300, seed=3):
    return drawn(np.random.default_rng(seed), n)


# ---- the prior


def test_five_of_a_hundred_hosts_are_below_and_five_above_each_range():
    hosts = some_hosts(20_000)
    for name, price in PRICES.items():
        assert np.mean(hosts[name] < price.low * (1 - 1e-9)) <= 0.06
        assert np.mean(hosts[name] > price.high * (1 + 1e-9)) <= 0.06


def test_every_range_is_said_with_its_source():
    rows = assumptions()
    names = {name.partition(": ")[2] or name for name in rows["name"]}
    assert set(PRICES) <= names
    assert {name for hypothesis in ALL_HYPOTHESES for name in hypothesis.adds} <= names
    assert rows["source"].str.len_chars().min() > 10


# ---- figures


def test_a_host_is_the_same_as_columns_and_as_an_object():
    """The preset, by hand: 1.4 sent as a price of bytes alone, one CPU, software checksums."""
    host = preset("quadrics_elan3")
    elapsed_ns = replay_summaries([linux24(host)], 400).elapsed_ns[0]
    prices = {name: price.value for name, price in host.prices().items()}
    mss = host.link.mss_bytes
    hosts = {name: values[:1] for name, values in some_hosts(1).items()} | {
        name: np.array([float(value)])
        for name, value in {
            "mtu_bytes": mss + 52,
            "cpus": 1,
            "reader_bytes": 65536,
            "pace": 1,
            "unsummed": 1,
            "fused_ns_per_byte": prices["checksum.fused_ns_per_byte"],
            "checksum_ns_per_byte": prices["checksum.ns_per_byte"],
            "copy_share": prices["copy.ns_per_byte"] / prices["checksum.fused_ns_per_byte"],
            "send_packet_ns": mss * prices["sender.write_ns_per_byte"],
            "warm_share": 0,
            "interrupt_ns": prices["interrupt.receive_ns"],
            "driver_ns": prices["driver.packet_ns"],
            "softirq_ns": prices["softirq.run_ns"],
            "ip_ns": prices["ip.skb_ns"],
            "tcp_ns": prices["tcp.skb_ns"],
            "ack_ns": prices["tcp.ack_ns"],
            "wake_ns": prices["reader.wake_ns"],
            "schedule_ns": prices["reader.schedule_ns"],
            "syscall_ns": prices["reader.syscall_ns"],
            "delay_ns": prices["link.delay_ns"],
            "bus_gbps": prices["nic.dma_gbps"],
        }.items()
    }
    assert transmitted_gbps(hosts)[0] == pytest.approx(1.4, rel=0.01)
    assert received_tcp(hosts).gbps[0] == pytest.approx(8 * mss * 400 / elapsed_ns, rel=0.03)


def test_twelve_windows_are_the_steady_state(monkeypatch):
    few = received_tcp(some_hosts()).gbps
    monkeypatch.setattr(quadrics_figures, "WINDOWS", 60)
    assert np.median(np.abs(few / received_tcp(some_hosts()).gbps - 1)) < 0.02


def test_nobody_receives_more_than_is_sent():
    hosts = some_hosts()
    assert (received_tcp(hosts).gbps <= transmitted_gbps(hosts) * 1.001).all()
    assert (received_udp(hosts).gbps <= transmitted_gbps(hosts) * 1.001).all()


def test_stalls_cost_what_they_last():
    """20 ms every 10 MB: 2 ns a byte; at 1 Gbit/s a byte takes 8, so eight tenths are left."""
    hosts = some_hosts(50)
    stalled = hosts | {"stall_ns": np.full(50, 2e7), "stall_bytes": np.full(50, 1e7)}
    without, with_them = (8 / received_tcp(one).gbps for one in (hosts, stalled))
    assert with_them - without == pytest.approx(np.full(50, 2.0), rel=1e-6)


def test_a_cpu_that_copies_over_a_saturated_memory_bus_is_busy_and_dma_alone_is_not():
    """Half a Gbit/s of bus for what a CPU could copy in a fraction of the time."""
    one = {"cpus": np.full(50, 2.0), "memory_gbps": np.full(50, 2.0), "received_crossings": np.full(50, 4.0)}
    bound, free = some_hosts(50) | one, some_hosts(50) | one | {"free_copy": np.ones(50)}
    at_rate = received_udp(bound, 1.0).gbps == pytest.approx(np.full(50, 0.5), rel=1e-6)
    assert at_rate
    assert (received_udp(bound, 1.0).busy_share > 0.99).all()
    assert (received_udp(free, 1.0).busy_share < 0.9).any()
    assert (stalled_ns(free) == 0).all()
    assert (stalled_ns(some_hosts(50)) == 0).all()


def test_a_plain_blast_peaks_before_it_loses_and_reads_less_beyond():
    hosts = {name: values[:50] for name, values in some_hosts(400).items()} | {"cpus": np.ones(50)}
    peak = received_udp(hosts).peak_gbps
    slower, at_peak, faster = (received_udp(hosts, peak * share).gbps for share in (0.9, 1.0, 1.1))
    cpu_limited = peak < hosts["bus_gbps"] * 0.8
    assert slower == pytest.approx(0.9 * peak)
    assert (faster[cpu_limited] < at_peak[cpu_limited]).all()
    assert cpu_limited.any()


def test_the_closed_form_of_a_blast_is_near_the_replay():
    one = {name: values[[7]] for name, values in some_hosts(50).items()} | {
        "cpus": np.array([1.0]),
        "mtu_bytes": np.array([1500.0]),
    }
    peak = float(received_udp(one).peak_gbps[0])
    loads = (0.5 * peak, 0.9 * peak, 1.05 * peak)
    closed = [float(received_udp(one, load).gbps[0]) for load in loads]
    assert replayed_gbps(one, loads) == pytest.approx(closed, rel=0.05)


# ---- hypotheses


def test_a_hypothesis_leaves_the_other_hosts_alone():
    """The same hosts without it are those of the prior, but for the setting that it needs."""
    hosts = some_hosts(20)
    for hypothesis in ALL_HYPOTHESES:
        _, without = supposed(hypothesis, hosts, np.random.default_rng(1))
        changed = {name for name in hosts if not np.array_equal(hosts[name], without[name])}
        assert changed <= set(hypothesis.setting) | set(hypothesis.without)


def test_what_counts_for_a_hypothesis_receives_more_without_it():
    for one in small_sweep():
        assert within(transmitted_gbps(one.hosts), TRANSMIT_GBPS).all()
        counted = {name: values[one.tcp] for name, values in one.hosts.items()}
        assert within(received_tcp(counted).gbps, RECEIVE_GBPS).all()


def test_what_acts_on_tcp_alone_explains_no_blast():
    by_name = {one.hypothesis.name: one for one in small_sweep()}
    assert not by_name["delayed ACKs"].udp.any()
    assert not by_name["prequeue and late reader"].udp.any()
    assert not by_name["copying defragmenter"].tcp.any()


def test_shares_multiply_and_the_verdict_follows_the_rule():
    table = hypotheses(small_sweep())
    assert set(table["hypothesis"]) == set(NAMES)
    assert (table["volume_share"] - table["transmits_share"] * table["explains_share"]).abs().max() < 1e-12
    ruled = (table["transmits_share"] < 0.01) | (table["explains_share"] < 0.01)
    assert (ruled == (table["verdict"] == "ruled out")).all()
    assert (table["low"] <= table["explains_share"] + 1e-3).all()
    assert (table["half_volume_share"] <= table["volume_share"]).all()


def test_odds_are_of_the_volumes_and_turn_round():
    table = odds(hypotheses(small_sweep()))
    turned = table.join(table, left_on=["branch", "hypothesis", "against"],
                        right_on=["branch", "against", "hypothesis"])  # fmt: skip
    assert (turned["odds"] * turned["odds_right"] - 1).abs().max() < 1e-9
    assert not table.filter(pl.col("hypothesis") == pl.col("against"))["told_apart"].any()


# ---- measurements


def test_a_measurement_that_always_shows_the_same_tells_nothing():
    hypothesis = np.arange(1000) % 4
    assert mutual_bits(hypothesis, np.zeros(1000, np.int64)) == 0
    assert mutual_bits(hypothesis, hypothesis) == pytest.approx(2, abs=0.02)
    assert mutual_bits(hypothesis, np.random.default_rng(0).integers(0, 10, 1000)) < 0.02


def test_mending_what_is_wrong_gives_more_and_what_is_not_nothing():
    seen = looked(posterior(small_sweep(), "TCP", 600))
    unsummed = seen.hypothesis == NAMES.index("ip_summed not set")
    gain = gbps_with(seen, {"unsummed": 0.0}) / seen.gbps
    assert (gain[unsummed] > 1.0).all()
    assert unsummed.any()
    assert (gain[~unsummed] == 1.0).all()


@pytest.mark.parametrize("branch", BRANCHES)
def test_a_planted_cause_is_found_by_the_same_procedure(branch):
    sweep = small_sweep()
    possible = hypotheses(sweep).filter((pl.col("branch") == branch) & (pl.col("verdict") == "possible"))
    names = [name for name in possible["hypothesis"].to_list() if name != "PCI bus"]  # too few of them in a small sweep
    truths = planted(swept(99, 40_000), branch, names, each=2, seed=1)
    for name in names:
        assert name in possible["hypothesis"].to_list()
    found = recovered(branch, trails(truths, looked(posterior(sweep, branch, 2500))))
    assert (found["truth"] == found["found"]).mean() >= 0.75
    assert found["after_share"].mean() > 3 * found["before_share"].mean()


def test_what_a_production_cluster_allows_is_measured_first():
    at = {one.name: row for row, one in enumerate(MEASUREMENTS)}
    reboot, mtu, busy = (at[name] for name in ("readprofile (profile= at boot)", "ifconfig: the MTU",
                                               "how busy each CPU is (/proc/stat)"))  # fmt: skip
    assert next_measured({reboot: 1.5, mtu: 0.1, busy: 0.2}) == busy
    assert next_measured({reboot: 1.5, mtu: 0.001}) == reboot  # counters that tell nothing are not read
    assert next_measured({mtu: 0.001}) is None


def test_planted_hosts_do_what_was_reported():
    truths = planted(small_sweep(), "TCP", ["copy in the driver"], each=3)
    assert within(received_tcp(truths.hosts).gbps, RECEIVE_GBPS).all()
    assert (truths.hosts["driver_copy_share"] > 0).all()


# ---- the answer


def test_the_answer_says_what_its_tables_say():
    study = studied()
    said = answered(study)
    first = study.hypotheses.filter(pl.col("branch") == "TCP").row(0, named=True)
    assert first["hypothesis"] in said.answer
    for row in study.hypotheses.filter((pl.col("verdict") == "ruled out") & (pl.col("branch") == "TCP")).to_dicts():
        assert row["hypothesis"] in said.sure.partition("UDP")[0]
    harmless = study.information.filter(pl.col("needs") == COUNTERS)
    for branch in BRANCHES:
        assert harmless.filter(pl.col("branch") == branch)["measurement"].item(0) in said.next_step
    for share in list(belief(study.hypotheses, "TCP").values())[:3]:
        assert f"{share:.0%}" in said.answer
    assert (study.hypotheses["hosts"] >= 10_000).all()


def test_belief_is_a_share_and_other_ranges_move_it():
    study = studied()
    for branch in BRANCHES:
        assert sum(belief(study.hypotheses, branch).values()) == pytest.approx(1)
    rows = {row["ranges"]: row for row in study.sensitivity.to_dicts()}
    assert set(rows) == {AS_ASSUMED, HALVED, SLOWER}
    assert rows[AS_ASSUMED]["memory bus"] == belief(study.hypotheses, "TCP")["memory bus"]
    assert abs(rows[SLOWER]["memory bus"] - rows[AS_ASSUMED]["memory bus"]) > 0.03


def test_no_change_gives_more_than_the_bound_from_above():
    table = studied().remedies
    bound = table.row(-1, named=True)["receives_gbps"]
    assert bound == PRICES["bus_gbps"].value
    assert table["receives_gbps"].max() == bound
    zero_copy = table.filter(pl.col("remedy").str.contains("zero-copy transmit")).row(0, named=True)
    nothing = table.row(0, named=True)
    assert zero_copy["transmits_gbps"] > 1.5 * nothing["transmits_gbps"]


def test_the_blast_is_drawn_by_both_means_through_what_was_reported():
    table = studied().blast
    assert set(table["how"]) == {CLOSED, REPLAYED}
    at_reported = table.filter((pl.col("offered_gbps") == 1.4) & (pl.col("how") == CLOSED))
    assert at_reported["goodput_gbps"].is_between(0.8, 1.1).all()


def test_hypotheses_and_measurements_have_names_of_their_own():
    assert len(set(NAMES)) == len(NAMES)
    assert hypothesis_named(PLAIN).adds == {}
    assert len({one.name for one in MEASUREMENTS}) == len(MEASUREMENTS)
