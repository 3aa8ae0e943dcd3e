CREATE TABLE entries (at REAL NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL, who TEXT NOT NULL, incident INTEGER);
CREATE TABLE incidents (
  id INTEGER PRIMARY KEY, situation INTEGER NOT NULL, fingerprint TEXT NOT NULL, alert TEXT NOT NULL,
  labels TEXT NOT NULL, severity TEXT NOT NULL, kind TEXT NOT NULL, summary TEXT NOT NULL, description TEXT NOT NULL,
  starts REAL NOT NULL, received REAL NOT NULL, ends REAL, resolved REAL,
  acknowledged REAL, acknowledged_by TEXT NOT NULL DEFAULT '', deliveries INTEGER NOT NULL DEFAULT 1);
INSERT INTO "incidents" VALUES(1,1,'f','ServiceDown','{"alertname": "ServiceDown", "job": "redis", "severity": "critical"}','critical','technical','down','',2.0,3.0,NULL,NULL,NULL,'',1);
CREATE TABLE notices (
  key TEXT PRIMARY KEY, situation INTEGER NOT NULL, step INTEGER NOT NULL, kind TEXT NOT NULL, receiver TEXT NOT NULL,
  at REAL NOT NULL, outcome TEXT NOT NULL, detail TEXT NOT NULL, attempts INTEGER NOT NULL);
CREATE TABLE phases (
  at REAL NOT NULL, number INTEGER NOT NULL, share REAL NOT NULL, who TEXT NOT NULL, why TEXT NOT NULL);
INSERT INTO "phases" VALUES(1.0,0,0.0,'bascule','before the first phase');
CREATE TABLE windows (
  id INTEGER PRIMARY KEY, starts REAL NOT NULL, ends REAL NOT NULL, reason TEXT NOT NULL, services TEXT NOT NULL,
  who TEXT NOT NULL, silence TEXT NOT NULL, cancelled INTEGER NOT NULL DEFAULT 0);
CREATE INDEX incidents_of_alert ON incidents (fingerprint, id);
CREATE INDEX incidents_open ON incidents (resolved) WHERE resolved IS NULL;
CREATE INDEX entries_in_time ON entries (at);
CREATE INDEX notices_of_situation ON notices (situation);
PRAGMA user_version = 1;
