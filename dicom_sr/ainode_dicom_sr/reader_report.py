"""The content tree of a report as a whole: who observed what, and which containers are groups (TID 1500 and others)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from pydicom.dataset import Dataset

from ainode_dicom_sr import reader_concepts as concepts
from ainode_dicom_sr.reader_concepts import is_group, key
from ainode_dicom_sr.reader_group import Draft
from ainode_dicom_sr.reader_model import Evaluation, Group, Observer, ReadObject, ReadReport, Reference
from ainode_dicom_sr.reader_notes import Notes
from ainode_dicom_sr.reader_tree import Item, read_tree
from ainode_dicom_sr.reader_values import text
from ainode_models.findings import Code

_OBSERVER: Mapping[str, str] = MappingProxyType(
    {
        "121012": "uid",
        "121013": "name",
        "121014": "manufacturer",
        "121015": "model",
        "121016": "serial_number",
    }
)
_PERSON = frozenset({"121008", "121009", "121010", "121011"})
"""TID 1003."""


@dataclass
class _Whole:
    """A report while it is read."""

    general: Draft
    notes: Notes
    languages: list[Code] = field(default_factory=list)
    observers: list[Observer] = field(default_factory=list)
    procedures: list[Code] = field(default_factory=list)
    summaries: list[Code] = field(default_factory=list)
    library: list[Reference] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)

    def container(self, item: Item, into: Draft) -> None:
        """Read a container and all below it; what belongs to no group of its own is said of ``into``."""
        name = key(item.name)
        self.notes.faults(item)
        if name == concepts.IMAGE_LIBRARY:
            self._library(item)
        elif is_group(item) or (
            name not in concepts.SECTIONS and _says_something(item) and not _is_finding(item, into)
        ):
            self._group(item)
        else:
            self._section(item, into)

    def children(self, item: Item, into: Draft) -> None:
        """Read what lies in a container."""
        for child in item.children:
            if child.value_type == "CONTAINER":
                self.container(child, into)
            elif not self._of_the_whole(child, into):
                into.take(child)

    def _group(self, item: Item) -> None:
        if key(item.name) == "":
            self.notes.add(item, "a container of a name that is not known, read as a group")
        draft = Draft(item, self.notes)
        place = len(self.groups)
        self.children(item, draft)
        self.groups.insert(place, draft.group())  # before the groups that lie in it

    def _section(self, item: Item, into: Draft) -> None:
        if _is_finding(item, into):
            self.notes.add(item, "a container in place of a code: what was looked for is not coded")
            into.evaluations.append(Evaluation(item.name, None))
        elif key(item.name) == "":
            self.notes.add(item, "a container of a name that is not known, read for what it holds")
        self.children(item, into)

    def _library(self, item: Item) -> None:
        """TID 1600: the images; what describes them is in their headers."""
        for each in item.walk():
            if isinstance(each.value, Reference):
                self.library.append(each.value)

    def _of_the_whole(self, item: Item, into: Draft) -> bool:
        """Take in what is true of the report wherever it stands (TID 1001, 1204; CAD summary)."""
        name, value = key(item.name), item.value
        if name in concepts.SUBJECT:
            self.notes.all_of(item, "about who was observed: left out")
            return True
        if name in _PERSON:
            self.notes.all_of(item, "about a person who observed: left out")
            return True
        if name in _OBSERVER and isinstance(value, str):
            self._observer(_OBSERVER[name], value)
        elif not isinstance(value, Code):
            return False
        elif name == concepts.OBSERVER_TYPE:
            self.observers.append(Observer(value))
        elif name in _CODES:
            getattr(self, _CODES[name]).append(value)
        else:
            return False
        self.notes.faults(item)
        into.below(replace(item, children=tuple(child for child in item.children if not _is_country(child))))
        return True

    def _observer(self, attribute: str, value: str) -> None:
        """A second value of one kind begins another observer."""
        last = self.observers.pop() if self.observers else Observer(None)
        if getattr(last, attribute) is not None:
            self.observers.append(last)
            last = Observer(None)
        new: dict[str, Any] = {attribute: value}
        self.observers.append(replace(last, **new))


_CODES: Mapping[str, str] = MappingProxyType(
    {concepts.LANGUAGE: "languages", concepts.PROCEDURE: "procedures", concepts.SUMMARY: "summaries"}
)


def _is_finding(item: Item, into: Draft) -> bool:
    """Whether a container stands in a group in place of the code of its finding."""
    return key(item.name) in (concepts.FINDING, concepts.ABSENT) and is_group(into.item)


def _is_country(item: Item) -> bool:
    """Whether an item only says whose English it is."""
    return key(item.name) == concepts.COUNTRY and isinstance(item.value, Code) and not item.children


def _says_something(item: Item) -> bool:
    return any(child.value_type != "CONTAINER" for child in item.children)


def read_report(ds: Dataset, base: ReadObject) -> ReadReport:
    """The report in ``ds``, whose header is in ``base``."""
    root = read_tree(ds)
    notes = Notes()
    whole = _Whole(Draft(root, notes), notes)
    notes.faults(root)
    if not root.children:
        notes.add(root, "it has no content")
    whole.children(root, whole.general)
    return ReadReport(
        **vars(base),
        title=root.name,
        template=root.template,
        completion=text(ds, "CompletionFlag"),
        verification=text(ds, "VerificationFlag"),
        preliminary=text(ds, "PreliminaryFlag"),
        languages=tuple(whole.languages),
        observers=tuple(whole.observers),
        procedures=tuple(whole.procedures),
        summaries=tuple(whole.summaries),
        library=tuple(whole.library),
        general=whole.general.group(),
        groups=tuple(whole.groups),
        notes=tuple(notes.notes),
    )
