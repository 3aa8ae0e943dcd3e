"""Every alert as data: expression, texts, severity, runbook, and the cases that prove it."""
