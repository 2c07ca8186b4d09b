"""The page of a validation: its numbers are the document's, hostile text stays text, nothing is fetched."""

import json
import re

import pytest

from tests.lab.test_validation import document_of, outcomes, run_main
from zcanalysis.errors import TraceError
from zcanalysis.validating import write_page
from zcanalysis.validation_page import validation_html

HOSTILE = "<script>alert(1)</script>"


def test_the_page_has_figures_chart_and_every_case():
    page = validation_html(document_of(*outcomes()))
    assert '<tr class="bad"><td>median error of changes</td><td class="n">50.0%</td><td>at most 10.0%</td></tr>' in page
    assert '<tr class="ok"><td>direction of changes right</td>' in page
    assert page.index("gro=on + rps=off") < page.index("<td>mtu=9000</td>")
    spec = json.loads(re.search(r'id="spec-validation">(.*?)</script>', page, re.DOTALL)[1])
    assert spec["title"]["text"].startswith("What patches were foretold to give")
    assert "http-equiv" in page
    assert not re.search(r'(src|href)="https?:', page)


def test_hostile_text_stays_text():
    document = document_of(*outcomes())
    document["cases"][0]["row"]["configuration"] = HOSTILE
    page = validation_html(document)
    assert HOSTILE not in page
    assert "&lt;script&gt;alert(1)" in page


def test_a_validation_without_cases_is_a_page_without_a_chart():
    page = validation_html(document_of(asked=3))
    assert "data-chart=" not in page.partition("<style>")[0]
    assert "no such case" in page
    assert '<section id="cases">' not in page


def test_show_writes_the_page(tmp_path, monkeypatch, capsys):
    (tmp_path / "validation.json").write_text(json.dumps(document_of(*outcomes())))
    assert run_main(monkeypatch, "lab", "show", tmp_path, "-o", tmp_path / "page.html") == 0
    assert "Do the predictions come true?" in (tmp_path / "page.html").read_text()
    assert "50%" in capsys.readouterr().out


def test_a_page_that_cannot_be_written_is_one_line(tmp_path):
    with pytest.raises(TraceError, match="cannot be written"):
        write_page(document_of(*outcomes()), tmp_path / "absent" / "page.html")
