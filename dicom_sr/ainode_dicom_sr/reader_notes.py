"""What was not understood, gathered while a tree is read."""

from dataclasses import dataclass, field

from ainode_dicom_sr.reader_concepts import scheme_is_wrong
from ainode_dicom_sr.reader_model import Note
from ainode_dicom_sr.reader_tree import Item


@dataclass
class Notes:
    """Grows while a tree is read."""

    notes: list[Note] = field(default_factory=list)

    def add(self, item: Item, reason: str) -> None:
        """Note that ``item`` was not understood, for this reason."""
        self.notes.append(Note(item.path, item.value_type, item.name, reason))

    def all_of(self, item: Item, reason: str) -> None:
        """Note ``item`` and everything below it."""
        for each in item.walk():
            self.add(each, reason)

    def faults(self, item: Item) -> None:
        """Note what could not be read of ``item`` itself."""
        for fault in item.faults:
            self.add(item, fault)
        if scheme_is_wrong(item):
            self.add(item, "its concept belongs to another scheme; read by its code")
