"""What docs/commands.md shows works as it stands."""

from __future__ import annotations

import re
from pathlib import Path

from bascule.generate import generate
from bascule.spec import parse


def test_the_smallest_spec_of_the_document_is_a_whole_spec():
    (text,) = re.findall(r"```yaml\n(.*?)```", Path("docs/commands.md").read_text(), re.DOTALL)
    assert "prometheus/prometheus.yml" in generate(parse(text))
