"""cornerstone's adapters, with which OHIF reads a segmentation: voxels, labels and colours."""

import base64
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from highdicom.color import CIELabColor

from ainode_conformance.checkers.checker import Problem, error
from ainode_conformance.checkers.packages import Packages
from ainode_conformance.kinds.kind import Made


class Cornerstone:
    """Segmentations of series of single images; frames of an enhanced image, OHIF has to take apart before."""

    name = "cornerstone"

    def __init__(self, packages: Packages) -> None:
        self._packages = packages

    def missing(self) -> str | None:
        """The npm packages."""
        return self._packages.missing()

    def version(self) -> str:
        """Of the adapters."""
        return self._packages.version("@cornerstonejs/adapters")

    def subjects(self, made: Made) -> Sequence[str]:
        """Segmentations."""
        return sorted(made.dicom("seg", "labelmap", "split")) if len(made.source.files) > 1 else []

    def check(self, made: Sequence[Made]) -> list[Problem]:
        """All in one process."""
        wanted = [(each, name) for each in made for name in self.subjects(each)]
        jobs = [
            {"sources": [str(file) for file in each.source.files], "seg": str(each.files[name])}
            for each, name in wanted
        ]
        answers = self._packages.run("cornerstone.mjs", jobs) if jobs else []
        return [
            error(each, name, text)
            for (each, name), answer in zip(wanted, answers, strict=True)
            for text in _differences(each, name, answer)
        ]


def _differences(made: Made, name: str, answer: dict[str, Any]) -> Iterator[str]:
    if "error" in answer:
        yield f"cannot read it: {answer['error']}"
        return
    present = made.segments(name)
    read = {number: (label, color) for number, label, color in answer["segments"] if number}  # 0: the background
    if list(read) != list(present):
        yield f"reads the segments {list(read)}, not those of the label map"
        return
    for number, segment in present.items():
        label, color = read[number]
        if label != segment.label:
            yield f"segment {number} has the label {label!r} instead of {segment.label!r}"
        if color != list(CIELabColor.from_rgb(*segment.color).value):
            yield f"segment {number} has the colour {color}"
    if answer["overlapping"]:
        yield "says that segments overlap"
    labels = made.findings.label_map
    assert labels is not None
    voxels = np.frombuffer(base64.b64decode(answer["voxels"]), np.uint8)
    expected = np.zeros(labels.shape, np.uint8)
    for number, segment in present.items():
        expected[labels == segment.number] = number
    if not np.array_equal(voxels, expected.ravel()):
        yield f"reads {np.count_nonzero(voxels != expected.ravel())} voxels otherwise than the label map"
