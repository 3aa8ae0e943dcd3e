"""Acting from the page, on a real incident journal: sign in, see what will happen, say why, and it is done."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import httpx
import pretend
import pytest
from pretend import HOSTILE, Pretended

from bascule.api import IncidentsClient, Tokens
from bascule.api.tokens import Seat
from bascule.api.users import Users
from bascule.console import BrowserPage

Visit = Callable[..., BrowserPage]
LIVE = "document.querySelector('#live')?.dataset.live === 'yes'"


@pytest.fixture(scope="module")
def acting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pretended]:
    with pretend.standing(tmp_path_factory.mktemp("acting"), pretend.real_journal) as house:
        yield house


@pytest.fixture
def journal(acting: Pretended) -> Iterator[IncidentsClient]:
    client = IncidentsClient(acting.spec)
    yield client
    client.close()


def enter(house: Pretended, visit: Visit, **size: int) -> BrowserPage:
    """Come in by the address that `up` prints."""
    return visit(Tokens(house.spec.stack.state).address(house.url), **size)


def fill(page: BrowserPage, selector: str, text: str) -> None:
    page.evaluate(f"document.querySelector({json.dumps(selector)}).value = {json.dumps(text)}")


def leave(page: BrowserPage, house: Pretended) -> None:
    page.evaluate("fetch('/sign-out', {method: 'POST', headers: {'Content-Type': 'application/json'}, body: '{}'})")


def test_from_the_alarm_to_a_share_of_nothing_in_three_clicks(
    acting: Pretended, visit: Visit, journal: IncidentsClient
) -> None:
    journal.set_phase(3, "ada", "the plan's step", force=True)
    acting.story.break_candidate()
    page = enter(acting, visit)
    page.wait("document.querySelector('#moves .act')?.textContent.startsWith('Roll back')")
    page.click("#moves .act")
    assert "goes from 50" in page.text("#ask-effect")
    assert "Roll back: errors: V2 12 %" in page.text("#ask-rests")
    fill(page, "#ask-who", "grace")
    page.click("#ask-yes")  # without a reason it goes nowhere
    assert page.evaluate("document.querySelector('#ask').open")
    fill(page, "#ask-why", "V2 fails")
    page.click("#ask-yes")
    page.wait("!document.querySelector('#ask').open")
    page.wait("document.querySelector('#plan').innerText.includes('Rolled back')")
    step = journal.phase()
    assert (step.share, step.who, step.why, step.move) == (0.0, "grace", "V2 fails", "rollback")
    rests = [entry for entry in journal.timeline() if entry.kind == "verdict"][-1]
    assert rests.text.startswith("verdict at rollback: roll back: errors: V2 12 %")
    page.wait("document.querySelector('#compared').innerText.startsWith('The last comparison, of')")
    assert "V2 worse" in page.text("#signal-errors")
    assert page.complaints() == []
    acting.story.recover()
    leave(page, acting)


def test_an_incident_has_a_page_and_is_acknowledged_noted_and_closed_there(
    acting: Pretended, visit: Visit, journal: IncidentsClient
) -> None:
    number = pretend.fire(acting, "CandidateWorse", signal="errors", user_segment="freemium", version="v2")
    page = enter(acting, visit)
    page.open(f"{acting.url}/incidents/{number}")
    page.wait("!!document.querySelector('.chart > *')")  # drawn, or in words why there is none yet
    assert f"#{number}" in page.text("h2")
    assert HOSTILE in page.text("#again")
    assert page.evaluate("document.images.length") == 0
    for act, why in (("acknowledge", ""), ("notes", f"looking at {HOSTILE}"), ("close", "V2 is gone")):
        page.click(f"[data-act$='{act}']")
        page.evaluate(
            f"document.querySelector('#ask-who').value = 'ada'; document.querySelector('#ask-why').value = {why!r}"
        )
        page.click("#ask-yes")
        page.wait("!document.querySelector('#ask').open")
    page.wait("document.querySelector('#again').dataset.status === 'resolved'")
    assert not page.evaluate("document.querySelector(\"[data-act$='reopen']\").hidden")
    kept = journal.incident(number)
    assert (kept.acknowledged_by, kept.closed_by) == ("ada", "ada")
    assert "looking at" in page.text(".log")
    review = page.evaluate("fetch(document.querySelector('[download]').href).then((answer) => answer.text())")
    assert "## Timeline" in review
    assert page.complaints() == []
    leave(page, acting)


def test_who_may_only_read_is_offered_commands_and_no_buttons(acting: Pretended, visit: Visit) -> None:
    Users(acting.spec.stack.state).put("bob", Seat.VIEWER, "correct horse battery")
    page = visit(acting.url)
    page.open(f"{acting.url}/sign-in")
    fill(page, "[name=user]", "bob")
    fill(page, "[name=password]", "wrong")
    page.click("#sign-in button")
    page.wait("document.querySelector('#refused').innerText.includes('is wrong')")
    fill(page, "[name=password]", "correct horse battery")
    page.click("#sign-in button")
    page.wait("location.pathname === '/'")
    page.wait(LIVE)
    assert "bob (viewer)" in page.text(".who")
    assert page.evaluate("document.querySelectorAll('[data-act], #ask').length") == 0
    assert 'bascule pause --spec supersmartmatch --who "$(id -un)"' in page.text("#command-pause")
    token = page.evaluate("document.querySelector('meta[name=page-token]').content")
    headers = f"{{'Content-Type': 'application/json', 'X-Bascule-Page': '{token}'}}"
    tried = f"fetch('/act/plan/pause', {{method: 'POST', body: '{{}}', headers: {headers}}})"
    assert page.evaluate(f"{tried}.then((answer) => answer.status)") == 403
    leave(page, acting)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/nowhere", "Page not found"),
        ("/incidents/99999", "there is no incident 99999"),
        ("/incidents/minus-one", "The address asks for something that cannot be shown"),
        ("/charts/share?start=-1&end=1e99", "is not a time"),
        ("/charts/share?start=5&end=1", "before it begins"),
        ("/detail?signal=none&segment=none", "the judge does not know this signal and segment"),
    ],
)
def test_a_wrong_address_gets_a_page_that_says_so_with_a_way_back(acting: Pretended, path: str, says: str) -> None:
    answer = httpx.get(acting.url + path, headers={"Accept": "text/html"})
    assert answer.status_code in (400, 404)
    assert says in answer.text
    assert 'href="/"' in answer.text


def test_without_sign_in_or_from_another_place_nothing_is_done(acting: Pretended, journal: IncidentsClient) -> None:
    before, tokens = journal.phase(), Tokens(acting.spec.stack.state)
    with httpx.Client(base_url=acting.url) as visitor:
        assert visitor.post("/act/plan/rollback", json={"who": "x", "why": "y"}).status_code == 401
        assert visitor.get(tokens.address("")).status_code == 303
        page = visitor.get("/").text
        proof = {"X-Bascule-Page": page.partition('name="page-token" content="')[2].partition('"')[0]}
        act = {"who": "x", "why": "y"}
        assert visitor.post("/act/plan/pause", json=act).status_code == 403  # no page of ours
        elsewhere = proof | {"Origin": "http://evil.example"}
        assert visitor.post("/act/plan/pause", json=act, headers=elsewhere).status_code == 403
        assert visitor.post("/act/plan/pause", data=act, headers=proof).status_code == 415  # a form of any site
        assert journal.phase() == before
        assert visitor.post("/act/plan/pause", json=act, headers=proof).status_code == 200
    assert journal.phase().paused is not None
    journal.move("resume", "x")
