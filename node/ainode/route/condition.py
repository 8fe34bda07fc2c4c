"""One condition of a rule on one attribute, which can say why it holds or not."""

from dataclasses import dataclass

from pydicom import Dataset

from ainode.route.attribute import Attribute, Value
from ainode.route.privacy import shown, shows_value, shows_wish
from ainode.route.value_test import OneOf, ValueTest


@dataclass(frozen=True)
class Verdict:
    """Whether a condition holds, and why; the reason never holds patient data."""

    matched: bool
    reason: str


@dataclass(frozen=True)
class Condition:
    """What a rule asks of one attribute; of several values any one may meet all the tests."""

    attribute: Attribute
    tests: tuple[ValueTest, ...] = ()
    """All must hold, on the same value."""
    exists: bool | None = None
    """Whether the attribute must have a value, or must have none."""
    but_not: "Condition | None" = None
    """A condition that must not hold; an attribute without a value never meets one."""

    @property
    def wish(self) -> str:
        """What is wanted, in words; not told where it could tell a value that is personal."""
        return self._wish() if shows_wish(self.attribute) else "see the rule"

    def _wish(self) -> str:
        wishes = [test.wish for test in self.tests]
        if self.exists is not None:
            wishes.insert(0, "any value" if self.exists else "no value")
        if self.but_not is not None:
            wishes.append(f"not {self.but_not.wish}")
        return " and ".join(wishes)

    def holds(self, header: Dataset) -> bool:
        """Whether the header meets the condition."""
        values = self.attribute.values(header)
        if self.exists is not None and self.exists != bool(values):
            return False
        if self.tests and not any(all(test.passes(value) for test in self.tests) for value in values):
            return False
        return self.but_not is None or not self.but_not.holds(header)

    def explain(self, header: Dataset) -> Verdict:
        """Whether the header meets the condition, and why or why not."""
        matched = self.holds(header)
        values = self.attribute.values(header)
        label = self.attribute.label
        wanted = f"{'as ' if matched else ''}wanted: {self.wish}"
        if values and not shows_value(self.attribute):
            return Verdict(matched, f"{label} {'fits' if matched else 'does not fit'} (value not shown), {wanted}")
        found = shown(values) if values else "absent or empty"
        return Verdict(matched, f"{label} is {found}, {wanted}{self._hint(values)}")

    def _hint(self, values: tuple[Value, ...]) -> str:
        folded = {value.casefold() for value in values if isinstance(value, str)}
        for test in self.tests:
            choices = test.choices if isinstance(test, OneOf) else ()
            if any(isinstance(item, str) and item not in values and item.casefold() in folded for item in choices):
                return " (capitals differ)"
        return ""
