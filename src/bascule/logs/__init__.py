"""Log lines into typed columns, a durable store, and the metrics that Prometheus scrapes.

`reading` (where lines come from) → `parsing` (rows, versions, counts) → `storing` → `serving` (the role, the commands).
"""

from __future__ import annotations

from bascule.logs.parsing.columns import Chunk, Coded, Rows
from bascule.logs.parsing.dissect import Dissect, compile_dissect
from bascule.logs.parsing.formats import Format, built_in, format_named
from bascule.logs.parsing.grok import compile_grok
from bascule.logs.parsing.intake import COUNTED, Batch, Intake, intake
from bascule.logs.parsing.matcher import RegexMatcher, TooCostly
from bascule.logs.parsing.parse import FEW_LINES, TRACE, UNPARSED, Parser
from bascule.logs.parsing.tally import LogTally
from bascule.logs.parsing.values import read_time, read_value
from bascule.logs.parsing.versions import VersionFinder
from bascule.logs.reading.beats import BeatsReceiver, line_of
from bascule.logs.reading.files import FileSource
from bascule.logs.reading.frames import (
    MAX_EVENT,
    MAX_INFLATED,
    MAX_PACKED,
    BeatsEvent,
    Decoder,
    ProtocolError,
    answer,
)
from bascule.logs.reading.stdin import StandardInput
from bascule.logs.serving.commands import forget, ingest, search, stats
from bascule.logs.serving.ingest import Ingested
from bascule.logs.serving.pipeline import Counted, FileFeed, Pipeline
from bascule.logs.serving.proposal import propose_from
from bascule.logs.serving.role import run
from bascule.logs.serving.sources import look_at_sources
from bascule.logs.serving.trial import Trial, attempt
from bascule.logs.storing.consumers import Consumers
from bascule.logs.storing.counts import counts as count_store
from bascule.logs.storing.disk import Disk
from bascule.logs.storing.engine import SearchClient, Sender
from bascule.logs.storing.forget import forget_user
from bascule.logs.storing.pseudonyms import IdPseudonyms, read_key
from bascule.logs.storing.query import LogReader
from bascule.logs.storing.query import search as search_store
from bascule.logs.storing.segments import LogSegment, identities, listing
from bascule.logs.storing.siphash import siphash
from bascule.logs.storing.store import LogStore, open_store

__all__ = [
    "COUNTED",
    "FEW_LINES",
    "MAX_EVENT",
    "MAX_INFLATED",
    "MAX_PACKED",
    "TRACE",
    "UNPARSED",
    "Batch",
    "BeatsEvent",
    "BeatsReceiver",
    "Chunk",
    "Coded",
    "Consumers",
    "Counted",
    "Decoder",
    "Disk",
    "Dissect",
    "FileFeed",
    "FileSource",
    "Format",
    "IdPseudonyms",
    "Ingested",
    "Intake",
    "LogReader",
    "LogSegment",
    "LogStore",
    "LogTally",
    "RegexMatcher",
    "Parser",
    "Pipeline",
    "ProtocolError",
    "Rows",
    "SearchClient",
    "Sender",
    "StandardInput",
    "TooCostly",
    "Trial",
    "VersionFinder",
    "answer",
    "attempt",
    "built_in",
    "compile_dissect",
    "compile_grok",
    "forget",
    "forget_user",
    "format_named",
    "identities",
    "ingest",
    "intake",
    "line_of",
    "listing",
    "look_at_sources",
    "open_store",
    "propose_from",
    "read_key",
    "read_time",
    "read_value",
    "run",
    "search",
    "count_store",
    "search_store",
    "siphash",
    "stats",
]
