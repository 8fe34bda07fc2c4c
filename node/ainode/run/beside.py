"""What a run asks of a model beside its answer, and what is said where that cannot be had."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ainode.journal.runs import RunRow
from ainode_models.errors import ModelError, OutOfMemory, WorkerCrashed, WorkerTimeout
from ainode_models.package import ModelPackage

_REASONS: Mapping[type[ModelError], str] = MappingProxyType(
    {
        OutOfMemory: "for the memory did not suffice",
        WorkerTimeout: "for the time did not suffice",
        WorkerCrashed: "for the model's process ended over them",
    }
)
_ELSE = "for the model could not make them"


@dataclass(frozen=True)
class Beside:
    """A wish without which the answer is the same."""

    name: str
    """What readers call it."""
    explain: str | None = None
    """As `ainode.run.workers.ModelWorkers.predict` takes it."""
    probabilities: bool = False
    """The same."""

    @classmethod
    def of(cls, run: RunRow, package: ModelPackage) -> "Beside | None":
        """What the outputs of the run need; None when the answer alone will do."""
        if package.manifest.classes:
            drawn = {"sc", "pdf"}.intersection(run.spec.outputs)
            return cls("heat maps", explain="gradcam") if drawn else None
        return cls("probability maps", probabilities=True) if "pm" in run.spec.outputs else None

    def lacking(self, error: ModelError) -> str:
        """That it could not be had, for readers; the log has the error's own words."""
        return f"{self.name}, {_REASONS.get(type(error), _ELSE)}"
