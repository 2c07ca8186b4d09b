"""The words of a notebook's page: bold first, bullets after, and no claim that fails is shown."""

import pytest

from zcanalysis.charts.notebook_words import conclusion_first, holding


def test_numbers_and_names_end_no_sentence():
    said = conclusion_first("The copy is 1.5 of 2.0 Gbit/s. `gro=on` helps (x 1.46). Nothing else does.")
    assert said.split("\n") == [
        "**The copy is 1.5 of 2.0 Gbit/s.**", "", "- `gro=on` helps (x 1.46).", "- Nothing else does.",
    ]  # fmt: skip


def test_a_claim_that_fails_is_named():
    assert holding({"two is even": True}).data == "- two is even: holds"
    with pytest.raises(AssertionError, match="one is even"):
        holding({"two is even": True, "one is even": False})
