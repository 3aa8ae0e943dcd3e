"""YAML that others wrote: what is beyond its bounds is refused with the place, before anything is made of it."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest

from bascule.cli.access import read_access
from bascule.discover.openslo import propose_from_slos
from bascule.documents import (
    DocumentError,
    DocumentLimits,
    read_yaml,
    read_yaml_as_text,
    read_yamls,
    text_of,
    yaml_nodes,
)
from bascule.errors import QueryRejected, SpecError, UsageError
from bascule.generate.insertion import Inserted
from bascule.prometheus import Prometheus
from bascule.spec import load, parse

SMALL = DocumentLimits(size=1000, depth=5, values=20)
READERS = [read_yaml, read_yamls, read_yaml_as_text, yaml_nodes]
BEYOND = {
    "size": ("a: " + "x" * 1000, 1, "more than 1,000 characters"),
    "depth": ("a: 1\nb: [[[[[[1]]]]]]", 2, "nested too deeply"),
    "depth in blocks": ("a:\n b:\n  c:\n   d:\n    e:\n     f: {g: 1}", 6, "nested too deeply"),
    "values": ("a: 1\nb: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18]", 2, "too large"),
    "aliases": ("a: &a [1, 2, 3, 4, 5]\nb: [*a]\nc: *a", 3, "too large"),
    "of itself": ("a: &a {b: *a}", 1, "too large"),
    "a long number": ("a: 1" + ":59" * 200, 1, "a number of too many digits"),
    "a long number by its tag": ("a: !!int 1" + ":1" * 201, 1, "a number of too many digits"),
    "a long number in quotes": ("a: !!float '1" + ":1" * 201 + "'", 1, "a number of too many digits"),
    "a long number of a line": ("a: ! |\n  1" + ":1" * 201 + "\n", 1, "a number of too many digits"),
    "a long hexadecimal": ("a: 0x" + "f" * 400, 1, "a number of too many digits"),
    "a long decimal": ("a: 1." + "0" * 400 + "e+9", 1, "a number of too many digits"),
    "syntax": ("a: 1\nb: ]", 2, "not YAML"),
}


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(("text", "line", "said"), BEYOND.values(), ids=BEYOND)
def test_what_is_beyond_the_bounds_is_refused_with_file_line_and_fix(read, text, line, said):
    with pytest.raises(DocumentError, match=said) as caught:
        read(text, "alertmanager.yml", SMALL)
    assert str(caught.value).startswith(f"alertmanager.yml:{line}: ")
    assert caught.value.fix


def test_what_is_within_the_bounds_is_read_with_its_aliases():
    text = "a: &a [1, 2]\nb: {c: *a, <<: {d: 0x10}}"
    assert read_yaml(text, "x", SMALL) == {"a": [1, 2], "b": {"c": [1, 2], "d": 16}}
    assert read_yaml_as_text("a: 0x10", "x", SMALL) == {"a": "0x10"}
    assert read_yamls("a: 1\n---\nb: 2", "x", SMALL) == [{"a": 1}, {"b": 2}]
    assert read_yaml("", "x", SMALL) is None


@pytest.mark.parametrize("read", [read_yaml, read_yaml_as_text, yaml_nodes])
def test_a_second_document_is_refused_and_not_left_out(read):
    with pytest.raises(DocumentError) as caught:
        read("a: 1\n---\nb: 2", "x", SMALL)
    assert "document" in caught.value.what


@pytest.mark.parametrize("read", READERS[:-1])
def test_a_duplicate_key_is_refused_at_its_line(read):
    with pytest.raises(DocumentError, match=r"^x:3: duplicate key 'a'"):
        read("a: 1\nb: 2\na: 3", "x", SMALL)


NONE_AT_ALL = [
    "a: 2026-13-45",
    "a: !!int seven",
    "a: !!int ''",
    "a: !!int _",
    "a: !!int {=: 1}",
    "a: !!float ''",
    "a: !!bool maybe",
    "a: !!timestamp 1",
    "!!bool maybe: 1",
    "a: !!python/name:os.system",
    "? {a: 1}\n: 2",
]


@pytest.mark.parametrize("text", NONE_AT_ALL)
def test_a_value_that_is_none_is_an_error_with_its_line_and_no_crash(text):
    with pytest.raises(DocumentError, match=r"^x:2: not YAML"):
        read_yaml("# theirs\n" + text, "x", SMALL)


@pytest.mark.parametrize(
    "number", ["!!int 1" + ":1" * 200_000, "!!int {=: '1" + ":1" * 200_000 + "'}"], ids=["tagged", "within"]
)
def test_a_number_in_base_60_is_refused_before_it_is_computed(number):
    """PyYAML takes the square of its length."""
    begun = time.process_time()
    with pytest.raises(DocumentError):
        read_yaml(f"a: {number}", "x")
    assert time.process_time() - begun < 2


DEEP = "a: " + "[" * 5000 + "]" * 5000


def test_each_reader_of_what_others_wrote_refuses_what_is_too_deep(tmp_path: Path):
    path = tmp_path / "theirs.yml"
    path.write_text(DEEP)
    for ask in (
        lambda: read_access(path),
        lambda: propose_from_slos([path]),
        lambda: Inserted(DEEP, "shop").data,
        lambda: load(path),
    ):
        begun = time.monotonic()
        with pytest.raises((UsageError, SpecError)):
            ask()
        assert time.monotonic() - begun < 2


@pytest.mark.parametrize("config", [DEEP, "a: [", "global: 1", "- 1", ""])
def test_a_configuration_of_prometheus_that_is_none_is_an_error_and_no_crash(config: str):
    answer = {"status": "success", "data": {"yaml": config}}
    client = Prometheus("http://p", transport=httpx.MockTransport(lambda request: httpx.Response(200, json=answer)))
    with pytest.raises(QueryRejected):
        client.external_labels()


def test_a_file_without_end_is_not_read_to_its_end():
    with pytest.raises(DocumentError, match="more than"):
        text_of(Path("/dev/zero"))
    with pytest.raises(SpecError, match="more than"):
        load("/dev/zero")


def test_a_spec_says_where_it_is_too_deep():
    with pytest.raises(SpecError, match=r"shop\.yaml:2: nested too deeply"):
        parse("a: 1\n" + DEEP.replace("a", "b", 1), "shop.yaml")
