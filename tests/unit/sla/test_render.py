"""Reports as people get them: complete, in both languages, safe, and the same bytes for the same facts."""

from __future__ import annotations

import csv
import dataclasses
import html
import io
import json
import re
import string

import pypdf
import pytest

from bascule.conventions import EntryKind
from bascule.errors import UsageError
from bascule.sla import (
    LANGUAGES,
    Note,
    Numbers,
    SlaOutcome,
    TimelineMark,
    WindowFigure,
    render,
    render_csv,
    render_html,
    render_json,
    render_mail,
    render_markdown,
    render_pdf,
    sentences,
)
from bascule.slo import Goal, SloKind
from bascule.states import Cause


def test_every_language_says_everything_with_the_same_gaps():
    english, *others = map(sentences, LANGUAGES)
    assert others
    for other in others:
        assert {key: _gaps(text) for key, text in other.items()} == {key: _gaps(text) for key, text in english.items()}


def _gaps(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_page_is_one_file_that_asks_nobody_for_anything(report, language):
    page = render_html(report, language)
    assert not re.findall(r"(?:src|href)=[\"']?(?!data:)|@import|<script|url\((?!data:)", page)
    assert "None" not in page
    assert "nan" not in re.sub(r"base64,[A-Za-z0-9+/=]+", "", page).lower().replace("maintenance", "").replace(
        "finance", ""
    )


def test_names_from_outside_cannot_become_markup(report):
    for text in (render_html(report), render_mail(report)[2]):
        assert "<V2>" not in text
        assert "&lt;V2&gt;" in text
    assert "move \\| of &lt;racks>" in render_markdown(report)


def test_a_segments_name_cannot_become_a_heading_of_the_report(report):
    shares = dict.fromkeys(("planned", "estimate", "low", "high"), "0.5")
    noted = dataclasses.replace(report.objectives[0], notes=(Note("share", {"segment": "a\n## Kept\n<b>", **shares}),))
    lines = render_markdown(dataclasses.replace(report, objectives=(noted,))).splitlines()
    assert [line for line in lines if line.startswith("## Kept") or "<b>" in line] == []
    assert [line for line in lines if "## Kept &lt;b>" in line]


def test_the_first_page_says_what_is_not_kept_and_what_decides_it(report):
    page = render_html(report)
    assert "1 of 4 objectives not kept" in page
    assert report.outcome is SlaOutcome.FAIL
    assert report.exit_code == 1
    assert "data for 29\u202fd 19\u202fh of 30\u202fd" in page


def test_french_numbers_are_written_in_french(report):
    page = render_html(report, "fr")
    assert "Taux d’erreur" in page
    assert "1,33\u202f%" in page


def test_a_step_of_the_plan_is_named_in_the_language_of_the_report(report):
    assert "step 3: 50%" in render_html(report)
    assert "étape 3 : 50\u202f%" in render_html(report, "fr")


def test_the_first_of_a_month_is_an_ordinal_in_french(report):
    assert "1er\u202fjanv." in render_html(report, "fr")


def test_json_holds_every_fact_and_no_number_that_json_does_not_have(report):
    text = render_json(report)
    assert "NaN" not in text
    assert "Infinity" not in text
    body = json.loads(text)
    assert body["outcome"] == "FAIL"
    assert {f.name for f in dataclasses.fields(report)} <= body.keys()
    assert body["objectives"][3]["whole"]["deciding"]["value"] == pytest.approx(0.2 * 48 / 720)


def test_csv_has_a_row_for_each_part_with_plain_numbers(report):
    rows = list(csv.DictReader(io.StringIO(render_csv(report))))
    assert [row["objective"] for row in rows if row["dimension"] == "all"] == [o.name for o in report.objectives]
    assert float(rows[0]["value"]) == pytest.approx(1 - 0.05 / 720)


def test_a_cell_that_a_spreadsheet_would_run_stays_a_text(report):
    objective = report.objectives[0]
    row = dataclasses.replace(objective.rows[0], name="=cmd()")
    hostile = dataclasses.replace(report, objectives=(dataclasses.replace(objective, rows=(row,)),))
    assert "'=cmd()" in render_csv(hostile)


def test_markdown_tables_are_as_wide_as_their_heads(report):
    lines = [line for line in render_markdown(report, "fr").splitlines() if line.startswith("|")]
    widths = [len(re.findall(r"(?<!\\)\|", line)) for line in lines]
    for line, width, before in zip(lines[1:], widths[1:], widths, strict=False):
        if line.startswith("|---"):
            assert width == before


def test_the_mail_body_shows_the_same_without_styles_or_pictures(report):
    subject, text, html = render_mail(report, "fr")
    assert "Objectifs non tenus : 1 sur 4" in subject
    assert "Taux d’erreur" in text
    assert "<style" not in html
    assert "<img" not in html
    assert "svg" not in html


@pytest.mark.parametrize(
    ("language", "said", "word"),
    [("en", "the objective cannot pass", "NO DATA: unproven"), ("fr", "ne peut pas", "sélecteur non vérifié")],
)
def test_a_selector_that_cannot_count_is_named_wherever_the_outcome_is_read(report, language, said, word):
    found = "signals.errors.bad of v2: its series have no label 'status'; they have code"
    errors = report.objectives[-1]
    whole = dataclasses.replace(errors.whole, outcome=SlaOutcome.NO_DATA, cause=Cause.UNPROVEN)
    untold = dataclasses.replace(
        errors, whole=whole, outcome=SlaOutcome.NO_DATA, rows=(), notes=(Note("unproven", {"found": found}),)
    )
    one = dataclasses.replace(report, objectives=(untold,))
    _, text, mail = render_mail(one, language)
    for form in (text, mail, render_html(one, language)):
        shown = html.unescape(form)
        assert found in shown
        assert said in shown
        assert word in shown
    assert one.exit_code == 4


@pytest.fixture(scope="module")
def pdf_of():
    kept: dict[int, bytes] = {}
    return lambda report: kept.setdefault(0, render_pdf(report))


def test_the_pdf_has_its_pages_its_words_and_its_bytes(report, pdf_of):
    first = pdf_of(report)
    pages = pypdf.PdfReader(io.BytesIO(first)).pages
    text = [" ".join(page.extract_text().split()) for page in pages]
    assert len(pages) == 5  # the first page, one for each objective; incidents and maintenance where there is room
    assert "SuperSmartMatch <V2>" in text[0]
    for words in ("1 of 4 objectives not kept", "Prometheus has data from", "v1 vs v2", "Timeline"):
        assert words in text[0]
    assert "Incidents" in text[-1]
    for page, name in zip(text[1:], ("Availability", "Response time", "Matching accuracy", "Error rate"), strict=True):
        assert name in page
    assert render_pdf(report) == first


def test_an_unknown_format_or_language_is_named(report):
    with pytest.raises(UsageError, match="no format 'docx'"):
        render(report, "docx")
    with pytest.raises(UsageError, match="no report in 'de'"):
        render_html(report, "de")


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0, "0 s"),
        (0.4, "< 1 s"),
        (59, "59 s"),
        (3600, "1 h"),
        (3661, "1 h 1 min"),
        (90000, "1 d 1 h"),
        (86400 + 59, "1 d"),
    ],
)
def test_durations_are_two_units_at_most(seconds, written):
    assert Numbers("en", None).lasting(seconds).replace("\u202f", " ") == written


@pytest.mark.parametrize(
    ("share", "written"),
    [(1.0, "100%"), (0.9991, "99.910%"), (0.998, "99.80%"), (0.85, "85.0%"), (0.00021, "0.021%"), (0.0, "0%")],
)
def test_percentages_show_a_breach_beside_a_near_miss(share, written):
    assert Numbers("en", None).percent(share) == written


@pytest.mark.parametrize(
    ("share", "written"), [(0.8496, "84.96%"), (0.8494, "84.9%"), (0.85, "85.0%"), (0.849999, "84.9999%")]
)
def test_a_near_miss_does_not_read_like_the_goal(share, written):
    assert Numbers("en", None).value(Goal(SloKind.FLOOR, 0.85, ""), share) == written


@pytest.mark.parametrize(
    ("gain", "written"), [(0.1299, "+12.99 pt"), (0.1296, "+12.96 pt"), (0.13, "+13.0 pt"), (0.13 - 1e-13, "+13.0 pt")]
)
def test_a_gain_that_is_nearly_reached_does_not_read_like_the_one_that_is_wanted(gain, written):
    assert Numbers("en", None).gain(gain, 0.13, is_relative=False).replace("\u202f", " ") == written


def test_targets_are_written_as_they_were_promised():
    numbers = Numbers("en", None)
    promises = [
        Goal(SloKind.AVAILABILITY, 0.999, ""),
        Goal(SloKind.CEILING, 0.999, "", 0.001),
        Goal(SloKind.LATENCY, 0.95, "", 0.1),
    ]
    assert [numbers.target(p).replace("\u202f", " ") for p in promises] == ["≥ 99.9%", "< 0.1%", "p95 < 100 ms"]


@pytest.mark.parametrize(
    ("covered", "bad", "said", "exit_code"),
    [
        (17 * 60, 0.0, "PASS so far (17 min of 30 d)", 0),
        (26 * 86400, 0.0, "PASS so far (26 d of 30 d)", 0),
        (28 * 86400, 0.0, "PASS", 0),
        (3 * 86400, 0.2, "FAIL", 1),  # more is spent than 30 d allow
        (3 * 86400, 0.02, "FAIL so far (3 d of 30 d)", 1),
    ],
)
def test_an_outcome_of_a_part_of_the_window_says_of_how_much(report, covered, bad, said, exit_code):
    """A month's promise is not kept because its first quarter of an hour went well."""
    kept = next(each for each in report.objectives if each.name == "error_rate")
    figure = WindowFigure(0, covered, covered * (1 - bad), covered, bad, bad / kept.promise.budget)
    outcome = SlaOutcome.FAIL if bad > kept.promise.budget else SlaOutcome.PASS
    whole = dataclasses.replace(kept.whole, deciding=figure, outcome=outcome)
    early = dataclasses.replace(kept, whole=whole, outcome=outcome, covered=covered, wanted=30 * 86400.0)
    found = dataclasses.replace(report, objectives=(early,))
    assert f"**{said}**" in render_markdown(found).replace("\u202f", " ")
    assert (found.exit_code, json.loads(render_json(found))["so_far"]) == (exit_code, "so far" in said)


@pytest.mark.parametrize(("kind", "is_bad"), [(kind, kind in ("fault", "hook_failed")) for kind in [*EntryKind, "own"]])
def test_of_what_the_journal_notes_a_fault_alone_is_marked_as_bad(report, kind, is_bad):
    """An acknowledgement, planned maintenance or a pause of the plan is nothing that broke."""
    marked = dataclasses.replace(report, marks=(TimelineMark(report.start + 1, str(kind), "noted", "ada"),))
    bad, without = (render_html(each).count('"bad-stroke"') for each in (marked, dataclasses.replace(report, marks=())))
    assert (bad > without) is is_bad
