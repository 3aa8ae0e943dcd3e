"""How every command finds its spec: `--spec FILE` or a first argument SPEC, else $BASCULE_SPEC, else ./bascule.yaml."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from bascule.errors import UsageError
from bascule.spec import BUILT_IN, VARIABLE, load

__all__ = ["may_take_spec", "may_take_spec_first", "no_spec", "takes_spec", "takes_spec_first"]

USUAL = "bascule.yaml"
HELP = f"A spec file, or '{BUILT_IN}' for the built-in one."
Option = Annotated[str | None, typer.Option("--spec", metavar="FILE", help=f"{HELP} Else ${VARIABLE}, else ./{USUAL}.")]
Argument = Annotated[str | None, typer.Argument(metavar="SPEC", help="The same as --spec.", show_default=False)]
Command = Callable[..., None]
_KEYWORD = inspect.Parameter.KEYWORD_ONLY


def takes_spec(command: Command) -> Command:
    """Give a command `--spec`: its parameter `spec` is the loaded spec, and `spec_path` where it was found."""

    def run(*, spec: str | None, **others: Any) -> None:
        command(**_wanted(command, _found(spec)), **others)

    return _declared(run, command, spec=Option)


def may_take_spec(command: Command) -> Command:
    """The same, for a command that also does without: `spec` is then None."""

    def run(*, spec: str | None, **others: Any) -> None:
        command(**_wanted_or_none(command, spec), **others)

    return _declared(run, command, spec=Option)


def takes_spec_first(command: Command) -> Command:
    """The same for a command whose first argument may be the SPEC."""

    def run(*, argument: str | None, spec: str | None, **others: Any) -> None:
        command(**_wanted(command, _found(_one_of(argument, spec))), **others)

    return _declared(run, command, argument=Argument, spec=Option)


def may_take_spec_first(command: Command) -> Command:
    """Both: its first argument may be the SPEC, and it does without."""

    def run(*, argument: str | None, spec: str | None, **others: Any) -> None:
        command(**_wanted_or_none(command, _one_of(argument, spec)), **others)

    return _declared(run, command, argument=Argument, spec=Option)


def no_spec() -> UsageError:
    """Of a command that needs one."""
    ways = f"give --spec FILE, set ${VARIABLE}, or work in a folder with a {USUAL} (`bascule init` writes one)"
    return UsageError("no spec is given", f"{ways}; {BUILT_IN} is the name of the built-in spec")


def _one_of(argument: str | None, option: str | None) -> str | None:
    if argument and option and Path(argument).absolute() != Path(option).absolute():
        raise UsageError(f"two specs are given: {argument} and --spec {option}", "give one of the two")
    return argument or option


def _found(given: str | None) -> str:
    """Raises UsageError when no spec is named and the folder has none."""
    named = _named(given)
    if named is None:
        raise no_spec()
    return named


def _named(given: str | None) -> str | None:
    return given or os.environ.get(VARIABLE) or (USUAL if Path(USUAL).exists() else None)


def _wanted_or_none(command: Command, given: str | None) -> dict[str, Any]:
    named = _named(given)
    return {"spec": None} if named is None else _wanted(command, named)


def _wanted(command: Command, path: str) -> dict[str, Any]:
    makers: dict[str, Callable[[str], Any]] = {"spec": load, "spec_path": str}
    return {name: make(path) for name, make in makers.items() if name in inspect.signature(command).parameters}


def _declared(run: Command, command: Command, **more: Any) -> Command:
    """`run` under the command's name, with its parameters except those filled in here, and with `more` ones."""
    functools.update_wrapper(run, command)
    own = inspect.signature(command, eval_str=True).parameters.values()
    kept = [each.replace(kind=each.KEYWORD_ONLY) for each in own if each.name not in ("spec", "spec_path")]
    added = [inspect.Parameter(name, _KEYWORD, default=None, annotation=hint) for name, hint in more.items()]
    run.__signature__ = inspect.Signature([*kept, *added])  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in (*kept, *added)}
    return run
