"""Record again the lines that `make test` keeps of programs it does not start: python tests/support/record_lines.py

Needs what `make real NAME=lines` sets up. The recordings are written to tests/fixtures/lines.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from line_servers import OTHERS

REQUESTS = 60

if __name__ == "__main__":
    for name, make in OTHERS.items():
        with tempfile.TemporaryDirectory() as folder:
            for recording in make(Path(folder), REQUESTS):
                recording.save()
                print(f"{name}: {recording.name}, {len(recording.sent)} requests")
