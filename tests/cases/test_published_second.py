"""The second approach: laws by hand, and the ladder's replay against a ladder made by it."""

import pytest

from zcanalysis.cases.published import record
from zcanalysis.cases.published_laws import published_cycles
from zcanalysis.cases.published_rungs import (
    PACKETS,
    STAGES,
    foretold_factors,
    replayed_rung,
    replayed_total,
    rung_host,
    spent_ns,
)
from zcanalysis.cases.published_second_laws import SECOND_LAWS
from zcanalysis.model.linux6 import replay

ROWS = {row["id"]: row for row in record()["row"]}
LADDER = [row for row in ROWS.values() if row["kind"] == "ladder, a core"]
SECOND = [row for row in ROWS.values() if row["mark"] == "READ" and row["kind"] in SECOND_LAWS]


def others(row):
    return [ROWS[name] for name in row.get("second_on", row["fitted_on"])]


@pytest.mark.parametrize("row", SECOND, ids=lambda row: row["id"])
def test_its_own_outcome_changes_nothing_in_the_second_approach_either(row):
    assert row["id"] not in row.get("second_on", row["fitted_on"])
    law = SECOND_LAWS[row["kind"]]
    assert law({**row, "outcome": row["outcome"] * 3}, others(row)) == law(row, others(row))


def test_a_total_is_not_fitted_on_its_own_rung():
    for row in ROWS.values():
        if row["kind"] == "ladder, in all":
            assert row["id"].removesuffix("-total") not in row["fitted_on"]
            assert len(row["fitted_on"]) == len(LADDER) - 1


def test_a_ping_is_copied_twice_and_fetched_once_more_than_the_equation_says():
    # the equation: 0.00393; one more crossing at 12.8 Gbit/s: 0.000625; two copies at 1,000,000 KB/s: 2 x 0.000977
    told = [{"outcome": 1e6}]
    said = SECOND_LAWS["ping-pong"](ROWS["slope-intel-10g-xeon"], told)
    assert said == pytest.approx(0.00393 + 0.000625 + 2 * 0.000977, abs=1e-5)


def test_mapping_takes_the_share_of_a_copy_that_it_takes_elsewhere():
    told = {"copy_us_per_mb": [100, 120], "elsewhere_copy_us_per_mb": [200], "elsewhere_mapped_us_per_mb": [50]}
    assert SECOND_LAWS["mapping"]({"inputs": told}, []) == pytest.approx(110 / 4)


def test_chaining_saves_an_skb_made_anew():
    # 1448 bytes; 2 cycles a byte, a quarter each skb and mm: 1448 cycles a packet, 425.88 ns at 3.4 GHz
    rung = {"outcome": 8 * 3.4 / 2, "inputs": {"mtu": 1500}, "shares": {"skb": 25.0, "mm": 25.0, "tcp_ip": 50.0}}
    chains, splits = ({"inputs": {"chained": chained}, "outcome": 1.0} for chained in (True, False))
    assert SECOND_LAWS["forwarding"](splits, [chains, rung]) == pytest.approx(1000 / 1425.88, rel=1e-4)
    assert SECOND_LAWS["forwarding"](chains, [splits, rung]) == pytest.approx(1000 / 574.12, rel=1e-4)


def made(row, near, far):
    """The row as the replay itself would have published it."""
    host = rung_host(row, near if row["inputs"]["local"] else far)
    done = replay([host], PACKETS)
    at_modern = spent_ns(host, done, 0)
    factors = near if row["inputs"]["local"] else far
    cycles = {name: 3.4 * factors[name] * ns for name, ns in at_modern.items()}
    return {**row, "outcome": 8 * 3.4 / sum(cycles.values()), **({"shares": cycles} if "shares" in row else {})}


def test_a_ladder_that_the_replay_made_is_foretold_by_it():
    near = {name: 0.5 + 0.1 * at for at, name in enumerate(STAGES)}
    far = {name: 1.5 * value for name, value in near.items()}
    ladder = [made(row, near, far) for row in LADDER]
    for at, row in enumerate(ladder):
        rest = ladder[:at] + ladder[at + 1 :]
        assert replayed_rung(row, rest) == pytest.approx(row["outcome"], rel=0.08)
        assert foretold_factors(row, rest) == pytest.approx(near if row["inputs"]["local"] else far, rel=0.12)


def test_two_cores_reach_more_than_one_and_no_more_than_both_together():
    near = dict.fromkeys(STAGES, 1.0)
    ladder = [made(row, near, near) for row in LADDER]
    row = next(row for row in ladder if row["id"] == "ladder-tsogro")
    rest = [other for other in ladder if other is not row]
    for_each = replayed_rung(row, rest)
    assert for_each < replayed_total(row, rest) <= 2 * for_each


def test_the_categories_of_a_made_rung_are_what_it_was_made_of():
    near = dict.fromkeys(STAGES, 2.0)
    row = made(next(row for row in LADDER if "shares" in row), near, near)
    cycles = published_cycles(row)
    assert sum(cycles.values()) == pytest.approx(8 * 3.4 / row["outcome"])
    assert cycles == pytest.approx(row["shares"])
