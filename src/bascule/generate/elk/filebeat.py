"""Filebeat's inputs: one for each source of files, and Logstash as their destination."""

from __future__ import annotations

from typing import Any

from bascule.generate.elk.logstash import BEATS_PORT
from bascule.spec import Spec

# The lines of a stack trace are one event, up to the exception's own line.
_TRACE = (
    r"^([ \t]|Traceback \(most recent call last\)|Caused by: |During handling of|The above exception"
    r"|[A-Za-z_][A-Za-z0-9_.]*(Error|Exception|Interrupt|Exit|Failure)(:|$))"
)
_LONGEST_LINE_BYTES = 16 * 1024


def filebeat_config(spec: Spec) -> dict[str, Any]:
    return {
        "filebeat.inputs": [_input(name, source.files) for name, source in spec.logs.named.items() if source.files],
        "output.logstash": {"hosts": [f"${{LOGSTASH:logstash:{BEATS_PORT}}}"]},
        "logging.level": "warning",
        # What tells whether lines are lost on the way; scraped by an exporter of Beats, or read by hand.
        "http.enabled": True,
        "http.host": "127.0.0.1",
    }


def _input(name: str, files: str) -> dict[str, Any]:
    return {
        "type": "filestream",
        "id": name,
        "paths": [files],
        "prospector.scanner.exclude_files": [r"\.gz$"],
        "message_max_bytes": _LONGEST_LINE_BYTES,
        "fields": {"source": name},
        "parsers": [{"multiline": {"type": "while_pattern", "pattern": _TRACE, "negate": False}}],
    }
