"""The words of a notebook's page: bold first, bullets after."""

from zcanalysis.charts.notebook_words import conclusion_first


def test_numbers_and_names_end_no_sentence():
    said = conclusion_first("The copy is 1.5 of 2.0 Gbit/s. `gro=on` helps (x 1.46). Nothing else does.")
    assert said.split("\n") == [
        "**The copy is 1.5 of 2.0 Gbit/s.**", "", "- `gro=on` helps (x 1.46).", "- Nothing else does.",
    ]  # fmt: skip
