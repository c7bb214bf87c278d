"""HTML: whatever a host prints is text, nothing is loaded, nothing is run."""

import io
import re
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from fleetctl.report.html import Html
from fleetctl.report.page import Bar, Detail, Page, Table, Tile
from fleetctl.report.protocol import Telling

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=y>&lt;\u202e\x1b[31m</style></title>"


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen, self.text, self.open = [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in {"meta", "rect"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def page(text):
    table = Table(title=text, header=(text,), rows=[(text,), ("HIGH",)], note=text)
    return Page(
        title=text,
        lead=text,
        facts=[(text, text)],
        tiles=[Tile(label=text, value=text, tone="bad", note=text)],
        trend=[Bar(label=text, parts=[(text, count, "good")]) for count in (0, 3)],
        tables=[table],
        details=[
            Detail(title=text, summary=text, tone="good", table=table),
            Detail(title=text, summary=text, tone="warn"),
        ],
    )


def written(telling):
    file = io.StringIO()
    Html().write(telling, file)
    tags = Tags()
    tags.feed(file.getvalue())
    tags.close()
    assert tags.open == []
    return file.getvalue(), tags


PLAIN = [
    (tag, sorted(attrs))
    for tag, attrs in written(Telling(data={}, rows=[], columns=[], page=page("x")))[1].seen
]


def test_hostile_text_stays_text():
    text, tags = written(Telling(data={}, rows=[], columns=[], page=page(EVIL)))
    assert [(tag, sorted(attrs)) for tag, attrs in tags.seen] == PLAIN
    assert "<script>alert(1)</script>" in "".join(tags.text)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\\u202e\\u001b[31m" in text


@given(st.text(min_size=1, max_size=40))
def test_no_text_adds_a_tag_or_an_attribute(text):
    _, tags = written(Telling(data={}, rows=[], columns=[], page=page(text)))
    assert [tag for tag, _ in tags.seen] == [tag for tag, _ in PLAIN]
    assert not {name for _, attrs in tags.seen for name in attrs} & {
        "onerror",
        "onclick",
        "src",
        "href",
        "srcset",
    }


def test_the_page_loads_nothing_and_forbids_scripts():
    text, tags = written(Telling(data={}, rows=[], columns=[], page=page("x")))
    assert not {tag for tag, _ in tags.seen} & {"script", "link", "img", "iframe", "object"}
    assert "default-src 'none'" in text
    assert not re.search(r"url\(|@import|https?:", text)


def test_a_result_without_a_page_is_a_table_of_its_rows():
    rows = [{"Host": "a", "Tags": ["x", "y"], "Left": None}]
    _, tags = written(Telling(data=rows, rows=rows, columns=("Host", "Tags", "Left"), title="hosts & more"))
    assert {"hosts & more", "Host", "a", "x, y"} <= set(tags.text)
