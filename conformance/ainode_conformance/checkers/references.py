"""Ours: what an object refers to is there, and it lies where that does; no free program follows references."""

from collections.abc import Iterator, Sequence

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ParametricMapStorage

from ainode_conformance.checkers.checker import Problem, error, in_order
from ainode_conformance.kinds.kind import Made


class References:
    """Referenced SOP Instance UIDs are of the source or of the run, with their class (PS3.3 10.8)."""

    name = "references"

    def missing(self) -> str | None:
        """Nothing is needed."""
        return None

    def version(self) -> str:
        """Ours."""
        from importlib import metadata

        return metadata.version("ainode")

    def subjects(self, made: Made) -> Sequence[str]:
        """Every DICOM object."""
        return in_order(made.dicom())

    def check(self, made: Sequence[Made]) -> list[Problem]:
        """With the objects beside it and the source."""
        return [
            error(each, name, text)
            for each in made
            for name in self.subjects(each)
            for text in dict.fromkeys(_faults(each, dcmread(each.files[name], stop_before_pixels=True)))
        ]


def _faults(made: Made, ds: Dataset) -> Iterator[str]:
    sources = made.source.images.evidence
    known = {str(one.SOPInstanceUID): str(one.SOPClassUID) for one in sources}
    for path in made.files.values():
        if path.suffix == ".dcm":
            other = dcmread(path, specific_tags=["SOPInstanceUID", "SOPClassUID"])
            known[str(other.SOPInstanceUID)] = str(other.SOPClassUID)
    if prior := made.findings.prior:
        known[prior.sop_instance_uid] = prior.sop_class_uid
    for item in _items(ds):
        uid = item.get("ReferencedSOPInstanceUID")
        if uid is not None and known.get(str(uid)) != item.get("ReferencedSOPClassUID"):
            yield "refers to an instance that is neither of the source nor of this run, or names another class for it"
    frames = {one.get("FrameOfReferenceUID") for one in sources}
    on_slices = ds.Modality == "SEG" or ds.SOPClassUID == ParametricMapStorage
    if on_slices and ds.get("FrameOfReferenceUID") not in frames:
        yield "lies in another frame of reference than its source"
    if ds.SOPClassUID == ParametricMapStorage and not _follow_each_other(ds):
        yield "has frames that do not follow each other along the normal, in which order dcmqi takes them"


def _follow_each_other(ds: Dataset) -> bool:
    """dcmqi reads the frames of a Parametric Map in their order, whatever positions they have."""
    axes = ds.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient
    normal = np.cross(np.array(axes[:3], float), np.array(axes[3:], float))
    places = [frame.PlanePositionSequence[0].ImagePositionPatient for frame in ds.PerFrameFunctionalGroupsSequence]
    heights = np.array(places, float) @ normal
    return bool((np.diff(heights) > 0).all())


def _items(ds: Dataset) -> Iterator[Dataset]:
    for element in ds:
        if element.VR == "SQ":
            for item in element.value:
                yield item
                yield from _items(item)
