from __future__ import annotations

import json
import os
import re
import subprocess
from itertools import product
from pathlib import Path

import pytest

from sitiv_infra import catalogue
from sitiv_infra.checking import Status
from sitiv_infra.lab.process import program
from sitiv_infra.messages import LANGUAGES, Language
from sitiv_infra.report.audit import Audit
from sitiv_infra.report.formats import FORMATS
from tests.report import factory
from tests.report.pages import complaints, contrast, palettes, parsed
from tests.servers.need import need

UNKNOWN = factory.finding(
    status=Status.UNKNOWN, message="{source} was not observed: {cause}",
    evidence={"source": "backup/a", "cause": "no answer in time"},
)  # fmt: skip
HUGE = factory.finding(
    subject=f"corbas/bucket/{'x' * 10_000}", message="{names}: {text}",
    evidence={"text": "y" * 10_000, "names": ["z" * 10_000] * 50, "deep": {"k" * 500: "v" * 9000}},
)  # fmt: skip
AUDITS = {
    "full": factory.full(),
    "empty": factory.audit(),
    "unknown": factory.audit(*[UNKNOWN]),
    "huge": factory.audit(HUGE),
    "unrecorded": factory.audit(factory.finding(), name="-", selection="--member corbas"),
}


def page_of(audit: Audit, language: str = "fr") -> str:
    return FORMATS["html"].encode(audit, Language(language)).decode()


@pytest.mark.parametrize(("name", "language"), list(product(AUDITS, LANGUAGES)))
def test_everybody_can_read_it(name: str, language: str) -> None:
    page = page_of(AUDITS[name], language)
    assert complaints(page) == []
    assert f'<html lang="{language}">' in page


@pytest.mark.parametrize("palette", palettes(), ids=["light", "dark", "paper"])
def test_contrast_is_enough(palette: dict[str, str]) -> None:
    pairs = [(n, n.replace("-ink", "-tint")) for n in palette if n.endswith("-ink")]
    pairs = [(a, b) for a, b in pairs if b in palette]
    assert len(pairs) >= 9
    pairs += product(("ink", "soft", "link"), ("paper", "ground"))
    pairs += [("top-ink", "top"), ("top-soft", "top")]
    inks = [n for n in palette if n.endswith("-ink") and n not in ("top-ink", "critical-ink")]
    pairs += product(inks, ("paper",))
    poor = {pair: contrast(palette[pair[0]], palette[pair[1]]) for pair in pairs}
    assert {pair: ratio for pair, ratio in poor.items() if ratio < 4.5} == {}


def test_it_is_one_file_that_asks_for_nothing() -> None:
    page = page_of(AUDITS["full"])
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert f'http-equiv="Content-Security-Policy" content="{policy}"' in page
    root = parsed(page)
    assert not list(root.all("script", "link", "img", "iframe", "object", "form"))
    assert not [e for e in root.all() if {"src", "style", "onerror"} & set(e.attributes)]
    assert not re.search(r"url\(|@import|https?://", page)


def test_hostile_evidence_stays_text() -> None:
    page = page_of(AUDITS["full"])
    root = parsed(page)
    assert page.count("</style>") == 1
    assert "&lt;/style&gt;&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in page
    assert "\\u202etxt.exe" in page
    assert "\x1b" not in page
    assert '"><img src=x onerror=alert(1)>' in root.text


def test_huge_evidence_is_cut_and_says_so() -> None:
    page = page_of(AUDITS["huge"])
    assert len(page) < 100_000
    assert "(+9" in page


def test_it_tells_what_happened() -> None:
    text = parsed(page_of(AUDITS["full"])).text
    for told in (
        "2026-11-21T0200Z", "fait le 21/11/2026 sur de vrais serveurs", "24 Écarts ouverts",
        "5 nouveaux écarts", "5 écarts réapparus", "2 écarts corrigés", "directory/givors",
        "en retard\N{NO-BREAK SPACE}: échéance le 11/11/2026", "age=97200.0",
        "accepté jusqu\N{RIGHT SINGLE QUOTATION MARK}au 05/12/2026 par Directrice générale",
        "Guide d\N{RIGHT SINGLE QUOTATION MARK}hygiène informatique, 37",
    ):  # fmt: skip
        assert told in text, told


def test_the_order_is_that_of_a_reader_in_a_hurry() -> None:
    titles = [h.text for h in parsed(page_of(AUDITS["full"], "en")).all("h2", "h3")]
    wanted = [
        "Essentials", "Since the last run", "Members and domains", "What to do first",
        "Accepted risks to look at", "Coverage", "Backups", "Every copy is younger than promised",
        "Accepted risks", "Annex",
    ]  # fmt: skip
    assert [t for t in titles if t in wanted] == wanted


def test_only_what_wants_somebody_is_unfolded() -> None:
    quiet = factory.finding("storage.versioning", status=Status.PASS, message="fine", evidence={})
    page = page_of(factory.audit(factory.finding(), quiet))
    opened = {d.attributes["id"]: "open" in d.attributes for d in parsed(page).all("details")
              if "id" in d.attributes}  # fmt: skip
    assert opened == {"backup.recent": True, "storage.versioning": False}


def test_unknown_is_never_shown_as_good() -> None:
    root = parsed(page_of(AUDITS["unknown"], "en"))
    classes = [e.attributes.get("class") or "" for e in root.all("td")]
    assert "cell unknown" in classes
    assert "cell pass" not in classes
    tiles = [li.text.split()[0] for li in root.all("li") if "tile" in str(li.attributes)]
    assert tiles == ["0", "1", "0", "0"]


def test_no_english_is_left_in_french() -> None:
    texts = catalogue.texts()
    own = [t for t, files in texts.items() if any("/report/" in f for f in files)]
    known = catalogue.translations(catalogue.read(catalogue.po_file()))
    assert [t for t in own if t not in known] == []
    shown = {line.strip() for e in parsed(page_of(AUDITS["full"])).all() for line in e.children
             if isinstance(line, str)}  # fmt: skip
    assert sorted(t for t in own if t in shown and known[t] != t) == []


def test_the_same_audit_gives_the_same_bytes() -> None:
    assert page_of(AUDITS["full"]) == page_of(factory.full())


def test_2000_findings_stay_small() -> None:
    assert len(FORMATS["html"].encode(factory.many(2000), Language("fr"))) < 3_000_000


WIDTH = """<!DOCTYPE html><meta charset="utf-8"><title>0</title>
<iframe src="page.html" style="width:{width}px;height:9000px;border:0"></iframe>
<script>
addEventListener("load", () => {{
  const frame = document.querySelector("iframe").contentDocument, wide = [];
  for (const e of frame.querySelectorAll("main *, header *"))
    if (!e.classList.contains("skip") && !e.closest("thead") &&
        e.getBoundingClientRect().right > {width} + 1) wide.push(e.tagName + "." + e.className);
  const root = frame.documentElement, body = getComputedStyle(frame.body);
  const over = root.scrollWidth - root.clientWidth;
  const told = {{over, wide: wide.slice(0, 9), font: body.fontSize}};
  document.body.textContent = "RESULT" + JSON.stringify(told) + "END";
}});
</script>"""


@pytest.mark.parametrize(("name", "width"), list(product(("full", "huge", "empty"), (400, 1280))))
def test_a_real_browser_needs_no_sideways_scrolling(name: str, width: int, tmp_path: Path) -> None:
    need("chromium")
    tmp_path.joinpath("page.html").write_text(page_of(AUDITS[name]), encoding="utf-8")
    tmp_path.joinpath("frame.html").write_text(WIDTH.format(width=width), encoding="utf-8")
    command = [
        program("chromium"), "--headless", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--allow-file-access-from-files", f"--user-data-dir={tmp_path / 'profile'}",
        "--window-size=1400,2000", "--virtual-time-budget=10000", "--dump-dom",
        (tmp_path / "frame.html").as_uri(),
    ]  # fmt: skip
    if os.geteuid() == 0:
        command.insert(1, "--no-sandbox")  # Chromium refuses to run as root otherwise
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    match = re.search(r"RESULT(.*)END", done.stdout)
    assert match, done.stdout[:500]
    told = json.loads(match[1])
    assert told["font"] == "16px", "the style was not applied"
    assert (told["over"], told["wide"]) == (0, [])
