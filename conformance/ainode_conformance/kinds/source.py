"""Images that a result can be made of, as files and as what the encoders are given."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import ComputedRadiographyImageStorage, CTImageStorage

from ainode.encode.encoder import Images
from ainode.study import Study, read_studies
from ainode.volume.geometry import stack_slices
from ainode_conformance.kinds.samples import classified, dicom_sources, enhanced_series
from ainode_models.radiograph import Radiograph


@dataclass(frozen=True)
class Source:
    """One series, on disk and in memory."""

    files: tuple[Path, ...]
    """Of the images, in the order of the slices."""
    images: Images
    affine: NDArray[np.float64] | None
    """Voxel index ``(slice, row, column)`` to LPS millimetres; None for a projection."""
    study: Study
    """The same as routing sees it."""


Make = Callable[[Path], Source]
"""Writes the images below a folder that does not exist yet."""


def _slices(orientation: str = "axial", *, direction: Literal[1, -1] = 1, **elements: object) -> Make:
    def make(folder: Path) -> Source:
        headers = dicom_sources.with_pixels(dicom_sources.series(orientation, direction=direction), **elements)
        return stacked(dicom_sources.write(headers, folder))

    return make


def _poor(folder: Path) -> Source:
    headers = dicom_sources.with_pixels(dicom_sources.series())
    for ds in headers:
        for keyword in ("StudyID", "AccessionNumber", "PatientBirthDate", "StudyTime", "ReferringPhysicianName"):
            del ds[keyword]
        ds.PatientName, ds.PatientSex, ds.SeriesNumber = None, "", None
    return stacked(dicom_sources.write(headers, folder))


def _enhanced(modality: str) -> Make:
    def make(folder: Path) -> Source:
        classic = dicom_sources.write(
            dicom_sources.with_pixels(dicom_sources.series(), WindowCenter=60, WindowWidth=40), folder
        )
        images = enhanced_series.read_all(classic)
        file = enhanced_series.as_enhanced(images, folder / "enhanced.dcm", modality)
        return stacked([file])

    return make


def stacked(files: Sequence[Path]) -> Source:
    """A series of slices in files."""
    evidence = enhanced_series.read_all(files)
    stack = stack_slices(evidence)
    (study,) = read_studies(files).studies
    by_uid = {ds.SOPInstanceUID: file for ds, file in zip(evidence, files, strict=True)}
    in_order = dict.fromkeys(by_uid[header.SOPInstanceUID] for header in stack.headers)
    return Source(tuple(in_order), Images(evidence=evidence, reference=stack.headers), stack.affine, study)


def _projection(**elements: Any) -> Make:
    def make(folder: Path) -> Source:
        header = classified.radiograph(**elements)
        files = dicom_sources.write([header], folder)
        (image,) = enhanced_series.read_all(files)
        (study,) = read_studies(files).studies
        pixels = np.asarray(image.pixel_array / 4095, np.float32)
        seen = Radiograph(pixels, str(image.Modality), "CHEST", "PA")
        return Source(tuple(files), Images([image], [image], seen), None, study)

    return make


def without_reference(images: Images) -> Images:
    """What the encoders are given when a run broke off."""
    return Images(evidence=images.evidence, reference=())


SOURCES: Mapping[str, Make] = MappingProxyType(
    {
        "MR axial": _slices(),
        "MR against the normal": _slices(direction=-1),
        "MR sagittal": _slices("sagittal"),
        "MR coronal": _slices("coronal"),
        "MR oblique": _slices("oblique"),
        "MR lossy": _slices(
            LossyImageCompression="01", LossyImageCompressionRatio=12, LossyImageCompressionMethod="ISO_10918_1"
        ),
        "MR poor header": _poor,
        "MR Latin-1": _slices(SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Jürgen"),
        "MR Japanese": _slices(SpecificCharacterSet="ISO_IR 192", PatientName="Yamada^Tarou=山田^太郎"),
        "MR time zone": _slices(TimezoneOffsetFromUTC="-0300"),
        "CT": _slices(SOPClassUID=CTImageStorage, Modality="CT", RescaleIntercept=-1024, RescaleSlope=1),
        "MR enhanced": _enhanced("MR"),
        "CT enhanced": _enhanced("CT"),
        "DX": _projection(),
        "CR": _projection(SOPClassUID=ComputedRadiographyImageStorage, Modality="CR"),
    }
)
"""One line makes another source: its name and how to write it."""
