"""Log fields, their aliases and units, the built-in formats, the syntax of patterns, the index template.

Plain values in, plain values out: the spec's own checks ask this room, so it may not import the spec.
"""

from bascule.logformat.builtin import BUILT_IN, DOCUMENTED, HEADS, BuiltInFormat
from bascule.logformat.dissect import DissectPart, read_dissect
from bascule.logformat.fields import (
    ALIASES,
    COLUMNS,
    FIELDS,
    GROK_NAMES,
    KIND_OF,
    KINDS,
    LEVELS,
    NUMBERS,
    SINGLE_WORDS,
    TEXTS,
    TIME,
    UNITS,
    LogField,
    kind_of,
)
from bascule.logformat.grok import Grok, known_patterns, read_grok
from bascule.logformat.index import EngineKind, LogIndex
from bascule.logformat.patterns import DEFINITIONS, PatternError

__all__ = [
    "ALIASES",
    "BUILT_IN",
    "COLUMNS",
    "DEFINITIONS",
    "DOCUMENTED",
    "FIELDS",
    "GROK_NAMES",
    "HEADS",
    "KINDS",
    "KIND_OF",
    "LEVELS",
    "NUMBERS",
    "SINGLE_WORDS",
    "TEXTS",
    "TIME",
    "UNITS",
    "BuiltInFormat",
    "DissectPart",
    "EngineKind",
    "Grok",
    "LogField",
    "LogIndex",
    "PatternError",
    "kind_of",
    "known_patterns",
    "read_dissect",
    "read_grok",
]
