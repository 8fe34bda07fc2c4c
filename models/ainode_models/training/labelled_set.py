"""The images of a data set, with what is known of them and what each is used for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ainode_models.training.cxr_plan import HELD_OUT, VALIDATION
from ainode_models.training.split import Split, split
from ainode_models.training.xray_folder import LabelledXray


@dataclass(frozen=True)
class LabelledSet:
    """All images, in the order of their files."""

    xrays: tuple[LabelledXray, ...]
    digests: tuple[str, ...]
    """SHA-256 of the pixels of each."""
    split: Split
    by_patient: bool
    """False when nothing says whose images they are."""

    @classmethod
    def of(
        cls, xrays: tuple[LabelledXray, ...], digests: tuple[str, ...], *, by_patient: bool, seed: int
    ) -> "LabelledSet":
        """Split into parts of which no two have an image of one patient; raises `InputError` where that cannot be."""
        patients = [xray.patient.id for xray in xrays]
        parts = split(labels_of(xrays), patients, digests, shares=(VALIDATION, HELD_OUT), seed=seed)
        return cls(xrays, digests, parts, by_patient)

    @property
    def patients(self) -> int:
        """How many there are."""
        return len({xray.patient.id for xray in self.xrays})

    def part(self, indices: NDArray[np.intp]) -> tuple[LabelledXray, ...]:
        """Some of the images."""
        return tuple(self.xrays[index] for index in indices)


def labels_of(xrays: Sequence[LabelledXray]) -> NDArray[np.intp]:
    """Class of each image, from 0."""
    return np.array([xray.label for xray in xrays], np.intp)
