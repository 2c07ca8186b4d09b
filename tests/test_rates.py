"""Counters to differences."""

import polars as pl

from zcanalysis.rates import increments, per_interval, total


def counters() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "ts_ns": [0, 10, 20, 30, 0, 10],
            "phase": ["a", "a", "b", "b", "a", "a"],
            "repeat": 0,
            "source": "netdev",
            "instance": ["eth0"] * 4 + ["lo"] * 2,
            "counter": "rx_bytes",
            "value": [100, 150, 250, 240, 7, 9],
        }
    )


def test_increments_are_between_the_first_and_last_reading_of_the_phase():
    rows = {row["instance"]: row for row in increments(counters(), "netdev", "a").iter_rows(named=True)}
    assert (rows["eth0"]["increment"], rows["eth0"]["elapsed_ns"]) == (50, 10)
    assert rows["lo"]["increment"] == 2


def test_a_counter_that_restarts_gives_nothing_rather_than_a_negative():
    assert total(counters(), "netdev", "rx_bytes", phase="b", instance="eth0") == 0


def test_what_was_not_recorded_is_none_not_zero():
    assert total(counters(), "netdev", "tx_bytes") is None
    assert total(counters(), "softnet", "rx_bytes") is None


def test_rates_between_neighbouring_readings():
    rates = per_interval(counters(), "netdev", "rx_bytes", "eth0")
    assert rates.get_column("per_s").to_list() == [5e9, 0.0]
    assert rates.get_column("phase").to_list() == ["a", "b"]


def test_what_grew_between_the_repeats_of_a_phase_is_not_counted():
    # 10 in 1 ns, then 1,000 unwatched, then 20 in 2 ns
    table = pl.DataFrame(
        {
            "ts_ns": [0, 1, 5, 7],
            "phase": "a",
            "repeat": [0, 0, 1, 1],
            "source": "netdev",
            "instance": "eth0",
            "counter": "rx_bytes",
            "value": [0, 10, 1010, 1030],
        }
    )
    assert increments(table, "netdev", "a").select("increment", "elapsed_ns").rows() == [(30, 3)]
    assert per_interval(table, "netdev", "rx_bytes", "eth0").get_column("per_s").to_list() == [1e10, 1e10]
    assert total(table, "netdev", "rx_bytes") == 1030
