"""Forgetting a user: their id goes from every row and every sketch."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from bascule.errors import UsageError
from bascule.logs.storing.consumers import Consumers
from bascule.logs.storing.pseudonyms import IdPseudonyms
from bascule.logs.storing.store import LogStore

FORGOTTEN = "forgotten"


def forget_user(store: LogStore, consumers: Consumers, pseudonyms: IdPseudonyms, user: str, now: float) -> int:
    """Take the user out of all segments and sketches; how many rows named them.

    `user` is the id as the service logs it. The rows stay, without the id: what happened is still counted, to
    whom is gone.
    """
    if not user:
        raise UsageError("no user is given", "give the user's id as the service logs it")
    name = pseudonyms.of(user) if pseudonyms.columns else user
    forgotten = 0

    def without(table: pa.Table) -> pa.Table | None:
        nonlocal forgotten
        rows = rows_naming(table, name)
        forgotten += rows
        return cleaned(table, name) if rows else None

    consumers.follow(store.folder, now)
    store.rewrite(without)
    consumers.forget(name)
    return forgotten


def rows_naming(table: pa.Table, name: str) -> int:
    named = pa.chunked_array([pa.repeat(False, table.num_rows)])
    for column in filter(_is_text, table.columns):
        found = pc.match_substring_regex(pc.cast(column, pa.string()), _whole(name))
        named = pc.or_(named, pc.fill_null(found, False))
    return int(pc.sum(named).as_py() or 0)


def cleaned(table: pa.Table, name: str) -> pa.Table:
    """Ids that are the name become absent; where it is in a text it is written over."""
    for number, column_name in enumerate(table.column_names):
        column = table.columns[number]
        if not _is_text(column):
            continue
        plain = pc.cast(column, pa.string())
        if column_name.endswith("_id"):
            plain = pc.if_else(pc.equal(plain, name), None, plain)
        for _ in range(2):  # neighbours share the character between them
            plain = pc.replace_substring_regex(plain, _whole(name), rf"\1{FORGOTTEN}\2")
        same = plain.dictionary_encode() if pa.types.is_dictionary(column.type) else plain
        table = table.set_column(number, column_name, same)
    return table


def _whole(name: str) -> str:
    """The name where it is not a part of a longer one."""
    return rf"(^|[^\pL\pN_]){re.escape(name)}($|[^\pL\pN_])"


def _is_text(column: pa.ChunkedArray) -> bool:
    kind = column.type
    return bool(pa.types.is_string(kind.value_type if pa.types.is_dictionary(kind) else kind))
