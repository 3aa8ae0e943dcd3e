"""A report says what share the candidate really had at its end, as the judge told it, in both languages."""

from __future__ import annotations

from bascule.prometheus import Sample
from bascule.sla import sentences
from bascule.sla.share import share_notes


class Told:
    def __init__(self, *samples: Sample) -> None:
        self.samples, self.asked = list(samples), []

    def instant(self, expression, at):
        self.asked.append((expression, at))
        return self.samples


def share(segment: str, **bounds: float) -> list[Sample]:
    return [Sample({"user_segment": segment, "bound": name}, value, 0.0) for name, value in bounds.items()]


def test_each_segment_has_a_note_and_the_total_is_last():
    told = Told(
        *share("all", planned=0.1, estimate=0.14, low=0.125, high=0.155),
        *share("silver", planned=0.1, estimate=0.1, low=0.09, high=0.11),
    )
    first, last = share_notes(told, 1000.0)
    assert told.asked == [("bascule_real_share_ratio", 1000.0)]
    assert (first.values["segment"], last.values["segment"]) == ("silver", "all")
    assert {name: float(last.values[name]) for name in ("planned", "estimate", "low", "high")} == {
        "planned": 0.1,
        "estimate": 0.14,
        "low": 0.125,
        "high": 0.155,
    }


def test_what_is_not_known_is_not_told():
    assert list(share_notes(Told(*share("all", planned=0.1)), 0.0)) == []
    assert list(share_notes(Told(), 0.0)) == []


def test_both_languages_have_the_sentence():
    values = {"candidate": "v2", "segment": "all", "estimate": "14 %", "low": "12 %", "high": "16 %", "planned": "10 %"}
    assert (
        sentences("en")["note.share"].format(**values)
        == "Actual share of v2 at the end, all: 14 % (12 % to 16 %); planned: 10 %."
    )
    assert "prévue : 10 %" in sentences("fr")["note.share"].format(**values)
