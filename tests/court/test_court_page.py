"""The page for the judge's clerk: well-formed, alone, escaped, and saying what record.json says."""

import json
import re
import tarfile
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from return_world import make_world

from collector.court.page import FATES, summary_page
from collector.court.picture import Edge, bars
from collector.ground.codes import Fate

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Outline(HTMLParser):
    """Elements that are not closed, headings, and every attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    """record.json, collected.json and summary.html of a return."""
    folder = tmp_path_factory.mktemp("page")
    make_world(folder / "w", rows=5).make(folder / "r.tar")
    with tarfile.open(folder / "r.tar") as tar:
        files = {member.name.partition("/")[2]: tar.extractfile(member).read() for member in tar}
    return (
        json.loads(files["record.json"]),
        json.loads(files["collected.json"]),
        files["summary.html"].decode(),
    )


def outline(page: str) -> Outline:
    """The page as a strict reader sees it."""
    parsed = Outline()
    parsed.feed(page)
    parsed.close()
    assert not parsed.open
    return parsed


def test_the_page_is_well_formed_for_html_and_xml(documents):
    """Every element is closed, in order; the page reads as XML too, so that any old tool takes it."""
    page = documents[2]
    assert page.startswith("<!DOCTYPE html>")
    outline(page)
    assert ET.fromstring(page.removeprefix("<!DOCTYPE html>\n")).tag == "html"


def test_the_page_stands_alone(documents):
    """No script, no event handler, no reference to anything outside, and a policy that forbids the browser any."""
    page = documents[2]
    for tag, attributes in outline(page).seen:
        assert tag not in {
            "script",
            "link",
            "img",
            "iframe",
            "object",
            "embed",
            "base",
            "a",
            "form",
            "use",
            "image",
        }
        assert not [
            name
            for name in attributes
            if name.startswith("on") or name in {"src", "href", "srcset", "action"}
        ]
    assert not re.search(r"url\s*\(|@import|https?:|//[a-z]", page)
    assert "default-src 'none'" in page


def test_names_from_files_are_escaped(documents):
    """Whatever a court's or an officer's name holds, it is text on the page."""
    page = documents[2]
    assert "<script" not in page
    assert "<i>" not in page
    read = outline(page)
    assert "SEALED-COURT of <i>Testing</i> & Sons" in read.text
    assert "Officer \u201cA\u201d <script>alert(1)</script>" in read.text


def test_every_text_of_the_record_is_escaped(documents):
    """Markup in any text of either document, wherever it comes from, adds no element to the page."""

    def poisoned(value):
        match value:
            case dict():
                return {key: poisoned(item) for key, item in value.items()}
            case list():
                return [poisoned(item) for item in value]
            case str() if not re.match(r"\d{4}-", value):
                return value + "<b onclick=x>\"'&"
        return value

    record, collected, page = documents
    record = poisoned({key: value for key, value in record.items() if key != "ii_times"}) | {
        "ii_times": record["ii_times"]
    }
    clean, hostile = outline(page), outline(summary_page(record, collected))
    assert not any("onclick" in attributes for _, attributes in hostile.seen)
    assert {tag for tag, _ in hostile.seen} <= {tag for tag, _ in clean.seen} | {"td"}


def test_the_page_is_accessible(documents):
    """One h1, no heading level skipped, language set, tables with caption and headers, the picture with title and words."""
    seen = outline(documents[2]).seen
    tags = [tag for tag, _ in seen]
    assert tags.count("h1") == 1
    assert {tag for tag in tags if re.fullmatch(r"h[1-6]", tag)} == {"h1", "h2"}
    assert dict(seen)["html"]["lang"] == "en"
    assert tags.count("table") == tags.count("caption") == tags.count("thead")
    assert all(attributes.get("scope") == "col" for tag, attributes in seen if tag == "th")
    picture = dict(seen)["svg"]
    assert (picture["role"], picture["aria-labelledby"]) == ("img", "bars-title bars-text")


def test_the_page_says_what_the_record_says(documents):
    """Totals, the sentence about addresses, the notice, a run of unknown end, and each day's figures."""
    record, _, page = documents
    text = outline(page).text
    part = record["iv_collected"]
    assert f"{part['rows']} check-ins from {part['hosts']} addresses on 3 days" in text
    assert "An address is not a machine, and not a person." in text
    assert "served 1,234 times" in text
    assert "unknown: cut off before 2026-09-02 12:00:00" in text
    for day in part["by_day"]:
        assert f'<td>{day["day"]}</td><td class="number">{day["rows"]}</td>' in page


def test_every_fate_has_its_words():
    """Each way in which a check-in can end is explained."""
    assert set(FATES) == {fate.name.lower() for fate in Fate}


def test_bars_for_no_day_one_day_and_many():
    """The picture holds from nothing to years, its bars within the frame and its highest at the highest count."""
    assert "svg" not in bars([], [])
    for days in (1, 2, 60, 400):
        counts = [
            (f"2026-{1 + place // 31 % 12:02d}-{1 + place % 31:02d}", place * 7) for place in range(days)
        ]
        picture = ET.fromstring(bars(counts, [Edge("2026-01-01T12:00:00Z", "x <begins>")]))
        boxes = [(float(box.get("y")), float(box.get("height"))) for box in picture.iter("rect")]
        assert len(boxes) == days
        assert all(height >= 0 and 40 < y <= 260.01 for y, height in boxes)
        assert max(range(days), key=lambda place: boxes[place][1]) == max(
            range(days), key=lambda place: counts[place][1]
        )
