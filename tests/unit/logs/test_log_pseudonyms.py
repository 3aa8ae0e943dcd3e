"""Pseudonyms: the hash is SipHash-2-4, and ids of any kind are replaced."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.logs import IdPseudonyms, siphash

KEY = bytes(range(16))
PSEUDONYMS = IdPseudonyms(b"a key of 16 bytes", ("user_id",))


@pytest.mark.parametrize(
    ("length", "expected"),
    [(0, 0x726FDB47DD0E0E31), (1, 0x74F839C593DC67FD), (8, 0x93F5F5799A932462), (15, 0xA129CA6149BE45E5)],
)
def test_the_hash_gives_the_vectors_of_its_authors(length, expected):
    """Inputs 00 01 02 ... under the key 00 01 ... 0f, all lengths of a call together."""
    texts = pa.array([bytes(range(length)).decode(), "another", "one that is longer than a word"])
    assert int(siphash(texts, KEY)[0]) == expected


@given(st.lists(st.text(max_size=80), min_size=1, max_size=20))
def test_an_id_has_one_pseudonym_whatever_it_stands_beside(ids):
    """Also ids longer than are hashed at once, and in a slice of an array."""
    together = PSEUDONYMS.of_all(pa.array(["first", *ids], pa.string()).slice(1)).to_pylist()
    assert together == [PSEUDONYMS.of(identity) for identity in ids]
    assert len(set(together)) == len(set(ids))
    assert all(len(pseudonym) == 12 for pseudonym in together)


def test_another_key_gives_other_pseudonyms_that_are_spread_evenly():
    """A bit is set in half of them."""
    ids = pa.array([f"user_{number}" for number in range(20_000)])
    hashes = siphash(ids, KEY)
    assert not np.any(hashes == siphash(ids, KEY[::-1]))
    bits = np.unpackbits(hashes.view(np.uint8)).reshape(-1, 64).mean(axis=0)
    assert np.abs(bits - 0.5).max() < 0.02


@pytest.mark.parametrize(
    "text",
    ["failed for user_id=42, again", 'got {"user_id": "42"}', "GET /match?user_id=42&x=1", "user_id: 42"],
)
def test_ids_in_free_text_are_replaced(text):
    """As key=value, JSON, and in a query."""
    scrubbed = PSEUDONYMS.scrub(text)
    assert "42" not in scrubbed.replace(PSEUDONYMS.of("42"), "")
    assert PSEUDONYMS.of("42") in scrubbed
