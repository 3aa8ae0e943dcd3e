"""docs/errors.md is what the code says; each message says what is wrong and then the fix, in two lines at most."""

import importlib.util
from pathlib import Path

_SOURCE = Path(__file__).parents[2] / "tools" / "write_errors_doc.py"
_SPEC = importlib.util.spec_from_file_location("write_errors_doc", _SOURCE)
tool = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(tool)

LINE = 160  # characters, without what is filled in


def test_the_page_is_what_the_code_says():
    assert tool.PAGE.read_text("utf-8") == tool.page(), "write it again with `python tools/write_errors_doc.py`"


def test_no_part_of_the_code_is_forgotten():
    assert len(every_message()) > 250
    assert {"api", "cli", "delivery", "generate", "incidents", "logs", "processes", "sla", "spec"} <= set(
        tool.messages()
    )


def every_message():
    return [message for found in tool.messages().values() for message in found]


def test_a_message_says_what_is_wrong_and_then_the_fix():
    assert [f"{each.place} has no fix: {each.what}" for each in every_message() if not each.fix] == []
    lines = [(each.place, line) for each in every_message() for line in (each.what, *each.fix.split(" / "))]
    assert [(place, line) for place, line in lines if not is_well_formed(line)] == []


def is_well_formed(line):
    return "\n" not in line and len(line) <= LINE and not line.endswith((".", "!"))


def test_a_new_message_is_collected_and_shown_to_lack_a_fix(tmp_path, monkeypatch):
    (tmp_path / "cli").mkdir()
    code = 'class UsageError(BasculeError): ...\ndef f(name):\n    raise UsageError(f"{name} is wrong")\n'
    (tmp_path / "cli" / "new.py").write_text(code)
    monkeypatch.setattr(tool, "CODE", tmp_path)
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    (found,) = tool.messages.__wrapped__()["cli"]
    assert (found.what, found.fix, found.place) == ("‹name› is wrong", "", "cli/new.py:3")
