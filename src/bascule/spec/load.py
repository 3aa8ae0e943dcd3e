"""Loading a spec from a file: the spec, or every problem with its file, line, key and fix."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from bascule.documents import DocumentError, text_of
from bascule.errors import Problem, SpecError
from bascule.spec.bounds import bounds
from bascule.spec.clashes import clashes
from bascule.spec.gains import is_relative
from bascule.spec.lint import lint
from bascule.spec.model import Spec
from bascule.spec.part import Part
from bascule.spec.quantities import Condition
from bascule.spec.reading.document import LIMITS, Document
from bascule.spec.reading.keys import correct_keys
from bascule.spec.reading.partial import read_part
from bascule.spec.reading.values import report_values

P = TypeVar("P", bound=Part)
BUILT_IN = "supersmartmatch"
VARIABLE = "BASCULE_SPEC"  # of the environment: the spec of every command that is given none


def built_in_text() -> str:
    """The SuperSmartMatch spec that ships with the package."""
    return resources.files("bascule.spec").joinpath(f"{BUILT_IN}.yaml").read_text("utf-8")


def starter_text() -> str:
    """A minimal spec: what `bascule init` writes."""
    return resources.files("bascule.spec").joinpath("starter.yaml").read_text("utf-8")


def load(path: Path | str) -> Spec:
    """The spec in a file, or the built-in one for `supersmartmatch`. Raises SpecError with every problem."""
    if str(path) == BUILT_IN:
        return _built_in()
    return _sourced(parse(_text(path), path), str(Path(path).absolute()))


@cache
def _built_in() -> Spec:
    return _sourced(parse(built_in_text(), f"{BUILT_IN}.yaml (built in)"), BUILT_IN)


def _sourced(spec: Spec, source: str) -> Spec:
    vars(spec)["source"] = source
    return spec


def _text(path: Path | str) -> str:
    try:
        return text_of(Path(path), LIMITS)
    except DocumentError as error:
        raise _cannot_read(path, error.problem, error.fix) from error
    except FileNotFoundError as error:
        fix = f"name an existing file, or {BUILT_IN} for the built-in spec; `bascule init` writes a starter"
        raise _cannot_read(path, "no such file", fix) from error
    except OSError as error:
        raise _cannot_read(path, str(error.strerror), "name a readable file") from error
    except UnicodeDecodeError as error:
        raise _cannot_read(path, str(error), "write the file in UTF-8") from error


def _cannot_read(path: Path | str, why: str, fix: str) -> SpecError:
    return SpecError(path, [Problem("", f"cannot be read: {why}", fix)])


def parse(text: str, path: Path | str = "spec.yaml") -> Spec:
    """The spec of a YAML text. Raises SpecError with every problem that does not follow from another one."""
    document = Document.read(text, path)
    correct_keys(document, Spec)
    spec = _spec(document)
    for finding in (*lint(spec), *bounds(spec), *clashes(spec)):
        document.report(finding.key, finding.what, finding.fix)
    if document.problems:
        raise SpecError(path, document.problems)
    return _in_own_units(spec)


def _in_own_units(spec: Spec) -> Spec:
    """The spec with every gate and trigger in the unit of what it looks at."""
    phases = [
        _with(
            phase,
            gates={
                measure: _condition(spec, Condition(measure, bound)).threshold for measure, bound in phase.gates.items()
            },
        )
        for phase in spec.phases
    ]
    triggers = [_with(trigger, when=_condition(spec, trigger.when)) for trigger in spec.rollback]
    return _with(spec, phases=phases, rollback=triggers)


def _with(part: P, **changed: Any) -> P:
    """A copy in which keys that were not given still are not."""
    return part.model_copy(update={key: value for key, value in changed.items() if value})


def _condition(spec: Spec, condition: Condition) -> Condition:
    """What is relative to the baseline's value has no unit."""
    name, _, statistic = condition.measure.partition(".")
    if statistic == "gain" and is_relative(spec.signals[name], condition.threshold):
        return condition
    return replace(condition, threshold=condition.threshold.within(spec.unit_of(condition.measure)))


def _spec(document: Document) -> Spec:
    """The spec, as far as it can be read."""
    try:
        return Spec.model_validate(document.content)
    except ValidationError as error:
        spec: Spec = read_part(document, Spec, report_values(document, error))
        return spec
