"""Clients that leave without their answer (nginx' 499): after `patience` an error, before it nobody's fault.

A version that hangs answers nothing: its requests end when the clients give up. Counted as good they would hide it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bascule.conventions import CLIENT_GAVE_UP, CLIENT_LEFT
from bascule.logs.parsing.columns import Coded, Rows

LEFT, GAVE_UP = int(CLIENT_LEFT), int(CLIENT_GAVE_UP)


def parted(rows: Rows, patience: float) -> tuple[Rows, Rows]:
    """The requests that count, with the status 599 where a client gave up after `patience` seconds; and the rest."""
    status = rows.columns.get("status")
    if status is None or not np.any(left := status.numbers() == LEFT):
        return rows, rows.select(np.empty(0, np.intp))
    taken = rows.columns.get("response_time")
    waited = taken.numbers() if taken is not None else np.full(len(rows), np.nan)
    gave_up = left & (waited >= patience)
    known = np.append(status.values, GAVE_UP)
    codes = np.where(gave_up, np.int32(len(known) - 1), status.codes)
    counted = replace(rows, columns=rows.columns | {"status": Coded(codes.astype(np.int32), known)})
    stays = ~left | gave_up
    return counted.select(np.flatnonzero(stays)), rows.select(np.flatnonzero(~stays))
