"""What outsiders write (log lines, labels, names) reaches a terminal, a mail, a file or a page as text alone."""

from __future__ import annotations

import ast
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.cli.output import complain, print_rows, say
from bascule.console.render import Renderer
from bascule.delivery import Message
from bascule.sla.render.html import environment
from bascule.spec import load
from bascule.visible import LogText, in_markdown, is_hidden, one_line, visible

SRC = Path(__file__).parents[2] / "src/bascule"
HOSTILE = "a\x1b]0;title\x07b\x9b31mc\u202ed\x00\u2028e"
SHOWN = r"a\x1b]0;title\x07b\x9b31mc\u202ed\x00\u2028e"


@settings(max_examples=50, deadline=None)
@given(st.text())
def test_nothing_is_hidden_in_what_is_shown_and_showing_it_twice_changes_nothing(text: str) -> None:
    assert not is_hidden(visible(text))
    assert visible(visible(text)) == visible(text)
    assert one_line(text) == " ".join(one_line(text).split())


def test_a_stack_trace_keeps_its_lines() -> None:
    assert visible("one\r\ntwo\rthree\tfour") == "one\ntwo\nthree\tfour"


def test_a_terminal_gets_no_control_character_of_a_text(capfd: pytest.CaptureFixture[str]) -> None:
    """In a line, an error and a table, whose columns stay straight."""
    say(HOSTILE)
    complain(HOSTILE)
    print_rows("lines", [{"text": HOSTILE, "next": "x"}, {"text": "b" * len(SHOWN), "next": "x"}], as_json=False)
    told = capfd.readouterr()
    assert told.out.splitlines()[0] == SHOWN
    assert told.err == f"{SHOWN}\n"
    rows = [line for line in told.out.splitlines()[1:] if line.rstrip().endswith("x")]
    assert SHOWN in rows[0]
    assert rows[0].rstrip().rindex("x") == rows[1].rstrip().rindex("x")
    assert not is_hidden(told.out.replace("\n", ""))


def test_a_role_that_logs_what_it_was_sent_forges_no_line_and_moves_no_cursor() -> None:
    """As `bascule serve` prints it, on standard error."""
    code = f"""
import logging, sys
sys.argv = ["bascule", "--version"]
from bascule.cli import main
try:
    main()
except SystemExit:
    logging.getLogger("bascule.api").warning("refused: %s", {HOSTILE!r} + "\\nERROR forged")
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True).stderr
    assert told == f"refused: {SHOWN}\n    ERROR forged\n"


def test_a_traceback_in_a_log_is_told_whole() -> None:
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "failed", None, sys.exc_info())
    told = LogText().format(record)
    assert f"ValueError: {SHOWN}" in told
    assert all(line.startswith("    ") for line in told.splitlines()[1:])


def test_a_notice_has_a_subject_of_one_line_and_no_control_character() -> None:
    """Whatever it is sent by: mail, Slack, PagerDuty, a webhook."""
    notice = Message(key="1", subject=f"{HOSTILE}\r\nBcc: all@example.org", text=f"{HOSTILE}\r\nnext")
    assert notice.subject == f"{SHOWN} Bcc: all@example.org"
    assert notice.text == f"{SHOWN}\nnext"


@pytest.mark.parametrize("make", [environment, lambda: Renderer(load("supersmartmatch"))._templates])
def test_a_page_and_a_report_show_it_by_its_number(make) -> None:
    template = make().from_string("<p>{{ text }}</p>{{ text|safe }}")
    assert template.render(text=f"{HOSTILE}<b>").startswith(f"<p>{SHOWN}&lt;b&gt;</p>")


def test_markdown_shows_a_text_as_it_is() -> None:
    assert in_markdown("a | [b](javascript:c) ![d](e) <f> `g` *h*\n# i") == (
        r"a \| \[b\](javascript:c) !\[d\](e) &lt;f> \`g\` \*h\* # i"
    )


def test_there_is_one_way_to_a_terminal_and_to_a_page() -> None:
    """Nothing but the command line's `Output` writes to a terminal, but what is a program of its own."""
    own_programs = {"lab/traffic.py", "lab/traffic_process.py"}  # their output is read by a process
    for path in SRC.rglob("*.py"):
        place = str(path.relative_to(SRC))
        for call in (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)):
            name = ast.unparse(call.func)
            assert name != "print" or place in own_programs, place
            assert name not in ("rich.console.Console", "typer.echo", "click.echo", "traceback.print_exc"), place
            assert name != "Environment" or "finished" in ast.unparse(call), place
