"""Log fields, their aliases and units, the built-in formats, the syntax of patterns, the index template.

Plain values in, plain values out: the spec's own checks ask this room, so it may not import the spec.
"""

from bascule.logformat import patterns
from bascule.logformat.builtin import BUILT_IN, DOCUMENTED, HEADS, JSON_HEADS, BuiltInFormat
from bascule.logformat.dissect import DissectPart, read_dissect
from bascule.logformat.fields import (
    AGENT,
    ALIAS_UNITS,
    ALIASES,
    CALLER_NAMES,
    CLIENT,
    COLUMNS,
    FIELDS,
    FIGURES,
    GROK_NAMES,
    KIND_OF,
    KINDS,
    LEFT,
    LEFT_FLAGS,
    LEFT_NAMES,
    LEVELS,
    NUMBERS,
    PAIRS,
    SINGLE_WORDS,
    SPAN_UNITS,
    TEXTS,
    TIME,
    UNITS,
    LogField,
    kind_of,
    spellings,
)
from bascule.logformat.grok import Grok, known_patterns, read_grok
from bascule.logformat.index import EngineKind, LogIndex
from bascule.logformat.patterns import DEFINITIONS, PatternError

__all__ = [
    "AGENT",
    "ALIASES",
    "ALIAS_UNITS",
    "BUILT_IN",
    "BuiltInFormat",
    "CALLER_NAMES",
    "CLIENT",
    "COLUMNS",
    "DEFINITIONS",
    "DOCUMENTED",
    "DissectPart",
    "EngineKind",
    "FIELDS",
    "FIGURES",
    "GROK_NAMES",
    "Grok",
    "HEADS",
    "JSON_HEADS",
    "KINDS",
    "KIND_OF",
    "LEFT",
    "LEFT_FLAGS",
    "LEFT_NAMES",
    "LEVELS",
    "LogField",
    "LogIndex",
    "NUMBERS",
    "PAIRS",
    "PatternError",
    "SINGLE_WORDS",
    "SPAN_UNITS",
    "TEXTS",
    "TIME",
    "UNITS",
    "kind_of",
    "known_patterns",
    "patterns",
    "read_dissect",
    "read_grok",
    "spellings",
]
