"""Which folder of a data set holds which class, and what that class means."""

from dataclasses import dataclass
from pathlib import Path

from ainode_models.class_label import NORMAL
from ainode_models.findings import Code
from ainode_models.label import code_of
from ainode_models.table import Table

RADIOGRAPHY_DATABASE = Path(__file__).with_name("radiography_database.toml")
"""The four classes of the COVID-19 Radiography Database."""


@dataclass(frozen=True)
class ClassFolder:
    """One class of a data set."""

    folder: str
    """Name of its folder."""
    name: str
    """Shown to readers."""
    type: Code
    """The finding."""
    anatomy: Code
    """Anatomic region."""
    normal: bool = False
    """Whether it says that nothing was found."""

    @classmethod
    def of(cls, table: Table) -> "ClassFolder":
        """Read one ``[[class]]``, of which ``type`` may lack where it is normal; raises `PackageError`."""
        keys = ("folder", "name", "type", "anatomy")
        normal = _is_normal(table)
        table.expect(tuple(key for key in keys if key != "type" or not normal), ("normal", "type"))
        return cls(
            folder=table.text("folder", r"[^/\\]+", meaning="the name of a folder, without a path"),
            name=table.text("name"),
            type=code_of(table.table("type")) if "type" in table.entries else NORMAL,
            anatomy=code_of(table.table("anatomy")),
            normal=normal,
        )


def _is_normal(table: Table) -> bool:
    """As it says, or by its name."""
    called = table.entries.get("name")
    return table.scalar("normal", bool, default=isinstance(called, str) and called.casefold() == "normal")


def read_class_folders(file: Path = RADIOGRAPHY_DATABASE) -> tuple[ClassFolder, ...]:
    """Every ``[[class]]`` of a TOML file, in its order, which becomes that of the nets' outputs.

    Raises `PackageError` for fewer than two, or two with one name or one folder.
    """
    root = Table.read(file).expect(("class",))
    classes = tuple(ClassFolder.of(table) for table in root.tables("class"))
    if len(classes) < 2:
        raise root.fault("class", "must be two or more; a classifier chooses between them")
    for key in ("folder", "name"):
        if len({getattr(each, key) for each in classes}) < len(classes):
            raise root.fault("class", f"two classes have the same {key}")
    if all(each.normal for each in classes):
        raise root.fault("class", "all are normal; a classifier needs one that is a finding")
    return classes
