"""The measurement groups of a report of ours, back to the segments and classes that they were written from."""

from collections.abc import Mapping, Sequence
from math import nan
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ainode_dicom_sr.reader_concepts import ABSENT
from ainode_dicom_sr.reader_model import Evaluation, Group, Measurement
from ainode_dicom_sr.reader_voxels import ReadVoxels
from ainode_models.errors import InputError
from ainode_models.findings import Agreement, Algorithm, ClassFinding, Code, Decision, Diameter, Segment
from ainode_models.tracking import label_in
from ainode_models.uids import derived_uid

_NOT_STATED = Code("", "", "")
_DECISIONS = MappingProxyType({"373573001": Decision.PRESENT, ABSENT: Decision.ABSENT, "373068000": Decision.UNCERTAIN})
_OF_NORMAL = MappingProxyType({"52101004": Decision.PRESENT, "272519000": Decision.ABSENT})
"""Decisions on a class that says that nothing was found (CID 240)."""
_CERTAINTY, _DIAMETER, _PROBABILITY, _VOLUME = "111012", "81827009", "122157", "118565006"
_UNKNOWN = (nan, nan, nan)
_DIFFERENCE = "442714003"
_LARGEST = 65535
"""Largest number of a segment or class that is looked for; a label map holds 255."""


class OwnGroups:
    """All groups of one report, by the number of their segment or class."""

    def __init__(self, groups: Sequence[Group], run_id: str, algorithm: Algorithm, voxels: ReadVoxels | None) -> None:
        self._run_id = run_id
        self._algorithm = algorithm
        self._voxels = voxels
        agreement = self._uid("agreement")
        self._agreement = [group for group in groups if group.observation_uid == agreement]
        self._numbered = self._by_number([group for group in groups if group.observation_uid != agreement])

    def segments(self) -> tuple[Segment, ...]:
        """In the order of their number."""
        return tuple(self._segment(number, group) for number, group in self._numbered.items() if not _is_class(group))

    def classes(self) -> tuple[ClassFinding, ...]:
        """In the order of their number."""
        return tuple(self._class(number, group) for number, group in self._numbered.items() if _is_class(group))

    def agreement(self) -> Agreement | None:
        """How sure a classifier was; a single net has no disagreement, and its report does not say so."""
        for group in self._agreement:
            single = not any(_named(each, "disagreement") for each in group.measurements)
            return Agreement(
                confidence=self._value(group, _CERTAINTY) / 100,
                margin=self._value(group, "margin") / 100,
                disagreement=0.0 if single else self._value(group, "disagreement") / 100,
            )
        return None

    def label_map(self) -> NDArray[np.uint8] | None:
        """Of the segmentation, with the numbers of the labels."""
        if self._voxels is None:
            return None
        return self._voxels.label_map({group.tracking_uid or "": number for number, group in self._numbered.items()})

    def _uid(self, name: str) -> str:
        return derived_uid(self._run_id, "SR", "ObservationUID", name)

    def _by_number(self, groups: Sequence[Group]) -> Mapping[int, Group]:
        """A group does not say its number, but its Observation UID derives from it."""
        wanted = {group.observation_uid: group for group in groups}
        found: dict[int, Group] = {}
        for number in range(1, _LARGEST + 1):
            if len(found) == len(groups):
                break
            group = wanted.get(self._uid(str(number)))
            if group is not None:
                found[number] = group
        if len(found) != len(groups):
            raise self._changed("has a group that is not of that run")
        return found

    def _segment(self, number: int, group: Group) -> Segment:
        present = isinstance(group.finding, Code)
        kind = group.finding if isinstance(group.finding, Code) else self._evaluated(group)[1]
        uid = group.tracking_uid or ""
        voxels = self._voxels.counts.get(uid) if self._voxels else None
        confident = any(_named(each, _CERTAINTY) for each in group.measurements)
        return Segment(
            number=number,
            label=self._label(group, kind),
            category=group.category or _NOT_STATED,
            type=kind,
            anatomy=self._anatomy(group),
            color=self._voxels.colors.get(uid, (0, 0, 0)) if self._voxels else (0, 0, 0),
            tracking_id=group.tracking_id or "",
            tracking_uid=uid,
            voxels=(voxels or 1) if present else 0,
            volume_ml=self._value(group, _VOLUME) if present else 0.0,
            longest_diameter=self._diameter(group),
            confidence=self._value(group, _CERTAINTY) / 100 if confident else None,
            prior_volume_ml=_then(group),
        )

    def _class(self, number: int, group: Group) -> ClassFinding:
        decision, kind, normal = self._evaluated(group)
        members = (each for each in group.measurements if _named(each, _PROBABILITY) and each.method is not None)
        return ClassFinding(
            number=number,
            label=self._label(group, kind),
            type=kind,
            anatomy=self._anatomy(group),
            tracking_id=group.tracking_id or "",
            tracking_uid=group.tracking_uid or "",
            probability=self._value(group, _PROBABILITY) / 100,
            decision=decision,
            members={
                each.method.meaning: each.value / 100 for each in members if each.method and each.value is not None
            },
            normal=normal,
        )

    def _evaluated(self, group: Group) -> tuple[Decision, Code, bool]:
        """Decision, what it is about, and whether that says that nothing was found."""
        for each in group.evaluations:
            name = each.concept.value if each.concept else ""
            decision = _OF_NORMAL.get(name) or _DECISIONS.get(name)
            if decision is not None and isinstance(each.value, Code):
                return decision, each.value, name in _OF_NORMAL
        raise self._changed("has a group without a finding")

    def _label(self, group: Group, kind: Code) -> str:
        """From the tracking identifier, else from the segmentation; the finding's own name stands for another."""
        label = label_in(group.tracking_id or "", self._algorithm.name)
        in_seg = self._voxels.labels.get(group.tracking_uid or "") if self._voxels else None
        return label or in_seg or kind.meaning

    def _anatomy(self, group: Group) -> Code:
        for site in group.sites:
            if site.code is not None:
                return site.code
        raise self._changed("has a group without a finding site")

    def _diameter(self, group: Group) -> Diameter | None:
        diameters = [each for each in group.measurements if _named(each, _DIAMETER)]
        if not diameters:
            return None
        lines = (each.points for diameter in diameters for each in diameter.regions if each.frame_of_reference_uid)
        start, end = next((points for points in lines if len(points) == 2), (_UNKNOWN, _UNKNOWN))
        return Diameter(self._value(group, _DIAMETER), _point(start), _point(end))

    def _value(self, group: Group, name: str) -> float:
        """Of the model itself: the values of its nets have a method."""
        for each in group.measurements:
            if _named(each, name) and each.method is None and each.value is not None:
                return each.value
        raise self._changed(f"has a group without its measurement {name}")

    def _changed(self, what: str) -> InputError:
        return InputError(f"the report of run {self._run_id} {what}: it was changed since ainode wrote it")


def _point(values: Sequence[float]) -> tuple[float, float, float]:
    x, y, z = values
    return x, y, z


def _then(group: Group) -> float | None:
    """The volume that the change of a segment is inferred from."""
    changes = [each for each in group.measurements if _named(each, _DIFFERENCE)]
    volumes = [below.value for each in changes for below in each.related if _named(below, _VOLUME)]
    return volumes[0] if volumes else None


def _is_class(group: Group) -> bool:
    return any(_named(each, _PROBABILITY) for each in group.measurements)


def _named(each: Measurement | Evaluation, name: str) -> bool:
    return each.concept is not None and each.concept.value == name
