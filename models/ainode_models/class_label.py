"""What a class of a classifier means: name, codes, and from which probability on it is taken as present."""

from dataclasses import dataclass

from ainode_models.findings import Code, Decision
from ainode_models.label import MISSING_CODES, code_of
from ainode_models.table import Table

NORMAL = Code("17621005", "SCT", "Normal")
"""Type of a class that says that nothing was found (CID 242): no finding, and no word about what a model cannot see,
as (168733007, SCT, "Standard chest X-ray normal") would be."""


@dataclass(frozen=True)
class ClassLabel:
    """One class."""

    number: int
    """Place in ``model.toml`` and in the output of the nets, from 1."""
    name: str
    """Shown to readers."""
    type: Code
    """The finding."""
    anatomy: Code
    """Anatomic region."""
    threshold: float
    """Probability from which on the class is present."""
    refer_from: float
    """Probability from which on, up to the threshold, a human must decide; the threshold itself for no such band."""
    normal: bool = False
    """Whether it says that nothing was found; its presence is no finding."""

    @classmethod
    def of(cls, table: Table, number: int) -> "ClassLabel":
        """Read one ``[[class]]``; raises `PackageError`."""
        table.expect(("name", "type", "anatomy", "threshold"), ("refer_from", "normal"), missing=MISSING_CODES)
        threshold = table.scalar("threshold", float)
        refer_from = table.scalar("refer_from", float, default=threshold)
        if not 0 < threshold < 1:
            raise table.fault("threshold", f"must lie between 0 and 1, not {threshold}")
        if not 0 < refer_from <= threshold:
            raise table.fault("refer_from", f"must lie above 0 and not above threshold, {threshold}")
        return cls(
            number=number,
            name=table.text("name"),
            type=code_of(table.table("type")),
            anatomy=code_of(table.table("anatomy")),
            threshold=threshold,
            refer_from=refer_from,
            normal=table.scalar("normal", bool, default=False),
        )

    def decide(self, probability: float) -> Decision:
        """What a probability means for this class."""
        if probability >= self.threshold:
            return Decision.PRESENT
        return Decision.UNCERTAIN if probability >= self.refer_from else Decision.ABSENT


def classes_of(root: Table) -> tuple[ClassLabel, ...]:
    """Read every ``[[class]]``: at least two, names differ; raises `PackageError`."""
    classes = tuple(ClassLabel.of(table, number) for number, table in enumerate(root.tables("class"), 1))
    if len(classes) < 2:
        raise root.fault("class", "must be two or more; a classifier chooses between them")
    if len({each.name for each in classes}) < len(classes):
        raise root.fault("class", "two classes have the same name; readers could not tell them apart")
    if all(each.normal for each in classes):
        raise root.fault("class", "all are normal; a classifier needs one that is a finding")
    return classes
