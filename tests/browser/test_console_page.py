"""The page in a real browser, over a real Prometheus."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bascule.console import Browser, BrowserPage, screenshots

if TYPE_CHECKING:
    from pretend import Pretended

pytestmark = pytest.mark.integration

Visit = Callable[..., BrowserPage]
HOSTILE = '<img src=x onerror="window.hurt=1"><script>window.hurt=1</script>'
VERDICT = "document.querySelector('#verdict').dataset.verdict"
CHART = "!!document.querySelector('.traffic canvas')"

# Text whose contrast with the nearest painted ground is below WCAG AA, with the measured ratio.
FAINT = """(() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (color) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => [r, g, b].map((c) => (c /= 255) <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
  const ground = (node) => { for (; node; node = node.parentElement) {
    const color = rgba(getComputedStyle(node).backgroundColor); if (color[3] === 255) return color; }
    return [255, 255, 255]; };
  const faint = [];
  for (const node of document.querySelectorAll('body *')) {
    const own = [...node.childNodes].filter((each) => each.nodeType === 3);
    const text = own.map((each) => each.nodeValue.trim()).join('');
    if (!text || !node.checkVisibility() || node.closest('svg, .quiet')) continue;
    const [one, other] = [light(rgba(getComputedStyle(node).color)), light(ground(node))];
    const ratio = (Math.max(one, other) + .05) / (Math.min(one, other) + .05);
    if (ratio < 4.5) faint.push(`${text.slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return faint;
})()"""


def test_the_page_loads_without_a_complaint_and_asks_nobody_but_its_own_server(house: Pretended, visit: Visit) -> None:
    page = visit(house.url)
    page.wait(CHART)
    assert page.complaints() == []
    assert all(url.startswith(house.url) for url in page.requests())
    assert any("uPlot" in url for url in page.requests())


def test_the_policy_stops_inline_styles_scripts_and_markup_from_strings(house: Pretended, visit: Visit) -> None:
    page = visit(house.url)
    refused = """(() => { document.body.setAttribute('style', 'color: red');
      const tries = [() => { document.body.innerHTML = '<b>x</b>'; }, () => eval('1'), () => setTimeout('1')];
      return tries.filter((each) => { try { each(); return false; } catch { return true; } }).length; })()"""
    assert page.evaluate(refused) == 3
    assert page.evaluate("getComputedStyle(document.body).color") != "rgb(255, 0, 0)"
    assert any("Content Security Policy" in each for each in page.complaints())


def test_the_verdict_changes_before_the_readers_eyes_without_a_reload(house: Pretended, visit: Visit) -> None:
    page = visit(house.url)
    page.evaluate("window.still = true")
    assert page.evaluate(VERDICT) == "hold"
    house.story.break_candidate()
    page.wait(f"{VERDICT} === 'roll_back'", 5)
    assert page.evaluate("window.still")
    assert page.evaluate("document.title").startswith("Roll back")
    assert "Roll back" in page.evaluate("document.querySelector('#say').textContent")
    assert "roll_back" in page.evaluate("document.querySelector('#favicon').href")
    page.wait("document.querySelector('#alerts').innerText.includes('CandidateWorse')", 5)
    page.wait("document.querySelector('#signal-errors').innerText.includes('V2 worse')", 5)
    house.story.recover()
    page.wait(f"{VERDICT} === 'hold'", 5)
    page.wait("document.querySelector('#resolved').innerText.includes('CandidateWorse')", 5)


def test_a_killed_service_is_told_within_ten_seconds(own_house: Pretended, visit: Visit) -> None:
    page = visit(own_house.url)
    page.wait("document.querySelector('[data-key=\"supersmartmatch-v2\"]').classList.contains('ok')")
    killed = time.monotonic()
    own_house.kill("supersmartmatch-v2")
    page.wait("document.querySelector('#notices').innerText.includes('supersmartmatch-v2 is down')", 10)
    assert time.monotonic() - killed < 10
    assert "supersmartmatch-v2" in page.text("#services li:first-child")
    # How many requests a dead service gets is not known, and not zero.
    page.wait("document.querySelector('#shares [data-key=freemium]').innerText.includes('no data')", 15)
    page.wait("document.querySelector('#services li:first-child').innerText.includes('refused')", 5)


def test_a_silent_judge_is_no_data_within_ten_seconds(own_house: Pretended, visit: Visit) -> None:
    page = visit(own_house.url)
    own_house.endpoints["judge"].silent = True
    page.wait(f"{VERDICT} === 'no_data'", 10)
    assert "No data from the judge" in page.text("#notices")
    assert "it said: Hold" in page.text("#verdict")
    assert "no data: server away" in page.text("#signal-errors")
    own_house.endpoints["judge"].silent = False
    page.wait(f"{VERDICT} === 'hold'", 5)


def test_a_dead_prometheus_is_said_plainly(own_house: Pretended, visit: Visit) -> None:
    page = visit(own_house.url)
    own_house.stop_prometheus()
    page.wait("document.querySelector('#notices').innerText.includes('No data from Prometheus')", 10)
    assert "no data" in page.text("#services")


def test_a_silent_journal_does_not_leave_none_open_standing(own_house: Pretended, visit: Visit) -> None:
    page = visit(own_house.url)
    page.wait("document.querySelector('#alerts').innerText.includes('none open')")
    own_house.endpoints["incidents"].silent = True
    page.wait("document.querySelector('#alerts').innerText.includes('no data: server away')", 10)
    assert "none open" not in page.text("#alerts")
    assert "no data: server away" in page.text("#resolved")


def test_a_page_that_hears_nothing_calls_itself_frozen(own_house: Pretended, visit: Visit) -> None:
    page = visit(own_house.url)
    own_house.stop_console()
    page.wait("!document.querySelector('#frozen').hidden", 10)
    assert "received nothing" in page.text("#frozen")
    assert page.text("#live-text") == "frozen"


def test_names_from_outside_are_inert_everywhere(own_house: Pretended, visit: Visit) -> None:
    story = own_house.story
    story.extra_segment = HOSTILE
    story.reasons = [HOSTILE]
    story.timeline.append({"at": time.time(), "kind": "note", "text": HOSTILE})
    story.break_candidate()
    page = visit(own_house.url)
    page.wait(f"document.querySelector('#verdict').innerText.includes('evidence') && {CHART}")
    page.wait("document.querySelector('#signal-errors').innerText.includes('<img')")
    page.wait("document.querySelector('#shares').innerText.includes('<img')")
    page.evaluate("[...document.querySelectorAll('.more')].find((each) => each.innerText.includes('<img')).click()")
    page.wait("!!document.querySelector('.detail:not([hidden]) canvas')")
    assert page.evaluate("document.images.length") == 0
    assert page.evaluate("window.hurt") is None
    assert page.complaints() == []


def test_an_opened_row_stays_open_with_its_chart_while_news_come(house: Pretended, visit: Visit) -> None:
    page = visit(house.url)
    page.click("#signal-latency .more")
    page.wait("!!document.querySelector('.detail:not([hidden]) canvas')")
    page.evaluate("window.canvas = document.querySelector('.detail canvas')")
    page.evaluate("window.frames_ = 0; new EventSource('/stream').addEventListener('frame', () => window.frames_++)")
    page.wait("window.frames_ > 6")
    assert page.evaluate("document.querySelector('.detail:not([hidden]) canvas') === window.canvas")
    assert "bascule_signal_value" in page.evaluate("document.querySelector('.detail .queries').textContent")


def test_rows_open_by_keyboard_and_focus_stays(house: Pretended, visit: Visit) -> None:
    page = visit(house.url)
    page.evaluate("document.querySelector('#signal-errors .more').focus()")
    page.press("Enter", 13)
    page.wait("!!document.querySelector('.detail:not([hidden])')")
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"
    page.evaluate("window.frames_ = 0; new EventSource('/stream').addEventListener('frame', () => window.frames_++)")
    page.wait("window.frames_ > 3")
    assert page.evaluate("document.activeElement.className") == "more"


def test_queries_open_behind_their_question_mark(house: Pretended, visit: Visit) -> None:
    page = visit(house.url)
    page.click("[popovertarget=why-services]")
    assert "timestamp(up)" in page.text("#why-services")
    assert page.evaluate("document.querySelector('#why-services').matches(':popover-open')")


def test_every_figure_of_the_comparison_names_its_query(house: Pretended, visit: Visit) -> None:
    page = visit(house.url)
    untold = (
        "[...document.querySelectorAll('.signals .row .n, .signals .evidence')].filter((each) => !each.title).length"
    )
    assert page.evaluate(untold) == 0


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390], ids=["wide", "phone"])
def test_every_text_is_readable(house: Pretended, visit: Visit, dark: bool, width: int) -> None:
    house.story.break_candidate()
    page = visit(house.url, width=width, dark=dark)
    page.wait(f"{VERDICT} === 'roll_back' && {CHART}")
    page.click("#signal-errors .more")
    page.wait("!!document.querySelector('.detail .behind')")
    assert page.evaluate(FAINT) == []
    house.story.recover()


@pytest.mark.parametrize("width", [360, 390, 768, 1024, 1100, 1280, 1440, 3840])
def test_the_page_is_never_wider_than_the_screen(house: Pretended, visit: Visit, width: int) -> None:
    page = visit(house.url, width=width)
    page.wait(CHART)
    page.click("#signal-errors .more")
    page.wait("!!document.querySelector('.detail canvas')")
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_colours_follow_the_system_and_the_readers_own_choice(house: Pretended, visit: Visit) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    page = visit(house.url)
    light = page.evaluate(ground)
    page.prefer("dark")
    page.wait(f"{ground} !== '{light}'")
    page.click("#theme")
    assert page.evaluate(ground) == light
    page.open(house.url)
    assert page.evaluate(ground) == light
    page.evaluate("localStorage.clear()")


def test_times_are_told_in_the_readers_zone_with_the_migrations_and_utc_beside(house: Pretended, visit: Visit) -> None:
    page = visit(house.url)
    page.in_timezone("America/New_York")
    page.open(house.url)
    clock = page.wait(
        "document.querySelector('#clock').innerText.includes('New_York') && document.querySelector('#clock').innerText"
    )
    assert "Europe/Paris" in clock
    assert "UTC" in clock
    assert "UTC" in page.wait("document.querySelector('#verdict time').title")


def test_the_share_chart_shows_actual_and_planned_and_what_happened(house: Pretended, visit: Visit) -> None:
    def chart() -> Any:
        return page.evaluate(f"fetch('{house.url}/charts/share?window=15m').then((answer) => answer.json())")

    house.story.timeline.append({"at": time.time(), "kind": "fault", "text": "V2 slowed down"})
    page = visit(house.url)
    page.wait(
        "fetch('/charts/share?window=15m').then((a) => a.json()).then((c) => c.marks.some((m) => m.kind === 'fault'))"
    )
    page.wait(
        "fetch('/charts/share').then((a) => a.json()).then((c) => "
        "c.lines.some((l) => l.role + l.label === 'actualfreemium' && l.values.some((v) => v > .4)))"
    )
    roles = {(line["role"], line["label"]) for line in chart()["lines"]}
    assert {("planned", "freemium"), ("actual", "freemium"), ("actual", "all")} <= roles


def test_checks_that_are_not_yet_decided_look_like_neither_good_nor_bad_nor_silent(
    house: Pretended, visit: Visit
) -> None:
    page = visit(house.url)
    looks = "[...document.querySelectorAll('#gates .state')].map((each) => each.className.split(' ')[1])"
    assert {"ok", "undecided", "no_data"} <= set(page.evaluate(looks))
    assert "not yet decided" in page.text("#gates .undecided")
    assert "not yet decided" in page.text("#triggers .undecided")


def test_the_heartbeat_is_no_alert_and_its_end_is_no_data(own_house: Pretended, visit: Visit) -> None:
    page = visit(own_house.url)
    beating = "document.querySelector('[data-key=alerting]').innerText"
    page.wait(f"{beating}.includes('works') && {beating}.includes('ago')")
    assert "none open" in page.text("#alerts")
    assert "DeadMansSwitch" not in page.text("#main")
    own_house.story.last_beat = time.time() - 60
    page.wait(f"{beating}.includes('no data')", 10)
    page.wait("document.querySelector('#alerts').innerText.includes('no heartbeat')")
    assert "none open" not in page.text("#alerts")


def test_what_only_holds_the_promotion_is_no_open_alert(house: Pretended, visit: Visit) -> None:
    page = visit(house.url)
    assert "TargetUnmet" in page.text("#alerts .pending")
    assert "none open" in page.text("#alerts")


def test_the_page_of_incidents_is_live_and_says_when_its_journal_falls_silent(
    own_house: Pretended, visit: Visit
) -> None:
    page = visit(own_house.url + "/incidents", width=390)
    page.evaluate("window.still = true")
    assert "CandidateWorse" not in page.text("#incidents")
    own_house.story.break_candidate()
    page.wait("document.querySelector('#incidents').innerText.includes('2 open')", 5)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    own_house.story.recover()
    page.wait("document.querySelector('#incidents').innerText.includes('2 ended')", 5)
    own_house.endpoints["incidents"].silent = True
    page.wait("document.querySelector('#incidents').innerText.includes('no data: server away')", 10)
    assert page.evaluate("window.still")
    assert page.complaints() == []


def test_an_open_alert_leads_to_its_runbook(house: Pretended, visit: Visit) -> None:
    house.story.break_candidate()
    page = visit(house.url)
    page.wait("!!document.querySelector('#alerts .critical .runbook')", 5)
    page.click("#alerts .critical .runbook")
    page.wait("location.pathname === '/runbooks/candidate-worse' && !!document.querySelector('.prose')")
    assert page.text(".prose h1") == "CandidateWorse"
    house.story.recover()


def test_a_wait_outlives_the_document_in_which_it_began(house: Pretended, browser: Browser) -> None:
    page = browser.page()
    page.open(house.url + "/runbooks")
    leaves = "(() => { location.href = '/runbooks/candidate-worse'; return new Promise(() => {}); })()"
    page.wait(f"location.pathname === '/runbooks/candidate-worse' || {leaves}")
    page.close()


def test_hostile_log_lines_are_only_read(house: Pretended, browser: Browser) -> None:
    page = browser.page(1440, 900)
    page.open(house.url + "/logs")
    assert "<script>alert(1)</script>" in page.text(".lines")
    assert "\\u202egnp.exe" in page.text(".lines")
    assert page.evaluate("document.images.length") == 0
    assert page.evaluate("document.title").startswith("Logs")
    assert page.complaints() == []
    page.close()


def test_a_choice_searches_at_once_and_the_lines_can_be_followed(own_house: Pretended, browser: Browser) -> None:
    own_house.story.lines = [{"source": "nginx", "message": "the first"}]
    page = browser.page(1440, 900)
    page.open(own_house.url + "/logs")
    page.evaluate("(() => { const each = document.querySelector('[name=level]'); each.value = 'error';"
                  " each.dispatchEvent(new Event('change', { bubbles: true })); })()")  # fmt: skip
    page.wait("location.search.includes('level=error') && !!document.querySelector('.lines')")
    page.wait("!document.querySelector('#follow').hidden")
    own_house.story.lines = [{"source": "nginx", "message": "the second"}]
    page.click("#follow")
    page.wait("document.querySelector('.lines').innerText.includes('the second')", 6)
    own_house.endpoints["logs"].silent = True
    page.wait("document.querySelector('#found').innerText.includes('does not answer')", 10)
    assert "No line matches" not in page.text("#found")
    assert page.complaints() == []
    page.close()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 1024, 1440])
def test_the_other_pages_are_readable_and_never_wider_than_the_screen(
    house: Pretended, browser: Browser, width: int, dark: bool
) -> None:
    house.story.break_candidate()
    page = browser.page(width, 900, dark=dark)
    for path in ("/incidents", "/logs", "/runbooks/", "/runbooks/monitoring"):
        page.open(house.url + path)
        page.wait("document.querySelector('#clock').innerText.includes('UTC')")
        assert page.evaluate(FAINT) == [], path
        assert page.evaluate("document.documentElement.scrollWidth") == width, path
    page.close()
    house.story.recover()


def test_on_paper_a_dark_page_is_light_and_its_chart_fits(house: Pretended, visit: Visit) -> None:
    page = visit(house.url, dark=True)
    page.wait(CHART)
    page.pretend_paper(1047)
    page.wait("getComputedStyle(document.body).color === 'rgb(23, 33, 45)'")
    inside = (
        "(() => { const [chart, canvas] = ['.traffic', '.traffic canvas'].map((each) => document.querySelector(each)"
    )
    assert page.evaluate(f"{inside}.getBoundingClientRect()); return canvas.right <= chart.right; }})()")
    assert page.evaluate("document.querySelector('.pages').checkVisibility()") is False


def test_a_picture_is_taken_though_the_stream_never_ends(house: Pretended, tmp_path: Path) -> None:
    assert screenshots.available()
    picture = screenshots.take(house.url, tmp_path / "page.png", width=800, height=600, dark=True)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert len(picture.read_bytes()) > 20_000
