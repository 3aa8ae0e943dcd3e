"""What the lossy world takes for owed, unheard, untold and false."""

from __future__ import annotations

from chaos.truth import Condition, Word, both, joined, judge, without

ALWAYS = [(0.0, 1000.0)]


def condition(*held, seen=ALWAYS, hold=5.0):
    return Condition("ServiceDown", list(held), seen, hold)


def test_a_beginning_that_held_long_enough_while_it_could_be_seen_is_owed():
    assert judge([condition((100, 130))], [], 1000).unheard == [(100, 130)]
    assert judge([condition((100, 130))], [Word(108, False), Word(140, True)], 1000).unheard == []
    assert judge([condition((100, 112))], [], 1000).owed == 0
    assert judge([condition((100, 130), seen=[(0, 110), (118, 1000)])], [], 1000).owed == 0


def test_a_new_beginning_after_a_told_end_is_owed_anew():
    told = [Word(108, False), Word(140, True)]
    assert judge([condition((100, 130), (200, 230))], told, 1000).unheard == [(200, 230)]
    assert judge([condition((100, 130), (200, 230))], told[:1], 1000).unheard == []  # never ended: it goes on
    assert judge([condition((100, 130), (140, 170))], told[:1], 1000).owed == 1  # merged


def test_what_a_person_acknowledged_is_known():
    assert judge([condition((100, 130))], [], 1000, taken=[115]).unheard == []
    assert judge([condition((100, 130))], [], 1000, taken=[90]).unheard == [(100, 130)]


def test_an_end_is_owed_once_nothing_held_for_a_while_and_it_could_be_seen():
    told = [Word(108, False)]
    assert judge([condition((100, 130))], told, 1000).untold_ends == [(130, 1000)]
    assert judge([condition((100, 130))], [*told, Word(140, True)], 1000).untold_ends == []
    assert judge([condition((100, 130), seen=[(0, 130), (990, 1000)])], told, 1000).ends_owed == 0


def test_an_end_of_what_holds_is_false():
    told = [Word(108, False), Word(150, True)]
    assert judge([condition((100, 200))], told, 1000).false_ends == [150]
    assert judge([condition((100, 140), (145, 200))], told, 1000).false_ends == []


def test_spans_are_cut_and_joined():
    assert both([(0, 10), (20, 30)], [(5, 25)]) == [(5, 10), (20, 25)]
    assert without([(0, 10)], [(2, 3), (9, 12)]) == [(0, 2), (3, 9)]
    assert joined([(4, 6), (0, 2), (1, 3)], gap=1) == [(0, 6)]
