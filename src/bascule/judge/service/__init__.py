"""The running judge: from an evaluation to a verdict, to Alertmanager, to `/api/verdict` and to hooks."""
