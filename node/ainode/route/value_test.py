"""What a rule can ask of one value."""

import math
import re
from dataclasses import dataclass
from typing import Protocol

from ainode.route.attribute import Value, years
from ainode.route.pattern import matches
from ainode.route.privacy import shown


class ValueTest(Protocol):
    """One demand on one value."""

    @property
    def wish(self) -> str:
        """The demand in words, after "wanted:"."""

    def passes(self, value: Value) -> bool:
        """Whether the value meets it."""


@dataclass(frozen=True)
class OneOf:
    """The value is one of these: text exactly, numbers within a millionth (of 32-bit floats)."""

    choices: tuple[Value, ...]

    @property
    def wish(self) -> str:
        """The demand in words."""
        return " or ".join(shown((choice,)) for choice in self.choices)

    def passes(self, value: Value) -> bool:
        """Whether the value is one of the choices."""
        return any(_equal(value, choice) for choice in self.choices)


@dataclass(frozen=True)
class Matching:
    """The text matches a regular expression, anywhere."""

    pattern: re.Pattern[str]

    @property
    def wish(self) -> str:
        """The demand in words."""
        return f"text that matches '{self.pattern.pattern}'"

    def passes(self, value: Value) -> bool:
        """Whether the pattern is found in the text."""
        return matches(self.pattern, value if isinstance(value, str) else f"{value:g}")


@dataclass(frozen=True)
class Between:
    """The number, or the age in years, lies in a range, both ends included."""

    minimum: float | None
    maximum: float | None

    @property
    def wish(self) -> str:
        """The demand in words."""
        if self.minimum is None:
            return f"at most {self.maximum:g}"
        return f"at least {self.minimum:g}" if self.maximum is None else f"{self.minimum:g} to {self.maximum:g}"

    def passes(self, value: Value) -> bool:
        """Whether the value is a number, or an age, in the range."""
        number = _number(value)
        if number is None:
            return False
        above = self.minimum is None or number >= self.minimum
        return above and (self.maximum is None or number <= self.maximum)


def _equal(value: Value, choice: Value) -> bool:
    if isinstance(choice, str):
        return value == choice
    number = _number(value)
    return number is not None and math.isclose(number, choice, rel_tol=1e-6, abs_tol=1e-9)


def _number(value: Value) -> float | None:
    if isinstance(value, float):
        return value
    try:
        return float(value)
    except ValueError:
        return years(value)
