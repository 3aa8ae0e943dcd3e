"""Every page of the console: nothing that axe-core calls serious, targets that can be hit, pictures to look at.

Pictures go to demo-output/screens: every page in light, dark, phone and wall size.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bascule.api import IncidentsClient, Tokens
from bascule.console import Browser, BrowserPage
from bascule.processes import ports, programs
from bascule.processes.ready import answers
from bascule.processes.supervisor import Program, Supervisor

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests/browser"))
import pretend  # noqa: E402

AXE = ROOT / ".bascule/axe/node_modules/axe-core/axe.min.js"
SCREENS = ROOT / "demo-output/screens"
SIZES = {"light": (1440, 900, False), "dark": (1440, 900, True), "phone": (390, 844, False), "wall": (1920, 1080, True)}
BOARDS = ("executive", "technical", "business", "sla", "infrastructure", "logs", "judge", "segments")
PAGES = {
    "overview": "/",
    "segments": "/segments",
    "incidents": "/incidents",
    "incident": "/incidents/1",
    "sla": "/sla",
    "logs": "/logs",
    "logs-narrowed": "/logs?has=status%3D503&text=upstream",
    "dashboards": "/dashboards",
    **{f"dashboard-{name}": f"/dashboards/{name}?window=15m" for name in BOARDS},
    "checklist": "/checklist",
    "checklist-deployment": "/checklist?phase=deployment",
    "drills": "/drills",
    "migrations": "/migrations",
    "executive": "/executive",
    "executive-fr": "/executive?lang=fr",
    "wall-verdict": "/wall?every=0#Verdict",
    "wall-comparison": "/wall?every=0#Comparison",
    "wall-alerts": "/wall?every=0#Alerts",
    "wall-traffic": "/wall?every=0#Traffic",
    "runbooks": "/runbooks/",
    "runbook": "/runbooks/candidate-worse",
    "sign-in": "/sign-in",
    "wrong-address": "/nowhere",
}
SETTLED = """(!document.body.dataset.stream || document.querySelector('#live').dataset.live === 'yes')
    && [...document.querySelectorAll('[data-chart]')].every((chart) => !chart.checkVisibility() || chart.firstChild)
    && [...document.querySelectorAll('.board .told')].every((each) => !each.innerText.startsWith('asking'))"""
VIOLATIONS = """axe.run({resultTypes: ['violations']}).then((told) => told.violations
    .filter((each) => ['serious', 'critical'].includes(each.impact))
    .map((each) => `${each.id}: ${each.nodes.map((node) => node.html.slice(0, 100)).join(' | ')}`))"""
# Links within a sentence may be as high as its line.
SMALL = """[...document.querySelectorAll('a, button, input, select, summary')]
    .filter((each) => each.checkVisibility() && !each.closest('p, td, th, li, .prose, .hint, .quiet'))
    .map((each) => [each.outerHTML.slice(0, 80), each.getBoundingClientRect()])
    .filter(([, box]) => box.width && (box.height < 24 || box.width < 24)).map(([html]) => html)"""

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[pretend.Pretended, Browser]]:
    """An operator's browser, while V2 fails and the mail server refuses."""
    folder = tmp_path_factory.mktemp("console")
    with pretend.standing(folder, pretend.real_journal, pretend.rules()) as house, Browser() as browser:
        journal = IncidentsClient(house.spec)
        journal.set_phase(3, "ada", "the plan's step", force=True)
        journal.close()
        house.story.break_candidate()
        pretend.fire(house, "CandidateWorse", signal="errors", user_segment="freemium", version="v2")
        pretend.fire(house, "NotificationsFailing", receiver="mail")
        page = browser.page()
        page.open(Tokens(house.spec.stack.state).address(house.url))
        yield house, browser


def opened(shown: tuple[pretend.Pretended, Browser], name: str, size: str) -> BrowserPage:
    house, browser = shown
    width, height, dark = SIZES[size]
    page = browser.page(width, height, dark=dark)
    page.open(house.url + PAGES[name])
    page.wait(SETTLED)
    return page


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PAGES)
def test_nothing_serious_keeps_anybody_from_reading_or_pressing(
    shown: tuple[pretend.Pretended, Browser], name: str, size: str
) -> None:
    page = opened(shown, name, size)
    page.evaluate(AXE.read_text("utf-8") + "; 0")
    assert page.evaluate(VIOLATIONS) == []
    assert page.evaluate(SMALL) == []
    page.close()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PAGES)
def test_every_page_fits_and_its_picture_is_kept(
    shown: tuple[pretend.Pretended, Browser], name: str, size: str
) -> None:
    page = opened(shown, name, size)
    SCREENS.mkdir(parents=True, exist_ok=True)
    page.screenshot(SCREENS / f"{name}-{size}.png", whole=not name.startswith("wall"))
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
    complaints = [each for each in page.complaints() if "404" not in each or name != "wrong-address"]
    assert complaints == []
    page.close()


def test_the_first_thing_on_the_page_is_the_failure_of_v2_and_not_the_mail_server(
    shown: tuple[pretend.Pretended, Browser],
) -> None:
    page = opened(shown, "overview", "light")
    assert page.text("#verdict").startswith("Verdict\nRoll back") or page.text("#verdict").startswith("Roll back")
    assert "V2 fails 12.0" in page.text("#verdict .facts")
    first, second = page.evaluate("[...document.querySelectorAll('#alerts strong')].map((each) => each.innerText)")
    assert first.startswith("CandidateWorse")
    assert second.startswith("NotificationsFailing")
    page.close()


def test_from_the_alarm_to_a_share_of_nothing_in_three_clicks_and_a_few_seconds(
    shown: tuple[pretend.Pretended, Browser],
) -> None:
    """A person who reads and types takes longer; this is what the console adds."""
    house, _ = shown
    journal = IncidentsClient(house.spec)
    journal.set_phase(3, "ada", "the plan's step", force=True)
    page = opened(shown, "overview", "light")
    page.wait("document.querySelector('#moves .act')?.textContent.startsWith('Roll back')")
    began = time.monotonic()
    clicks = 0
    for press in ("#moves .act", "#ask-yes"):
        page.click(press)
        clicks += 1
        if press == "#moves .act":
            page.evaluate("(document.querySelector('#ask-who') ?? {}).value = 'grace'")
            page.evaluate("document.querySelector('#ask-why').value = 'V2 fails'")
    page.wait("document.querySelector('#plan').innerText.includes('Rolled back')")
    took = time.monotonic() - began
    assert journal.phase().share == 0
    journal.close()
    page.close()
    print(f"from the alarm to 0 %: {clicks} clicks, {took:.1f} s")
    assert clicks <= 3
    assert took < 10


def test_the_way_back_is_one_command_to_copy_with_every_name_in_it(shown: tuple[pretend.Pretended, Browser]) -> None:
    house, browser = shown
    journal = IncidentsClient(house.spec)
    journal.set_phase(3, "ada", "the plan's step", force=True)
    journal.close()
    page = browser.page()
    page.open(house.url)
    page.wait(SETTLED)
    page.evaluate("fetch('/sign-out', {method: 'POST', headers: {'Content-Type': 'application/json'}, body: '{}'})")
    page.open(house.url)
    page.wait(SETTLED)
    page.wait("document.querySelector('#verdict code') !== null")
    command = page.text("#verdict code")
    assert command.startswith(f"bascule rollback --spec {house.spec.source} --who")
    assert not any(word in command for word in ("SPEC", "YOU", "REASON"))
    page.close()


NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; events {{}}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass {console}; proxy_set_header Host $http_host; }}
  }}
}}
"""


@pytest.fixture
def behind_nginx(shown: tuple[pretend.Pretended, Browser], tmp_path: Path) -> Iterator[str]:
    """The console's address behind a real nginx with its default settings."""
    house, _ = shown
    port, binary, config = ports.free(), programs.find("nginx"), tmp_path / "nginx.conf"
    config.write_text(NGINX.format(folder=tmp_path, port=port, console=house.url))
    argv = [str(binary), "-p", str(tmp_path), "-c", str(config), "-e", str(tmp_path / "error.log")]
    ready = answers(f"http://127.0.0.1:{port}/health")
    with Supervisor() as supervisor:
        supervisor.start(
            Program("nginx", argv, programs.environment(binary), tmp_path, tmp_path / "nginx.log", ready, 20)
        )
        yield f"http://127.0.0.1:{port}"


def test_behind_nginx_news_come_at_once_and_an_operator_acts(
    shown: tuple[pretend.Pretended, Browser], behind_nginx: str
) -> None:
    house, browser = shown
    journal = IncidentsClient(house.spec)
    journal.set_phase(3, "ada", "the plan's step", force=True)
    page = browser.page()
    page.open(Tokens(house.spec.stack.state).address(behind_nginx))
    page.wait(SETTLED)
    began = time.monotonic()
    journal.annotate("seen through the proxy", "ada")
    page.wait("document.querySelector('#timeline').innerText.includes('seen through the proxy')")
    assert time.monotonic() - began < 5
    page.click("#moves .act")
    page.evaluate("(document.querySelector('#ask-who') ?? {}).value = 'grace'")
    page.evaluate("document.querySelector('#ask-why').value = 'V2 fails'")
    page.click("#ask-yes")
    page.wait("document.querySelector('#plan').innerText.includes('Rolled back')")
    assert journal.phase().share == 0
    assert page.complaints() == []
    journal.close()
    page.close()
