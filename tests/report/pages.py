"""Rules that every page must keep, and a parser that sees what a browser would."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

VOID = {"meta", "br", "rect", "img", "input", "link", "hr"}
STYLE = Path("sitiv_infra/report/templates/style.css")


@dataclass
class Element:
    tag: str
    attributes: dict[str, str | None]
    children: list[Element | str] = field(default_factory=list)

    def all(self, *tags: str) -> Iterator[Element]:
        for child in self.children:
            if isinstance(child, Element):
                if not tags or child.tag in tags:
                    yield child
                yield from child.all(*tags)

    @property
    def text(self) -> str:
        parts = (c if isinstance(c, str) else c.text for c in self.children)
        return " ".join("".join(parts).split(" ")) if self.tag not in ("style", "script") else ""


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Element("root", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def parsed(page: str) -> Element:
    parser = _Parser()
    parser.feed(page)
    parser.close()
    assert parser.open == [parser.root], "an element is not closed"
    return parser.root


def complaints(page: str) -> list[str]:
    """Say what keeps somebody from reading a page: RGAA's rules that a machine can judge."""
    root = parsed(page)
    found = [*_headings(root), *_tables(root), *_links(root)]
    if not next(root.all("html")).attributes.get("lang"):
        found.append("no lang")
    badges = [e for e in root.all("span") if "badge" in (e.attributes.get("class") or "")]
    return found + ["a badge without a word" for b in badges if len(b.text.strip()) < 2]


def _headings(root: Element) -> Iterator[str]:
    levels = [int(e.tag[1]) for e in root.all("h1", "h2", "h3", "h4", "h5", "h6")]
    if levels.count(1) != 1 or levels[0] != 1:
        yield "not one h1, first"
    yield from (f"h{a} then h{b}" for a, b in pairwise(levels) if b > a + 1)


def _tables(root: Element) -> Iterator[str]:
    for table in root.all("table"):
        if not any(c.text.strip() for c in table.all("caption")):
            yield "a table without a caption"
        yield from ("th without scope" for th in table.all("th") if "scope" not in th.attributes)
        yield from ("an empty cell" for cell in table.all("td") if not cell.text.strip())


def _links(root: Element) -> Iterator[str]:
    ids = [e.attributes["id"] for e in root.all() if "id" in e.attributes]
    yield from (f"id {i} twice" for i in set(ids) if ids.count(i) > 1)
    for link in root.all("a"):
        target = link.attributes.get("href") or ""
        if not target.startswith("#") or target[1:] not in ids:
            yield f"a link to {target}"
        if not link.text.strip():
            yield "a link without text"


def palettes() -> list[dict[str, str]]:
    """Give the colours of the style sheet: light, dark, and on paper."""
    blocks = re.findall(r":root\s*\{([^}]*)\}", STYLE.read_text("utf-8"))
    found = [dict(re.findall(r"--([a-z-]+):\s*(#[0-9a-f]{6})", block)) for block in blocks]
    return [{**found[0], **block} for block in found]


def contrast(first: str, second: str) -> float:
    """Give the contrast ratio of WCAG 2.1, 1 to 21."""
    light, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
