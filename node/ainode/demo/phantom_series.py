"""Phantoms as the classic MR series that a scanner would send."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage
from pydicom.valuerep import DSfloat

from ainode_models.demo.phantom import Phantom
from ainode_models.errors import EncodingError
from ainode_models.uids import derived_uid
from ainode_models.volume import Volume


@dataclass(frozen=True)
class PhantomStudy:
    """Patient and study of a phantom; all its UIDs are a function of ``seed``."""

    seed: str
    acquired_at: datetime
    """Study, series and content date and time."""
    patient_name: str = "PHANTOM^BRAIN"
    patient_id: str = "PHANTOM-BRAIN"
    accession_number: str = "PHANTOM"
    description: str = "MR brain phantom"

    @property
    def study_uid(self) -> str:
        """``StudyInstanceUID``."""
        return derived_uid("phantom study", self.seed)


@dataclass(frozen=True)
class Protocol:
    """What one MR series is called and how it would have been acquired (PS3.3 C.8.3.1)."""

    number: int
    """``SeriesNumber``; with the study's seed it decides the UIDs of series and instances."""
    description: str
    """``SeriesDescription``."""
    repetition_time: float
    """ms."""
    echo_time: float
    """ms."""
    scanning_sequence: tuple[str, ...]
    sequence_variant: tuple[str, ...]
    inversion_time: float | None = None
    """ms; None without inversion recovery."""
    contrast_agent: str | None = None
    """``ContrastBolusAgent``; None before contrast."""
    body_part: str = "BRAIN"


PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {
        "T1": Protocol(2, "T1", 1900, 2.5, ("GR", "IR"), ("SP", "MP"), inversion_time=900),
        "T1c": Protocol(
            5,
            "T1 post",
            1900,
            2.5,
            ("GR", "IR"),
            ("SP", "MP"),
            inversion_time=900,
            contrast_agent="Gadobutrol",
        ),
        "T2": Protocol(3, "T2", 5000, 100, ("SE",), ("SK", "SP")),
        "FLAIR": Protocol(4, "FLAIR", 9000, 120, ("SE", "IR"), ("SK", "SP"), inversion_time=2500),
    }
)
"""By the name of the model's input."""


def write_study(folder: Path, phantom: Phantom, *, study: PhantomStudy) -> dict[str, list[Path]]:
    """Write every volume of ``phantom`` as a series in a folder of its own; the files by input name."""
    return {
        name: write_series(folder / name, volume, study=study, protocol=PROTOCOLS[name])
        for name, volume in phantom.volumes.items()
    }


def write_series(folder: Path, volume: Volume, *, study: PhantomStudy, protocol: Protocol) -> list[Path]:
    """Write ``volume`` as MR Image Storage, one file for each slice, in the order of its slices.

    Values must be whole and from 0 to 65535, else EncodingError. Where the slices of ``volume`` do not ascend
    along row axis x column axis, whoever reads the series gets them in the opposite order, at the same places.
    """
    stored = _stored_values(volume)
    folder.mkdir(parents=True, exist_ok=True)
    common = _series_header(study, protocol)
    common.update(_image_header(volume, stored))
    paths = [folder / f"{index + 1:04}.dcm" for index in range(len(stored))]
    for index, path in enumerate(paths):
        _instance(common, volume, index, stored[index]).save_as(path, enforce_file_format=True)
    return paths


def _stored_values(volume: Volume) -> NDArray[np.uint16]:
    whole = np.rint(volume.array)
    if whole.min() < 0 or whole.max() > np.iinfo(np.uint16).max or np.any(whole != volume.array):
        raise EncodingError("a phantom's voxels are not whole numbers from 0 to 65535: scale and round them first")
    stored: NDArray[np.uint16] = whole.astype("<u2")
    return stored


def _series_header(study: PhantomStudy, protocol: Protocol) -> Dataset:
    ds = Dataset()
    ds.SOPClassUID = MRImageStorage
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = f"{study.acquired_at:%Y%m%d}"
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = f"{study.acquired_at:%H%M%S}"
    ds.AccessionNumber = study.accession_number
    ds.Modality = "MR"
    ds.Manufacturer = "ainode"
    ds.ManufacturerModelName = "phantom"
    ds.ReferringPhysicianName = ""
    ds.StudyDescription = study.description
    ds.PatientName = study.patient_name
    ds.PatientID = study.patient_id
    ds.PatientBirthDate = ds.PatientSex = ""
    ds.PatientPosition = "HFS"
    ds.StudyInstanceUID = study.study_uid
    ds.SeriesInstanceUID = derived_uid("phantom series", study.seed, str(protocol.number))
    ds.StudyID = "1"
    ds.SeriesNumber = ds.AcquisitionNumber = protocol.number
    ds.PositionReferenceIndicator = ""
    ds.update(_acquisition_header(protocol))
    return ds


def _acquisition_header(protocol: Protocol) -> Dataset:
    ds = Dataset()
    ds.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    ds.SeriesDescription = ds.ProtocolName = protocol.description
    ds.BodyPartExamined = protocol.body_part
    ds.ScanningSequence = list(protocol.scanning_sequence)
    ds.SequenceVariant = list(protocol.sequence_variant)
    ds.ScanOptions = ""
    ds.MRAcquisitionType = "3D" if "GR" in protocol.scanning_sequence else "2D"
    ds.RepetitionTime = protocol.repetition_time
    ds.EchoTime = protocol.echo_time
    ds.EchoTrainLength = 1
    ds.MagneticFieldStrength = 3
    if protocol.inversion_time is not None:
        ds.InversionTime = protocol.inversion_time
    if protocol.contrast_agent is not None:
        ds.ContrastBolusAgent = protocol.contrast_agent
    return ds


def _image_header(volume: Volume, stored: NDArray[np.uint16]) -> Dataset:
    between_slices, between_rows, between_columns = volume.spacing
    brightest = int(np.quantile(stored, 0.995)) or 1
    ds = Dataset()
    ds.FrameOfReferenceUID = volume.frame_of_reference_uid
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = stored.shape[1:]
    ds.BitsAllocated = 16
    ds.BitsStored = 12 if stored.max() < 1 << 12 else 16
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = 0
    ds.WindowCenter, ds.WindowWidth = brightest // 2, brightest
    ds.SliceThickness = ds.SpacingBetweenSlices = _decimal(between_slices)
    ds.PixelSpacing = [_decimal(between_rows), _decimal(between_columns)]
    along_row, along_column = volume.affine[:3, 2] / between_columns, volume.affine[:3, 1] / between_rows
    ds.ImageOrientationPatient = [_decimal(cosine) for cosine in (*along_row, *along_column)]
    return ds


def _instance(common: Dataset, volume: Volume, index: int, stored: NDArray[np.uint16]) -> Dataset:
    ds = Dataset()
    ds.update(common)
    ds.InstanceNumber = index + 1
    ds.SOPInstanceUID = derived_uid("phantom instance", common.SeriesInstanceUID, str(index + 1))
    ds.ImagePositionPatient = [_decimal(mm) for mm in (volume.affine @ (index, 0, 0, 1))[:3]]
    ds.PixelData = stored.tobytes()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return ds


def _decimal(value: float) -> DSfloat:
    """The nearest number that fits the 16 characters of a DS (PS3.5 6.2)."""
    return DSfloat(float(value), auto_format=True)
