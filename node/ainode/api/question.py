"""What a prediction is asked for, and the name of its result."""

import hashlib
from dataclasses import dataclass

from ainode.api.answers import Method
from ainode.api.cases import Case
from ainode_models.package import ModelPackage

_FORM = "3"
"""Of the answers: results of another form are not used again."""


@dataclass(frozen=True)
class Options:
    """What a client asks for beside the prediction."""

    series_uid: str = ""
    explain: Method | None = None


@dataclass(frozen=True)
class Question:
    """One case for one model."""

    case: Case
    package: ModelPackage
    options: Options

    @property
    def result_id(self) -> str:
        """A function of the files' contents, the model with its weights, and the options."""
        name, version = self.package.manifest.name, self.package.version
        asked = (self.options.series_uid, self.options.explain or "")
        parts = (_FORM, self.case.sha256, name, version, self.package.weights_sha256, *asked)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
