"""The reference: whole, without a warning, of public names only, and nothing in it is loaded from elsewhere."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import zcanalysis as zc
from zcanalysis import charts, hosts, patches, tables, widgets

ROOT = Path(__file__).parent.parent
LOADS = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "object": "data"}


class Page(HTMLParser):
    """What a page loads, the members it shows, the pages it links to."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.text = file.read_text(encoding="utf-8")
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.members: set[str] = set()
        self.feed(self.text)

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        if LOADS.get(tag) in told:
            self.loaded.append(told[LOADS[tag]])
        if tag == "section" and "id" in told:
            self.members.add(told["id"])
        if tag == "a" and "href" in told:
            self.links.append(told["href"])


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("docs")
    command = [sys.executable, "-W", "error", "-m", "tests.reference", place]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    return place


def test_every_public_name_has_its_place_and_no_private_one(place):
    rooms = {"charts": charts, "hosts": hosts, "patches": patches, "widgets": widgets}
    assert Page(place / "zcanalysis.html").members == set(zc.__all__) - set(rooms)
    for name, room in rooms.items():
        assert Page(place / "zcanalysis" / f"{name}.html").members == set(room.__all__)
    members = {member for file in place.rglob("*.html") for member in Page(file).members}
    assert {"Recording", "HostFacts", "Answer", "TraceError"} <= members
    assert not [member for member in members if member.startswith("_")]


def test_every_table_shows_its_columns_with_types_and_units(place):
    text = Page(place / "zcanalysis" / "tables.html").text
    shown = text.partition('id="PACKETS"')[2].partition("</section>")[0]
    rows = [re.findall(r"<td.*?>(.*?)</td>", row, re.DOTALL) for row in re.findall(r"<tr>(.*?)</tr>", shown, re.DOTALL)]
    cells = [[re.sub(r"<.*?>", "", cell) for cell in row] for row in rows if row]
    assert [row[0] for row in cells] == list(tables.PACKETS)
    assert cells[0][1:3] == ["Int64", "ns"]


def test_nothing_is_loaded_from_elsewhere_and_no_machine_is_named(place):
    for file in place.rglob("*.html"):
        page = Page(file)
        for name in page.loaded:
            assert name.startswith("data:") or (file.parent / name).is_file(), f"{file}: {name}"
        assert not re.search(r"@import|url\(\s*['\"]?(https?:)?//", page.text)
        assert str(ROOT) not in page.text
        assert not re.search(r" object at 0x[0-9a-f]+", page.text)


def test_links_between_pages_lead_somewhere(place):
    ours = 0
    for file in place.rglob("*.html"):
        for link in Page(file).links:
            target, _, part = link.partition("#")
            if target and "://" not in target:
                assert (file.parent / target).is_file(), f"{file}: {link}"
                ours += 1
                if part:
                    assert f'id="{part}"' in (file.parent / target).read_text(encoding="utf-8"), f"{file}: {link}"
    assert ours > len(zc.__all__)
