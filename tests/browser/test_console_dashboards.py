"""Dashboards in a browser, over the recorded series of a real Prometheus."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pretend
import pytest
from pretend import Pretended

from bascule.api.servers import prometheus_of
from bascule.console import Browser, BrowserPage

DRAWN = """document.querySelector('.told')
    && [...document.querySelectorAll('.told')].every((each) => !each.innerText.startsWith('asking'))"""
Open = Callable[[str], BrowserPage]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pretended]:
    with pretend.standing(tmp_path_factory.mktemp("dashboards"), rules=pretend.rules()) as house:
        house.story.extra_segment = pretend.HOSTILE
        prometheus = prometheus_of(house.spec)
        kept = 'count(count_over_time(supersmartmatch:error_rate{version=~"v1|v2"}[1m]) > 5) == 2'
        pretend.wait_until(lambda: bool(prometheus.instant(kept)), 60)
        yield house
        prometheus.close()


@pytest.fixture
def opened(house: Pretended, browser: Browser) -> Iterator[Open]:
    pages = []

    def opened(path: str) -> BrowserPage:
        page = browser.page()
        pages.append(page)
        page.open(house.url + path)
        page.wait(DRAWN)
        return page

    yield opened
    for page in pages:
        page.close()


def panel(title: str) -> str:
    return f"[...document.querySelectorAll('.panel')].find((each) => each.innerText.startsWith({json.dumps(title)}))"


def test_a_dashboard_shows_what_prometheus_has_and_says_why_where_there_is_nothing(
    house: Pretended, opened: Open
) -> None:
    page = opened("/dashboards/technical?window=15m")
    # The legend's last value is of the chart's last point: a counted error rate, which the story keeps as it is.
    assert "0.210\u202f%" in page.evaluate(f"{panel('Error Rates')}.innerText")
    assert page.evaluate(f"{panel('Error Rates')}.querySelectorAll('.uplot canvas').length") == 1
    pie = page.evaluate(f"{panel('Traffic Distribution')}.querySelector('.told').innerText")
    assert "v1" in pie
    assert "req/s" in pie
    silent = page.evaluate(f"{panel('Evidence against')}.innerText")
    assert "no data" in silent
    assert "made by the role judge" in silent
    assert not page.evaluate(f"{panel('Evidence against')}.querySelector('.uplot')")
    assert page.complaints() == []


def test_a_choice_is_part_of_the_address_and_narrows_what_is_asked(opened: Open) -> None:
    page = opened("/dashboards/technical?window=15m&var-version=v1")
    assert page.evaluate("document.querySelector('[name=var-version]').value") == "v1"
    rates = page.evaluate(f"{panel('Error Rates')}.querySelector('.told').innerText")
    assert "v1 5xx" in rates
    assert "v2" not in rates
    page.evaluate("document.querySelector('[name=var-version]').value = 'v2'")
    page.evaluate("document.querySelector('#choose').requestSubmit()")
    page.wait(f"location.search.includes('var-version=v2') && {DRAWN}")
    assert "v1 5xx" not in page.evaluate(f"{panel('Error Rates')}.querySelector('.told').innerText")
    assert "var-version=v2" in page.evaluate("document.querySelector('.others a').href")


def test_a_segment_named_like_markup_is_text(opened: Open) -> None:
    page = opened("/dashboards/segments?window=15m")
    assert "<img src=x" in page.evaluate("document.querySelector('#main').innerText")
    assert page.evaluate("document.querySelectorAll('#main img, #main script').length") == 0


def test_an_unknown_dashboard_or_span_is_a_page_with_a_way_back(house: Pretended, browser: Browser) -> None:
    page = browser.page()
    for path in ("/dashboards/nowhere", "/dashboards/technical?window=soon", "/dashboards/technical?start=9&end=3"):
        page.open(house.url + path)
        assert page.text("main").strip()
        assert page.evaluate("[...document.querySelectorAll('main a')].some((each) => each.pathname === '/')")
    page.close()


def test_without_prometheus_every_panel_says_so(house: Pretended, opened: Open) -> None:
    house.stop_prometheus()
    page = opened("/dashboards/executive")
    told = page.evaluate("[...document.querySelectorAll('.panel .told')].map((each) => each.innerText)")
    assert told
    assert all("no data" in each and "does not answer" in each for each in told)
