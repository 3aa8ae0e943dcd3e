"""What Elasticsearch and OpenSearch are told once: typed fields for the daily indices, and when these end.

The first to run, `bascule generate`'s set-up scripts or the logs role, puts the same template in place.

An index is never rolled over: a day's index gets read-only and smaller after two days and is deleted when the
retention is over. Fields that are not declared are kept but not indexed, so that no line can make the mapping grow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from bascule.conventions import log_index_prefix, log_template_name
from bascule.logformat.fields import FIELDS, TIME

DAY_SECONDS = 86400
SETTLED_AFTER = "2d"  # no line of a day comes later than that
PRIORITY = 200  # above the templates that Elasticsearch brings along (100)
TEMPLATE_VERSION = 2  # higher when the template changes; an older one in the engine is replaced

EngineKind = Literal["elasticsearch", "opensearch"]
Document = dict[str, Any]

_TYPES: dict[str, Document] = {
    "keyword": {"type": "keyword", "ignore_above": 1024},
    **{name: {"type": name} for name in ("text", "date", "double", "integer", "long")},
}
_KEYWORD, _DATE, _LONG = _TYPES["keyword"], _TYPES["date"], _TYPES["long"]

# What is beside the fields of a line: when it came, and where it was read.
_PLACE: dict[str, Document] = {
    "@timestamp": _DATE,  # when it happened
    "received": _DATE,  # when Logstash got it
    "ingested": _DATE,  # when the logs role stored it
    "source": _KEYWORD,
    "stream": _KEYWORD,
    "offset": _LONG,
    "format": _KEYWORD,
    "tags": _KEYWORD,
    "host": {"properties": {"name": _KEYWORD}},
    "log": {"properties": {"offset": _LONG, "file": {"properties": {"path": _KEYWORD}}}},
}


@dataclass(frozen=True)
class LogIndex:
    """The daily indices of a migration's log lines.

    `migration` is the spec's name, `title` its title; `retention` is in seconds. `own_fields` are the fields of the
    spec's own formats that have no column of their own in `FIELDS`.
    """

    migration: str
    title: str
    retention: float
    own_fields: tuple[str, ...] = ()

    @property
    def prefix(self) -> str:
        """What the daily indices' names begin with."""
        return log_index_prefix(self.migration)

    @property
    def name(self) -> str:
        """The name of template and policy."""
        return log_template_name(self.migration)

    @property
    def template_path(self) -> str:
        return f"/_index_template/{self.name}"

    def policy_path(self, engine: EngineKind) -> str:
        return f"/_ilm/policy/{self.name}" if engine == "elasticsearch" else f"/_plugins/_ism/policies/{self.name}"

    def template(self, engine: EngineKind) -> Document:
        """The index template; OpenSearch's policy finds its indices by their pattern, so there it is not named."""
        settings: Document = {
            "index.number_of_shards": 1,
            "index.number_of_replicas": 1,
            "index.refresh_interval": "5s",
            "index.codec": "best_compression",
        }
        if engine == "elasticsearch":
            settings["index.lifecycle.name"] = self.name
        return {
            "index_patterns": [f"{self.prefix}-*"],
            "priority": PRIORITY,
            "version": TEMPLATE_VERSION,
            "template": {"settings": settings, "mappings": {"dynamic": False, "properties": self._properties()}},
            "_meta": {"description": f"Log lines of {self.title}, put in place by Bascule"},
        }

    def _properties(self) -> Document:
        lines = {field.name: _TYPES[field.indexed] for field in FIELDS if field.name != TIME}
        return _PLACE | lines | dict.fromkeys(self.own_fields, _KEYWORD)

    def policy(self, engine: EngineKind) -> Document:
        """When the indices end: ILM for Elasticsearch, ISM for OpenSearch; the same life."""
        return self._lifecycle() if engine == "elasticsearch" else self._states()

    def _lifecycle(self) -> Document:
        """Ages count from an index's creation, that is from its day."""
        warm = {"readonly": {}, "forcemerge": {"max_num_segments": 1}, "set_priority": {"priority": 50}}
        phases = {
            "hot": {"min_age": "0ms", "actions": {"set_priority": {"priority": 100}}},
            "warm": {"min_age": SETTLED_AFTER, "actions": warm},
            "delete": {"min_age": self._kept, "actions": {"delete": {}}},
        }
        if self._is_short:
            del phases["warm"]
        return {"policy": {"phases": phases}}

    def _states(self) -> Document:
        end = {"state_name": "delete", "conditions": {"min_index_age": self._kept}}
        settled = {"state_name": "warm", "conditions": {"min_index_age": SETTLED_AFTER}}
        warm = {"name": "warm", "actions": [{"read_only": {}}, {"force_merge": {"max_num_segments": 1}}]}
        delete = {"name": "delete", "actions": [{"delete": {}}], "transitions": []}
        hot = {"name": "hot", "actions": [], "transitions": [end if self._is_short else settled]}
        states = [hot] if self._is_short else [hot, warm | {"transitions": [end]}]
        return {
            "policy": {
                "description": f"Daily log indices of {self.title}: deleted after {self._kept}",
                "default_state": "hot",
                "states": [*states, delete],
                "ism_template": [{"index_patterns": [f"{self.prefix}-*"], "priority": PRIORITY}],
            }
        }

    @property
    def _is_short(self) -> bool:
        return self.retention <= 2 * DAY_SECONDS

    @property
    def _kept(self) -> str:
        """The retention in whole days, and in Elasticsearch's units a single one."""
        return f"{max(1, round(self.retention / DAY_SECONDS))}d"
