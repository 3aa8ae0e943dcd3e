"""Several servers of one role: what is lost or hangs keeps nobody waiting, and the others' answers count."""

from __future__ import annotations

import json
import threading
import time

import httpx
import pytest

from bascule.api import JudgeClient
from bascule.api.servers import alertmanager_of
from bascule.errors import Unreachable
from bascule.several import Several, told
from bascule.spec import Spec, load

ALERTMANAGERS = ("http://a.example:9093", "http://b.example:9093")
JUDGES = ("http://192.0.2.1:9461", "http://b.example:9461")


def pair() -> Spec:
    spec = load("supersmartmatch")
    external = {"alertmanager": ALERTMANAGERS[0]}
    peers = {"alertmanager": [ALERTMANAGERS[1]], "judge": [*JUDGES]}
    return spec.model_copy(update={"stack": spec.stack.model_copy(update={"external": external, "peers": peers})})


def named(text):
    if text == "lost":
        raise Unreachable("lost", "")
    return text


def test_one_that_is_lost_leaves_the_others_answers():
    servers = Several(["lost", "b", "c"])
    answers = servers.ask(named)
    assert (str(answers[0]), answers[1:]) == ("lost", ["b", "c"])
    assert told(answers) == ["b", "c"]


def test_one_that_hangs_is_not_waited_for_once_another_has_answered():
    hangs = threading.Event()
    began = time.monotonic()
    answers = Several([lambda: hangs.wait(20), lambda: "told"]).ask(lambda each: each())
    assert time.monotonic() - began < 10
    hangs.set()
    assert told(answers) == ["told"]


def test_all_that_are_lost_are_lost():
    with pytest.raises(Unreachable, match="lost"):
        told(Several(["lost", "lost"]).ask(named))


# ---------------------------------------------------------------- Alertmanagers


def answering(by_host):
    """A transport to hosts: each a function of the request, or None where it is away."""

    def answer(request):
        handler = by_host[request.url.host]
        if handler is None:
            raise httpx.ConnectError("connection refused")
        return httpx.Response(200, json=handler(request))

    return httpx.MockTransport(answer)


def holding(*alerts):
    return lambda _: [{"labels": {"alertname": name}, "startsAt": starts} for name, starts in alerts]


EARLY, LATE = "2026-01-01T00:00:00Z", "2026-01-01T00:00:20Z"


def test_alerts_are_those_that_any_alertmanager_holds_each_as_it_began_first():
    hosts = {"a.example": holding(("Down", LATE)), "b.example": holding(("Down", EARLY), ("Full", LATE))}
    client = alertmanager_of(pair(), transport=answering(hosts))
    found = {alert["labels"]["alertname"]: alert["startsAt"] for alert in client.alerts()}
    assert found == {"Down": EARLY, "Full": LATE}


def test_the_loss_of_an_alertmanager_leaves_the_alerts_and_since_when_all_run_is_unknown():
    hosts = {"a.example": None, "b.example": holding(("Down", EARLY))}
    client = alertmanager_of(pair(), transport=answering(hosts))
    assert len(client.alerts()) == 1
    with pytest.raises(Unreachable):
        client.started()
    with pytest.raises(Unreachable):
        alertmanager_of(pair(), transport=answering({"a.example": None, "b.example": None})).alerts()


def test_they_run_since_the_last_of_them_started():
    hosts = {"a.example": lambda _: {"uptime": LATE}, "b.example": lambda _: {"uptime": EARLY}}
    assert alertmanager_of(pair(), transport=answering(hosts)).started() % 60 == 20


def test_a_silence_is_set_by_one_that_answers():
    hosts = {"a.example": None, "b.example": lambda _: {"silenceID": "7"}}
    assert alertmanager_of(pair(), transport=answering(hosts)).silence({}) == "7"


# ---------------------------------------------------------------- judges


def saying(verdict, second):
    tick = f"2026-01-01T00:00:{second:02}Z" if second is not None else None
    head = {"migration": "supersmartmatch", "since": EARLY, "reasons": [], "signals": []}
    return lambda _: head | {"verdict": verdict, "tick": tick}


@pytest.mark.parametrize(
    ("first", "second", "heard"),
    [
        (saying("hold", 30), saying("promote", 31), "hold"),
        (None, saying("promote", 31), "promote"),
        (saying("no_data", 10), saying("promote", 31), "promote"),
        (saying("no_data", None), saying("promote", 31), "promote"),
        (saying("hold", 30), None, "hold"),
    ],
    ids=["both evaluate", "the first is lost", "the first has stopped", "the first has just begun", "one alone"],
)
def test_the_verdict_is_that_of_the_first_judge_that_evaluates(first, second, heard):
    spec = pair()
    stack = spec.stack.model_copy(update={"listen": "192.0.2.1"})  # the first of JUDGES: this one, over loopback
    client = JudgeClient(
        spec.model_copy(update={"stack": stack}), transport=answering({"127.0.0.1": first, "b.example": second})
    )
    assert client.verdict().verdict == heard


def test_a_judge_named_among_the_peers_is_asked_once():
    stack = pair().stack.model_copy(update={"listen": "192.0.2.1"})
    assert stack.urls("judge") == ("http://127.0.0.1:9461", JUDGES[1])


# ---------------------------------------------------------------- Prometheus


def test_prometheus_sends_its_alerts_to_all_and_scrapes_all():
    import yaml

    from bascule.generate import generate

    config = yaml.safe_load(generate(pair())["prometheus/prometheus.yml"])
    (sent,) = config["alerting"]["alertmanagers"]
    assert sent["static_configs"] == [{"targets": ["a.example:9093", "b.example:9093"]}]
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    assert jobs["alertmanager"]["static_configs"][0]["targets"] == ["a.example:9093", "b.example:9093"]
    assert "b.example:9461" in jobs["bascule-judge"]["static_configs"][0]["targets"]


def test_targets_that_are_reached_in_different_ways_say_how():
    import yaml

    from bascule.generate import generate

    stack = pair().stack.model_copy(update={"peers": {"alertmanager": ["https://c.example/am"]}})
    config = yaml.safe_load(generate(pair().model_copy(update={"stack": stack}))["prometheus/prometheus.yml"])
    assert [each.get("scheme", "http") for each in config["alerting"]["alertmanagers"]] == ["http", "https"]
    job = next(job for job in config["scrape_configs"] if job["job_name"] == "alertmanager")
    labels = {"__scheme__": "https", "__metrics_path__": "/am/metrics"}
    assert {"targets": ["c.example"], "labels": labels} in job["static_configs"]
    assert json.dumps(job).count("a.example:9093") == 1
