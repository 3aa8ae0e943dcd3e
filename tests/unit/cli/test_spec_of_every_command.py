"""Every command finds its spec the same way, and none works on a spec that nobody named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from bascule.cli.commands import app
from bascule.errors import SpecError, UsageError
from bascule.spec import VARIABLE

WITHOUT_SPEC = {"schema", "init", "demo", "logs try"}
FILES = ("bascule.yaml", "variable.yaml", "option.yaml", "argument.yaml")


def commands(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """`("check", …)`, `("sla report", …)`."""
    children = getattr(command, "commands", None)
    if children is None:
        yield name.strip(), command
    else:
        for key, child in children.items():
            yield from commands(child, f"{name} {key}")


EVERY = dict(commands(typer.main.get_command(app)))
WITH_SPEC = [name for name in EVERY if name not in WITHOUT_SPEC]
SPEC_FIRST = [name for name in WITH_SPEC if any(parameter.metavar == "SPEC" for parameter in EVERY[name].params)]
Run = Callable[..., None]


def required(parameter: Any) -> list[str]:
    """What must be given besides the spec."""
    if not parameter.required:
        return []
    return [parameter.opts[0], "1"] if parameter.param_type_name == "option" else ["1"]


def run(name: str, *arguments: str) -> None:
    others = [word for parameter in EVERY[name].params for word in required(parameter)]
    EVERY[name].main([*arguments, *others], standalone_mode=False)


def spec_read_by(name: str, *arguments: str) -> str:
    """The file that a command reads as its spec: none here is a spec, so that it is refused by name."""
    with pytest.raises(SpecError) as refused:
        run(name, *arguments)
    return str(refused.value.path)


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The current folder, empty; no spec in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(VARIABLE, raising=False)
    return tmp_path


@pytest.fixture
def files(folder: Path) -> None:
    for name in FILES:
        (folder / name).write_text("not a spec")


@pytest.mark.parametrize("name", WITH_SPEC)
@pytest.mark.usefixtures("files")
def test_a_command_takes_its_spec_from_option_variable_or_folder(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this order, the same for all."""
    assert spec_read_by(name) == "bascule.yaml"
    monkeypatch.setenv(VARIABLE, "variable.yaml")
    assert spec_read_by(name) == "variable.yaml"
    assert spec_read_by(name, "--spec", "option.yaml") == "option.yaml"


@pytest.mark.parametrize("name", SPEC_FIRST)
@pytest.mark.usefixtures("files")
def test_a_first_argument_means_the_same_as_the_option(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "variable.yaml")
    assert spec_read_by(name, "argument.yaml") == "argument.yaml"
    assert spec_read_by(name, "argument.yaml", "--spec", "./argument.yaml") == "argument.yaml"
    with pytest.raises(UsageError, match=r"argument\.yaml.*option\.yaml"):
        run(name, "argument.yaml", "--spec", "option.yaml")


@pytest.mark.parametrize("name", WITH_SPEC)
def test_a_command_without_a_spec_names_the_three_ways_and_does_nothing(name: str, folder: Path) -> None:
    with pytest.raises(UsageError) as refused:
        run(name)
    assert all(way in str(refused.value) for way in ("--spec", f"${VARIABLE}", "bascule.yaml"))
    assert refused.value.exit_code == 2
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["check", "generate", "up", "serve", "gate", "compare", "logs stats", "sla report"])
def test_a_command_that_reads_well_with_it_takes_the_spec_first(name: str) -> None:
    assert name in SPEC_FIRST


def test_a_request_to_forget_a_user_is_not_answered_by_an_empty_store(
    folder: Path, bascule: Callable[..., Any]
) -> None:
    """It would look done."""
    done = bascule("logs", "forget", "bob")
    assert (done.returncode, done.stdout, list(folder.iterdir())) == (2, "", [])
    assert "no spec is given" in done.stderr


@pytest.mark.parametrize("name", EVERY)
def test_help_has_a_short_form(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    main = typer.main.get_command(app)
    assert main.main([*name.split(), "-h"], prog_name="bascule", standalone_mode=False) in (0, None)
    assert f"bascule {name}" in capsys.readouterr().out
