from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import replace
from datetime import timedelta
from itertools import product
from pathlib import Path

import pytest

from sitiv_infra.errors import RunError
from sitiv_infra.lab.process import program
from sitiv_infra.messages import LANGUAGES, Language
from sitiv_infra.report.continuity import (
    EVENTS,
    FORMATS,
    RECORDS,
    Event,
    Figures,
    Probing,
    Rehearsal,
    Standing,
    append,
    exit_code,
    figures,
    read,
    rehearsal,
)
from sitiv_infra.report.continuity.figures import Connection
from sitiv_infra.report.continuity.promises import Row, tightest_rto
from tests.report import rehearsals as r
from tests.report.pages import complaints, parsed
from tests.servers.need import need

FAULT = (r.event(20, "fault"),)


def measured(*records: r.Record, events: tuple[Event, ...] = FAULT, **more: object) -> Figures:
    """Give the figures of the first fault."""
    found = figures(r.probing(*records, events=events, **more))  # type: ignore[arg-type]
    return next(f for f in found if f.window.number == 1 and f.service == "guichet")


def judged(
    *records: r.Record, events: tuple[Event, ...] = FAULT, **more: object
) -> tuple[Standing | None, Standing | None]:
    """Give how RTO and RPO stand after the first fault."""
    row = row_of(r.probing(*records, events=events, **more))  # type: ignore[arg-type]
    return (row.rto and row.rto.standing, row.rpo and row.rpo.standing)  # type: ignore[return-value]


def row_of(probing: Probing, number: int = 1) -> Row:
    rows = rehearsal(r.estate(), probing).rows
    return next(x for x in rows if x.figures.window.number == number)


K, N, U = Standing.KEPT, Standing.BROKEN, Standing.UNMEASURED


def test_no_failure_is_kept() -> None:
    one = measured(*r.asked(60), *r.kept(60))
    assert (one.requests, one.failed, one.recovery, one.outages) == (400, 0, 0.0, ())
    assert (one.acknowledged, one.written, one.lost) == (200, 300, ())
    assert one.connection is Connection.SURVIVED
    assert one.gap < 0.5
    assert judged(*r.asked(60)) == (K, K)


def test_an_outage_is_counted_from_the_fault_to_steady_service() -> None:
    one = measured(*r.asked(60, r.between((20, 32))))
    assert one.failed == 120
    assert one.recovery == pytest.approx(12.2, abs=0.2)
    assert {o.door for o in one.outages} == {r.V4, r.V6}
    assert judged(*r.asked(60, r.between((20, 32)))) == (K, K)


def test_longer_than_the_tightest_member_was_promised() -> None:
    assert tightest_rto(r.estate().services["guichet"]) == timedelta(seconds=30)
    assert judged(*r.asked(90, r.between((20, 55)))) == (N, K)
    assert judged(*r.asked(90, r.between((20, 45)))) == (K, K)


def test_a_late_outage_counts_for_its_own_length() -> None:
    one = measured(*r.asked(120, r.between((80, 90))))
    assert one.recovery == pytest.approx(10.3, abs=0.3)


def test_a_good_answer_between_two_failures_ends_no_outage() -> None:
    flapping = r.between(*((20 + n, 20.8 + n) for n in range(40)))
    one = measured(*r.asked(90, flapping))
    assert one.recovery is not None
    assert one.recovery > 39
    assert judged(*r.asked(90, flapping))[0] is N


def test_an_address_that_answers_hides_none_that_does_not() -> None:
    half = measured(*r.asked(90, lambda at, door: "timeout" if at >= 20 and door == r.V6 else ""))
    assert half.recovery is None
    assert [o.door for o in half.outages] == [r.V6]
    assert half.gap == pytest.approx(75, abs=6)


def test_a_request_under_way_when_the_fault_strikes_counts_there() -> None:
    stuck = r.record(19.5, door=r.V4, seconds=5.0, error="timeout")
    one = measured(*r.asked(60), stuck)
    assert one.failed == 1
    assert one.recovery == pytest.approx(0.1, abs=0.2)


@pytest.mark.parametrize(
    ("records", "events", "rto"),
    [
        (r.asked(25, r.between((20, 99))), FAULT, U),  # ended too early to tell
        (r.asked(90, r.between((20, 99))), FAULT, N),  # down for longer than promised
        (r.asked(24), FAULT, U),  # four seconds prove nothing
        (r.asked(15), FAULT, U),  # nothing was asked after it
        ((*r.asked(30), *r.asked(20, start=70)), FAULT, U),  # the probe slept
        ((x for x in r.asked(60) if x.door == r.V4), FAULT, U),  # one address not asked
        (r.asked(60, r.between((20, 99))), (*FAULT, r.event(40, "heal")), U),  # healed too early
        (r.asked(90, r.between((20, 99))), (*FAULT, r.event(60, "heal")), N),
    ],
)
def test_nothing_is_kept_that_was_not_measured(
    records: object, events: tuple[Event, ...], rto: Standing
) -> None:
    assert judged(*records, events=events)[0] is rto  # type: ignore[misc]


def test_what_was_acknowledged_and_lost_is_named_with_its_event() -> None:
    names = {"guichet-000190": "missing", "guichet-000198": "missing", "guichet-000300": "content"}
    events = (*FAULT, r.event(40, "heal"))
    probing = r.probing(*r.asked(60), events=events, lost=names)
    fault, heal = row_of(probing, 1), row_of(probing, 2)
    # All were read again after they were written, before the next event, but not afterwards.
    assert [x.name for x in fault.figures.lost] == ["guichet-000190", "guichet-000198"]
    assert [(x.name, x.cause) for x in heal.figures.lost] == [("guichet-000300", "content")]
    assert fault.figures.lost_span == pytest.approx(1.0, abs=0.02)
    assert fault.rpo is not None
    assert fault.rpo.standing is N


def test_a_loss_that_was_seen_before_the_next_event_is_the_earlier_one_s() -> None:
    seen = r.record(30, name="guichet-000250", error="missing")
    events = (*FAULT, r.event(40, "heal"))
    records = [x for x in r.asked(60) if (x.kind, x.name) != ("get", "guichet-000250")]
    probing = r.probing(*records, seen, events=events, lost={"guichet-000250": "missing"})
    assert [x.name for x in row_of(probing).figures.lost] == ["guichet-000250"]
    assert not row_of(probing, 2).figures.lost


def test_a_loss_without_any_fault_is_told_too() -> None:
    row = row_of(r.probing(*r.asked(30), lost={"guichet-000100": "missing"}), 0)
    assert row.rto is None
    assert row.rpo is not None
    assert row.rpo.standing is N


def test_no_write_no_reading_back_no_proof() -> None:
    assert judged(*r.asked(60, service="portail")) == (K, U)
    assert judged(*r.asked(60), verified=False) == (K, U)
    assert judged(*r.asked(60), verified=None) == (K, U)
    probing = r.probing(*r.asked(60), events=FAULT)
    partly = replace(probing, records=tuple(x for x in probing.records if x.name != "guichet-000002"
                                            or x.kind != "verify"))  # fmt: skip
    row = row_of(partly)
    assert row.rpo is not None
    assert row.rpo.standing is U


@pytest.mark.parametrize(
    ("kept", "connection"),
    [
        (r.kept(60), Connection.SURVIVED),
        (r.kept(60, 30.05), Connection.BROKEN),
        (r.kept(60, 10.05), Connection.SURVIVED),  # the one that was opened again
        (r.kept(15, 14.95), Connection.UNMEASURED),
        ((), Connection.UNMEASURED),
        ((*r.kept(20), r.record(20.1, "kept", connection=1, seconds=30, error="unanswered")),
         Connection.SILENT),
        ((*r.kept(20), r.record(20.1, "kept", connection=1, seconds=60, error="broken")),
         Connection.SILENT),
        ((*r.kept(20), r.record(20.1, "kept", connection=1, error="closed")), Connection.CLOSED),
        ((*r.kept(20), r.record(19.95, "kept", connection=1, seconds=2, error="broken")),
         Connection.BROKEN),
        ((*r.kept(20), r.record(20.1, "kept", connection=1, seconds=3)), Connection.SURVIVED),
    ],
)  # fmt: skip
def test_the_open_connection_is_followed(kept: object, connection: Connection) -> None:
    assert measured(*r.asked(60), *kept).connection is connection  # type: ignore[misc]


def test_latencies_are_those_of_good_answers() -> None:
    one = measured(*r.asked(60, r.between((20, 30), error="timeout")))
    assert one.p50 == pytest.approx(0.013)
    assert one.p99 == pytest.approx(0.016)
    assert measured(*r.asked(60, r.between((20, 60)))).p50 is None


def test_exit_codes() -> None:
    assert exit_code(rehearsal(r.estate(), r.probing(*r.asked(60), events=FAULT))) == 0
    lossy = r.probing(*r.asked(60), events=FAULT, lost={"guichet-000100": "missing"})
    assert exit_code(rehearsal(r.estate(), lossy)) == 1
    assert exit_code(rehearsal(r.estate(), r.probing(*r.asked(60)))) == 2, "no fault was made"
    only_read = r.probing(*r.asked(60, service="portail"), events=FAULT)
    assert exit_code(rehearsal(r.estate(), only_read)) == 0
    assert exit_code(rehearsal(r.estate(), r.probing(*r.asked(22), events=FAULT))) == 2


def test_files_are_read_as_they_were_written(tmp_path: Path) -> None:
    wanted = r.full()
    assert wanted.end is not None
    for line in (wanted.begin, *wanted.records, wanted.end):
        append(tmp_path / RECORDS, line)
    for event in reversed(wanted.events):
        append(tmp_path / EVENTS, event)
    with (tmp_path / RECORDS).open("ab") as stream:
        stream.write(b'{"kind":"put","at":"20')  # a kill came here
    assert read(tmp_path) == wanted


def test_files_that_can_t_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="can't be read"):
        read(tmp_path)
    (tmp_path / RECORDS).write_text("")
    with pytest.raises(RunError, match="0 runs"):
        read(tmp_path)
    append(tmp_path / RECORDS, r.full().begin)
    append(tmp_path / RECORDS, r.full().begin)
    with pytest.raises(RunError, match="2 runs"):
        read(tmp_path)
    with (tmp_path / RECORDS).open("a") as stream:
        stream.write('{"kind":"pat"}\n')
    with pytest.raises(RunError, match=r"probe.jsonl:3: "):
        read(tmp_path)


def told(name: str = "full") -> Rehearsal:
    return rehearsal(r.estate(), REHEARSALS[name])


REHEARSALS = {
    "full": r.full(),
    "empty": r.probing(),
    "calm": r.probing(*r.asked(60), events=FAULT),
    "killed": r.probing(*r.asked(60), events=FAULT, verified=None),
}


@pytest.mark.parametrize(("name", "language"), list(product(REHEARSALS, LANGUAGES)))
def test_everybody_can_read_the_page(name: str, language: str) -> None:
    page = FORMATS["html"](told(name), Language(language))
    assert complaints(page) == []
    assert f'<html lang="{language}">' in page
    root = parsed(page)
    assert not list(root.all("script", "link", "img", "iframe", "object", "form"))
    assert not [e for e in root.all() if {"src", "style", "onerror"} & set(e.attributes)]
    assert not re.search(r"url\(|@import|https?://", page)


def test_the_page_tells_what_happened() -> None:
    text = parsed(FORMATS["html"](told(), Language("fr"))).text
    for wanted in ("Site a perdu", "Site a de retour", "guichet-000590", "non tenue", "promis",
                   "Services non sondés", "document introuvable"):  # fmt: skip
        assert wanted in text, wanted
    assert "<b>odd</b>" in text, "shown, not obeyed"
    assert "<b>odd" not in FORMATS["html"](told(), Language("fr"))


def test_a_calm_page_has_no_loss_and_a_killed_one_does_not_say_so() -> None:
    calm = parsed(FORMATS["html"](told("calm"), Language("en"))).text
    assert "None: every acknowledged document was read back" in calm
    killed = parsed(FORMATS["html"](told("killed"), Language("en"))).text
    assert "None: every" not in killed
    assert "Not known" in killed


@pytest.mark.parametrize(("name", "language"), list(product(REHEARSALS, LANGUAGES)))
def test_the_text_has_no_line_that_is_too_long(name: str, language: str) -> None:
    text = FORMATS["text"](told(name), Language(language))
    assert max(map(len, text.splitlines())) <= 100
    assert "{" not in text


def test_the_text_tells_what_happened() -> None:
    text = FORMATS["text"](told(), Language("en"))
    for wanted in ("Site a lost", "Link 1 cut", "Fault: <b>odd</b> thing", "guichet-000590",
                   "✕ 0 s not kept", "not probed: hidden", "connection refused"):  # fmt: skip
        assert wanted in text, wanted


def test_json_lines_hold_every_figure() -> None:
    lines = [json.loads(x) for x in FORMATS["jsonl"](told(), Language("en")).splitlines()]
    assert len(lines) == 12
    fault = next(x for x in lines if x["service"] == "guichet" and x["event"]
                 and x["event"]["kind"] == "site" and x["event"]["what"] == "fault")  # fmt: skip
    assert fault["rto"]["promised"] == 30
    assert fault["rto"]["standing"] == "kept"
    assert 12 < fault["rto"]["measured"] < 14
    assert fault["rpo"]["standing"] == "not-kept"
    assert [x["name"] for x in fault["lost"]] == ["guichet-000590", "guichet-000592"]
    assert fault["connection"] == "broken"


def test_the_same_rehearsal_gives_the_same_bytes() -> None:
    for render in FORMATS.values():
        assert render(told(), Language("fr")) == render(told(), Language("fr"))


WIDTH = """<!DOCTYPE html><meta charset="utf-8"><title>0</title>
<iframe src="page.html" style="width:{width}px;height:9000px;border:0"></iframe>
<script>
addEventListener("load", () => {{
  const root = document.querySelector("iframe").contentDocument.documentElement;
  document.body.textContent = "RESULT" + (root.scrollWidth - root.clientWidth) + "END";
}});
</script>"""


@pytest.mark.parametrize("width", [400, 1280])
def test_a_real_browser_needs_no_sideways_scrolling(width: int, tmp_path: Path) -> None:
    need("chromium")
    page = FORMATS["html"](told(), Language("fr"))
    tmp_path.joinpath("page.html").write_text(page, encoding="utf-8")
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
    match = re.search(r"RESULT(-?\d+)END", done.stdout)
    assert match, done.stdout[:500]
    assert int(match[1]) == 0
