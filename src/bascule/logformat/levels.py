"""Which levels of a log line are warnings, and which are errors, as regular expressions without regard to case."""

from typing import Final

WARNINGS: Final = "warn|warning"
ERRORS: Final = "err|error|crit|critical|fatal|severe|alert|emerg|panic"
