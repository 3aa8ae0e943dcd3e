"""The HTTP API of Bascule's roles: its models, its client, its secrets.

Roles take the server from `bascule.api.server`, which needs FastAPI; the command line does without.
"""

from bascule.api.client import IncidentsClient, JudgeClient, LogsClient, RoleClient, SlaClient, first_of
from bascule.api.identity import Identity
from bascule.api.tokens import Tokens

__all__ = ["Identity", "IncidentsClient", "JudgeClient", "LogsClient", "RoleClient", "SlaClient", "Tokens", "first_of"]
