"""Two profiles as one flame."""

import polars as pl
import pytest

from zcanalysis.cpu.flame_difference import DEEPEST_FRAME, flame_difference, frames_of_both
from zcanalysis.cpu.timeline import MOST_FRAMES
from zcanalysis.tables import FLAME_DIFFERENCE


def folded(**counts: int) -> pl.DataFrame:
    return pl.DataFrame({"stack": [name.replace("_", ";") for name in counts], "count": list(counts.values())})


def test_shares_are_those_of_each_profile_and_widths_their_mean():
    # before: a;b 30 of 40, a;c 10 of 40; after: a;b 1 of 4, d 3 of 4
    table = flame_difference(folded(a_b=30, a_c=10), folded(a_b=1, d=3))
    assert table.columns == list(FLAME_DIFFERENCE)
    found = {
        row["name"]: (row["before"], row["after"], row["end"] - row["start"]) for row in table.iter_rows(named=True)
    }
    expected = {"a": (1, 0.25, 0.625), "b": (0.75, 0.25, 0.5), "c": (0.25, 0, 0.125), "d": (0, 0.75, 0.375)}
    assert found == {name: pytest.approx(numbers) for name, numbers in expected.items()}


def test_children_lie_within_their_parents_and_the_roots_fill_the_width():
    table = flame_difference(folded(a_b=30, a_c=10, e_f=5), folded(a_b=1, d=3))
    roots = table.filter(pl.col("depth") == 0)
    assert (roots["end"] - roots["start"]).sum() == pytest.approx(1)
    a = table.filter(pl.col("name") == "a").row(0, named=True)
    for name in "bc":
        child = table.filter(pl.col("name") == name).row(0, named=True)
        assert a["start"] <= child["start"] < child["end"] <= a["end"] + 1e-12


def test_equal_profiles_differ_nowhere():
    table = flame_difference(folded(a_b=3, c=5), folded(a_b=6, c=10))
    assert (table["before"] == table["after"]).all()


def test_very_many_and_very_deep_chains_stay_few_frames():
    many = pl.DataFrame({"stack": [f"t;f{n % 400};g{n}" for n in range(100_000)], "count": [1] * 100_000})
    assert flame_difference(many, many).height <= 501
    wide = pl.DataFrame({"stack": [";".join([f"{n}"] * 40) for n in range(400)], "count": [1] * 400})
    kept = flame_difference(wide, wide)
    assert kept.height == MOST_FRAMES
    assert kept["depth"].max() < 40  # the outermost are kept
    deep = pl.DataFrame({"stack": [";".join(str(n) for n in range(1000))], "count": [1]})
    assert flame_difference(deep, deep).height == DEEPEST_FRAME


def test_a_profile_without_samples_is_refused():
    with pytest.raises(ValueError, match="profile after counts nothing"):
        flame_difference(folded(a=1), folded(a=0))


def test_times_that_can_be_compared_stay_as_they_are():
    # a;b 300 -> 100, a;c 0 -> 200: the whole is 300 before and after, so the means 200 and 100 are 2/3 and 1/3 of it
    chains = pl.DataFrame({"stack": ["a;b", "a;c"], "before": [300.0, 0.0], "after": [100.0, 200.0]})
    table = frames_of_both(chains, "ns/KB")
    assert table.select("name", "before", "after").rows() == [("a", 300, 300), ("b", 300, 100), ("c", 0, 200)]
    assert (table["end"] - table["start"]).to_list() == pytest.approx([1, 2 / 3, 1 / 3])
    assert set(table["unit"]) == {"ns/KB"}
    with pytest.raises(ValueError, match="neither side counts"):
        frames_of_both(chains.head(0), "ns/KB")
