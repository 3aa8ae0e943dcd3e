"""Pseudonyms: the hash is SipHash-2-4, and ids of any kind are replaced, wherever a line has them."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from log_disks import Unsynced

from bascule.logs import (
    Chunk,
    Consumers,
    IdPseudonyms,
    Intake,
    Parser,
    VersionFinder,
    built_in,
    forget_user,
    open_store,
    siphash,
)
from bascule.spec import load

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
    [
        "failed for user_id=42, again",
        'got {"user_id": "42"}',
        "GET /match?user_id=42&x=1",
        "user_id: 42",
        "<user_id>42</user_id>",
        "[user_id] => 42",
        "USER_ID=42",
        "WHERE user_id IN ('42')",
        "ctx.user_id.value=42",
        "('user_id', '42')",
        "user_id=UUID('42')",
        "user_id[]=42&x=1",
        "userId=42",
        "X-User-Id: 42",
        '{"user-id": "42"}',
        "user_ids=[42]",
    ],
)
def test_ids_in_free_text_are_replaced(text):
    """As key=value, JSON, in a query and others."""
    scrubbed = PSEUDONYMS.scrub(text)
    assert "42" not in scrubbed.replace(PSEUDONYMS.of("42"), "")
    assert PSEUDONYMS.of("42") in scrubbed


def test_plain_text_stays_as_it_is():
    """But for the value; words that may belong to it go where the next name shows that they may."""
    one, both = PSEUDONYMS.of("Jean"), PSEUDONYMS.of("Jean Dupont")
    assert PSEUDONYMS.scrub("failed for user_id=u3 again") == f"failed for user_id={PSEUDONYMS.of('u3')} again"
    assert PSEUDONYMS.scrub("user_id=Jean Dupont endpoint=/x") == f"user_id={one} {both} endpoint=/x"
    assert PSEUDONYMS.scrub("the user_id field is missing") == "the user_id field is missing"
    assert PSEUDONYMS.scrub("user_id=null x_user_idx=4") == "user_id=null x_user_idx=4"


# Ids that no word of the lines around them holds: Q is in none of them.
plain_ids = st.from_regex(r"Q[A-Za-z0-9@._-]{3,12}", fullmatch=True).filter(lambda text: text[-1].isalnum())
spaced_ids = st.builds("{} {}".format, plain_ids, plain_ids)
any_ids = (
    plain_ids | spaced_ids | st.from_regex(r"Q[^\x00-\x1f\x7f-\xa0\u2028\u2029\ud800-\udfff]{3,12}", fullmatch=True)
)


def nested(value: object) -> st.SearchStrategy[object]:
    """The value under its name, somewhere in an object."""
    return st.recursive(
        st.just({"user_id": value, "n": 1}),
        lambda inner: (
            st.dictionaries(st.sampled_from(["ctx", "a", "b"]), inner, min_size=1, max_size=2)
            | st.lists(inner, min_size=1, max_size=2).map(lambda items: {"items": items})
        ),
        max_leaves=3,
    )


def values(ids: list[str]) -> st.SearchStrategy[object]:
    """What a name may hold: an id, a list, an object, at any depth."""
    return st.sampled_from([ids[0], ids, {"id": ids[0], "others": ids}, [{"id": each} for each in ids], [[ids]]])


@st.composite
def lines_with_ids(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A line as a logger writes it, and the ids that it holds."""
    ids = draw(st.lists(any_ids, min_size=1, max_size=3, unique=True))
    value = draw(values(ids))
    document = draw(nested(value))
    held = ids if value is not ids[0] else ids[:1]
    plain, spaced = draw(plain_ids), draw(spaced_ids)
    head = "2026-01-31 12:00:00,123 - shop - INFO - "
    shapes: list[tuple[str, list[str]]] = [
        (json.dumps(document), held),
        (json.dumps(document, ensure_ascii=False), held),
        (json.dumps({"level": "INFO", "msg": json.dumps(document)}), held),
        (json.dumps({"level": "INFO", "msg": f"got {json.dumps(json.dumps(document))}"}), held),
        (head + json.dumps(document), held),
        (f"odd {json.dumps(document)} line", held),
        (head + f"looked for user_id={plain} in vain", [plain]),
        (head + f"looked for user_id={plain},{plain}x", [plain, plain + "x"]),
        (head + f'user_id="{spaced}" not found', [spaced]),
        (head + f"user_id={spaced} endpoint=/x", [spaced]),
        (head + f"Order(user_id={spaced!r}, n=1)", [spaced]),
        (head + f"got user_id={[plain, spaced]!r}", [plain, spaced]),
        (head + f"GET /x?user_id={quote(spaced)}&a=1", [spaced]),
        (f"2026-01-31T12:00:00Z INFO s API_CALL user_id={spaced} endpoint=/x response_time=0.1 status=200", [spaced]),
        (f'2026-01-31T12:00:00Z INFO s API_CALL user_id="{spaced}" endpoint=/x response_time=0.1 status=200', [spaced]),
        (f"2026-01-31T12:00:00Z INFO s API_CALL user_id=[{plain}] endpoint=/x response_time=0.1 status=200", [plain]),
        (f"2026-01-31T12:00:00Z INFO s API_CALL endpoint=/x?user_id={plain} status=200", [plain]),
        (f'10.0.0.1 - - [31/Jan/2026:12:00:00 +0000] "GET /x?user_id={plain} HTTP/1.1" 200 5 "-" "curl"', [plain]),
    ]  # fmt: skip
    return draw(st.sampled_from(shapes))


def everything_in(root: Path) -> str:
    """All that the store holds, uncompressed: rows, footers, and what is beside them."""
    files = [path for path in root.rglob("*") if path.is_file()]
    tables = [pq.read_table(path, partitioning=None) for path in files if path.suffix == ".parquet"]
    texts = [str(table.to_pylist()) + str(table.schema.metadata) for table in tables]
    return "".join([*texts, *(path.read_bytes().decode("latin-1") for path in files)])


@settings(max_examples=15, deadline=None)
@given(st.lists(lines_with_ids(), min_size=1, max_size=10))
@example([(json.dumps({"user_id": "Q00\\", "n": 1}), ["Q00\\"]), (r'{"msg": "{\"user_id\": \"Q00\\\\\"}"}', ["Q00\\"])])
def test_no_id_of_a_pseudonymised_name_is_in_the_store_and_forgetting_finds_each(lines):
    """At any depth, in lists, in quotes, with blanks, in text and in JSON within JSON."""
    with TemporaryDirectory() as folder:
        root = Path(folder) / "logs"
        store = open_store(root, Unsynced())
        formats = ("api_call", "json", "nginx_combined", "python")
        parser = Parser(tuple(built_in(name) for name in formats))
        taken = Intake("app", parser, VersionFinder.of(load("supersmartmatch")), change=PSEUDONYMS.replace)
        data = "".join(line + "\n" for line, _ in lines).encode()
        store.commit(taken.batch([taken.piece(Chunk("app", "s", 0, len(data), data))]), [])
        store.checkpoint()
        held = everything_in(root)
        ids = [identity for _, found in lines for identity in found]
        for identity in ids:
            assert identity not in held
            assert repr(identity)[1:-1] not in held
        consumers = Consumers(root / "consumers.parquet")
        for identity in dict.fromkeys(ids):
            assert forget_user(store, consumers, PSEUDONYMS, identity, 0.0) > 0
        left = everything_in(root)
        assert not any(PSEUDONYMS.of(identity) in left for identity in ids)
        store.close()
