"""Words of a checker that are no fault of ours."""

import re
from dataclasses import dataclass

from ainode_conformance.checkers.checker import Problem


@dataclass(frozen=True)
class Allowance:
    """Words of one checker that are no fault of ours."""

    checker: str
    words: str
    """Regular expression of the whole text."""
    reason: str
    clause: str
    subject: str = ".*"
    """Regular expression of the objects that it is allowed for."""
    kind: str = ".*"
    """Regular expression of the kinds that it is allowed for."""

    def covers(self, checker: str, problem: Problem) -> bool:
        """Whether it is meant."""
        pairs = ((self.words, problem.text), (self.subject, problem.subject), (self.kind, problem.kind))
        return checker == self.checker and all(re.fullmatch(words, text) for words, text in pairs)
