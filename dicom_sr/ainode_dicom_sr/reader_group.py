"""What one container says, gathered item by item: rules by concept name first, by value type after."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType, UnionType

from ainode_dicom_sr import reader_concepts as concepts
from ainode_dicom_sr.reader_concepts import key
from ainode_dicom_sr.reader_model import (
    Evaluation,
    Group,
    Measurement,
    ReadAlgorithm,
    Reference,
    Region,
    Site,
)
from ainode_dicom_sr.reader_notes import Notes
from ainode_dicom_sr.reader_tree import Item
from ainode_models.findings import Code

_STATEMENTS = frozenset({"CODE", "DATE", "DATETIME", "PNAME", "TEXT", "TIME", "UIDREF"})
_MODIFIERS = _STATEMENTS | {"NUM"}


@dataclass
class Draft:
    """A group while it is read."""

    item: Item
    notes: Notes
    label: str | None = None
    tracking_id: str | None = None
    tracking_uid: str | None = None
    observation_uid: str | None = None
    category: Code | None = None
    finding: Code | str | None = None
    laterality: Code | None = None
    sites: list[Site] = field(default_factory=list)
    algorithms: list[ReadAlgorithm] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)
    regions: list[Region] = field(default_factory=list)
    references: list[Reference] = field(default_factory=list)
    source_series: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)

    def group(self) -> Group:
        """The group as it was gathered."""
        return Group(
            path=self.item.path,
            title=self.item.name,
            label=self.label,
            tracking_id=self.tracking_id,
            tracking_uid=self.tracking_uid,
            observation_uid=self.item.observation_uid or self.observation_uid,
            category=self.category,
            finding=self.finding,
            sites=self._sites(),
            algorithms=tuple(self.algorithms),
            measurements=tuple(self.measurements),
            evaluations=tuple(self.evaluations),
            regions=tuple(self.regions),
            references=tuple(self.references),
            source_series=tuple(self.source_series),
            comments=tuple(self.comments),
        )

    def _sites(self) -> tuple[Site, ...]:
        """A laterality that stands beside its site, as some write it, is that of each site without one."""
        if self.laterality is None:
            return tuple(self.sites)
        without = [site for site in self.sites if site.laterality is None] or [Site(None)]
        return tuple(site for site in self.sites if site.laterality) + tuple(
            replace(site, laterality=self.laterality) for site in without
        )

    def take(self, item: Item) -> None:
        """Take in an item that is no container, and what lies below it."""
        self.notes.faults(item)
        self.observation_uid = self.observation_uid or item.observation_uid
        rule = _RULES.get(key(item.name))
        if rule is None or not rule(self, item):
            self._by_value_type(item)

    def _by_value_type(self, item: Item) -> None:
        if item.value_type == "NUM":
            self.measurements.append(self._measurement(item))
        elif isinstance(item.value, Region):
            self.regions.append(self._region(item, item.value))
        elif isinstance(item.value, Reference):
            self.references.append(item.value)
            self.below(item)
        elif item.value_type in _STATEMENTS and not isinstance(item.value, float):
            self.evaluations.append(self._evaluation(item))
        else:  # a fault is noted
            self.below(item)

    def below(self, item: Item) -> None:
        """Take in what lies below an item whose own value is taken."""
        for child in item.children:
            if child.value_type != "CONTAINER":
                self.take(child)
            elif key(child.name) in concepts.SECTIONS:
                self.notes.faults(child)
                self.below(child)
            else:
                self._not_understood(child)

    def _not_understood(self, item: Item) -> None:
        self.notes.all_of(item, "nothing is known of an item in this place")

    def _evaluation(self, item: Item) -> Evaluation:
        """Statements below it modify it; algorithms, images and coordinates below it are the group's."""
        assert not isinstance(item.value, Reference | Region)
        return Evaluation(item.name, item.value, self.modifiers(item))

    def modifiers(self, item: Item) -> tuple[Evaluation, ...]:
        """The statements below an item; what else lies there is the group's."""
        modifiers, others = [], []
        for child in item.children:
            if child.value_type in _MODIFIERS and key(child.name) not in _OF_GROUP:
                self.notes.faults(child)
                modifiers.append(self._evaluation(child))
            else:
                others.append(child)
        self.below(replace(item, children=tuple(others)))
        return tuple(modifiers)

    def _region(self, item: Item, region: Region) -> Region:
        images, others = [], []
        for child in item.children:
            if isinstance(child.value, Reference):
                self.notes.faults(child)
                images.append(child.value)
                self.below(child)
            else:
                others.append(child)
        return replace(region, images=tuple(images), modifiers=self.modifiers(replace(item, children=tuple(others))))

    def _measurement(self, item: Item) -> Measurement:
        """TID 300 and TID 1419: derivation, method and tracking, then whatever else stands below."""
        own = {key(child.name): child for child in reversed(item.children) if _is_own(child)}
        others = [child for child in item.children if child not in own.values()]
        for child in own.values():
            self.notes.faults(child)
            self.below(child)
        numbers = [child for child in others if child.value_type == "NUM"]
        regions = [child for child in others if isinstance(child.value, Region)]
        references = [child for child in others if isinstance(child.value, Reference)]
        for child in (*numbers, *regions, *references):
            self.notes.faults(child)
        for child in references:
            self.below(child)
        taken = (*numbers, *regions, *references)
        derivation, method, tracking = (own.get(name) for name in _OWN)
        return Measurement(
            concept=item.name,
            value=item.value if isinstance(item.value, float) else None,
            unit=item.unit,
            derivation=_code(derivation),
            method=_code(method),
            tracking_uid=tracking.value if tracking and isinstance(tracking.value, str) else None,
            qualifier=item.qualifier,
            modifiers=self.modifiers(replace(item, children=tuple(child for child in others if child not in taken))),
            regions=tuple(self._region(child, child.value) for child in regions if isinstance(child.value, Region)),
            references=tuple(child.value for child in references if isinstance(child.value, Reference)),
            related=tuple(self._measurement(child) for child in numbers),
        )


_OWN = (concepts.DERIVATION, concepts.METHOD, concepts.TRACKING_UID)


def _is_own(item: Item) -> bool:
    """Whether a measurement has a place of its own for an item below it."""
    name = key(item.name)
    return name in _OWN and isinstance(item.value, str if name == concepts.TRACKING_UID else Code)


def _code(item: Item | None) -> Code | None:
    return item.value if item and isinstance(item.value, Code) else None


def _one(attribute: str, kind: type | UnionType) -> Callable[[Draft, Item], bool]:
    """Rule for what a group has one of; a second one is an evaluation like any other."""

    def rule(draft: Draft, item: Item) -> bool:
        if not isinstance(item.value, kind) or getattr(draft, attribute) is not None:
            return False
        setattr(draft, attribute, item.value)
        draft.below(item)
        return True

    return rule


def _site(draft: Draft, item: Item) -> bool:
    if not isinstance(item.value, Code):
        return False
    sides = [
        child for child in item.children if key(child.name) == concepts.LATERALITY and isinstance(child.value, Code)
    ]
    for side in sides[:1]:
        draft.notes.faults(side)
        draft.below(side)
    others = tuple(child for child in item.children if child not in sides[:1])
    modifiers = draft.modifiers(replace(item, children=others))
    draft.sites.append(Site(item.value, _code(sides[0]) if sides else None, modifiers))
    return True


def _comment(draft: Draft, item: Item) -> bool:
    if not isinstance(item.value, str):
        return False
    draft.comments.append(item.value)
    draft.below(item)
    return True


def _series(draft: Draft, item: Item) -> bool:
    if item.value_type != "UIDREF" or not isinstance(item.value, str):
        return False
    draft.source_series.append(item.value)
    draft.below(item)
    return True


def _algorithm(draft: Draft, item: Item) -> bool:
    """TID 4019: a second name, version, manufacturer or family begins another algorithm."""
    name, value = key(item.name), item.value
    if name == concepts.ALGORITHM_FAMILY:
        if not isinstance(value, Code):
            return False
        _change(draft, family=value)
    elif not isinstance(value, str):
        return False
    elif name == concepts.ALGORITHM_PARAMETERS:
        _change(draft, parameters=value)
    else:
        _change(draft, **{_ALGORITHM[name]: value})
    draft.below(item)
    return True


def _change(draft: Draft, **values: Code | str) -> None:
    last = draft.algorithms.pop() if draft.algorithms else ReadAlgorithm()
    ((attribute, value),) = values.items()
    if attribute != "parameters" and getattr(last, attribute) is not None:
        draft.algorithms.append(last)
        last = ReadAlgorithm()
    new: object = (*last.parameters, value) if attribute == "parameters" else value
    draft.algorithms.append(ReadAlgorithm(**{**vars(last), attribute: new}))


_ALGORITHM: Mapping[str, str] = MappingProxyType(
    {
        concepts.ALGORITHM_MANUFACTURER: "manufacturer",
        concepts.ALGORITHM_NAME: "name",
        concepts.ALGORITHM_VERSION: "version",
    }
)

_ALGORITHM_NAMES = frozenset({*_ALGORITHM, concepts.ALGORITHM_FAMILY, concepts.ALGORITHM_PARAMETERS})
"""Items of TID 4019."""
_OF_GROUP = _ALGORITHM_NAMES | {concepts.COMMENT, concepts.FINDING_SITE}
"""Said of the group, wherever in it they stand."""

_RULES: Mapping[str, Callable[[Draft, Item], bool]] = MappingProxyType(
    {
        **dict.fromkeys(_ALGORITHM_NAMES, _algorithm),
        concepts.CATEGORY: _one("category", Code),
        concepts.COMMENT: _comment,
        concepts.FINDING: _one("finding", Code | str),
        concepts.FINDING_SITE: _site,
        concepts.LATERALITY: _one("laterality", Code),
        concepts.SERIES: _series,
        concepts.SEGMENTED_SERIES: _series,
        concepts.SHORT_LABEL: _one("label", str),
        concepts.TRACKING_ID: _one("tracking_id", str),
        concepts.TRACKING_UID: _one("tracking_uid", str),
    }
)
"""Each takes in an item and what lies below it, or says that the item is none of its kind."""
