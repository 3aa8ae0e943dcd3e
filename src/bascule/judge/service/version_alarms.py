"""A version that is no longer scraped, or counts nothing while the other is served: alarms that the judge posts itself.

The rules of the same alerts are the second way, with the same labels and texts; `for` is theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bascule.conventions import Alert
from bascule.states import Cause, Missing

_ALERTS = {Cause.SILENT: Alert.VERSION_SILENT, Cause.LOST: Alert.TARGET_LOST}
VERSION_ALERTS = tuple(_ALERTS.values())
Key = tuple[Alert, str]  # and the version


@dataclass(frozen=True)
class VersionAlarm:
    """An alarm about one version. `since`: when its cause was first seen, Unix seconds."""

    alert: Alert
    version: str
    since: float

    @property
    def key(self) -> Key:
        """What it is posted under."""
        return self.alert, self.version


class VersionAlarms:
    """What fires about both versions. `holds`: for how long each alert's cause must last, in seconds."""

    def __init__(self, holds: Mapping[Alert, float]) -> None:
        self._holds = holds
        self._since: dict[Key, float] = {}
        self._now = 0.0

    def adopt(self, alarms: Iterable[VersionAlarm]) -> None:
        """Alarms that Alertmanager held when the judge began: they fire until their cause is gone."""
        for alarm in alarms:
            began = alarm.since - self._holds[alarm.alert]
            self._since[alarm.key] = min(began, self._since.get(alarm.key, began))

    def see(self, missing: Iterable[Missing], now: float) -> None:
        """Why there is no data at a moment, in Unix seconds."""
        found = {(_ALERTS[each.cause], each.version) for each in missing if each.version and each.cause in _ALERTS}
        self._since = {key: self._since.get(key, now) for key in found}
        self._now = now

    @property
    def standing(self) -> dict[Key, VersionAlarm]:
        """Those whose cause has lasted."""
        due = {key: since for key, since in self._since.items() if self._now - since >= self._holds[key[0]]}
        return {key: VersionAlarm(*key, since) for key, since in due.items()}
