"""What the user declares: the model, reading it with line numbers, and the built-in SuperSmartMatch spec."""

from bascule.spec.load import BUILT_IN, VARIABLE, built_in_text, load, parse, starter_text
from bascule.spec.model import Spec
from bascule.spec.objective import Objective
from bascule.spec.selector import Matcher, Selector
from bascule.spec.signals import Role

__all__ = [
    "BUILT_IN",
    "VARIABLE",
    "Matcher",
    "Objective",
    "Role",
    "Selector",
    "Spec",
    "built_in_text",
    "load",
    "parse",
    "starter_text",
]
