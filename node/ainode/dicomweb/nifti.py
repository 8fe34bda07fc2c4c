"""A NIfTI volume as a DICOM series: one image for each slice, where the affine puts it."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import nibabel
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage
from pydicom.valuerep import format_number_as_ds

from ainode.dicomweb.nifti_values import StoredValues, stored_values
from ainode_dicom_sr.objects import encoded, name_implementation
from ainode_models.errors import GeometryError, InstanceError
from ainode_models.uids import derived_uid

_READ_BYTES = 1 << 20
_GZIP = b"\x1f\x8b"
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_MILLIMETRES = {"meter": 1000.0, "mm": 1.0, "micron": 0.001, "unknown": 1.0}
_SKEW = 1e-4
_UNREADABLE = (
    nibabel.filebasedimages.ImageFileError,
    nibabel.spatialimages.HeaderDataError,
    nibabel.wrapstruct.WrapStructError,
    OSError,
    EOFError,
    ValueError,
    OverflowError,
    MemoryError,
    TypeError,
    IndexError,
    KeyError,
)


@dataclass(frozen=True)
class Subject:
    """Whose a volume is, and what it shows; empty where the sender does not say."""

    patient_id: str
    study_uid: str
    modality: str
    """``MR`` or ``CT``."""
    description: str


@dataclass(frozen=True)
class NiftiSeries:
    """One volume, ready to be written."""

    values: StoredValues
    affine: NDArray[np.float64]
    """Voxel index (i, j, k) to LPS mm, ``(4, 4)``, its axes at right angles."""
    subject: Subject
    digest: str
    """SHA-256 of the file, uncompressed."""

    @classmethod
    def read(cls, path: Path, digest: str, *, subject: Subject) -> "NiftiSeries":
        """The one volume of an uncompressed file; see `read_volumes` for what is refused."""
        (values,), affine = read_volumes(path)
        return cls(values, affine, subject, digest)

    def instances(self) -> Iterator[bytes]:
        """The DICOM files, one slice along the third axis each; the same volume and subject make the same bytes."""
        common = self._common()
        for index in range(self.values.slices):
            image = Dataset()
            image.update(common)
            self._place(image, index)
            image.PixelData = self.values.slice(index)
            image.file_meta = FileMetaDataset()
            image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            name_implementation(image)
            yield encoded(image)

    def _uid(self, *what: str) -> str:
        subject = self.subject
        return derived_uid("nifti", self.digest, subject.patient_id, subject.study_uid, subject.modality, *what)

    def _common(self) -> Dataset:
        """What all slices share."""
        ds = Dataset()
        ds.SpecificCharacterSet = "ISO_IR 192"
        ds.StudyInstanceUID = self.subject.study_uid or self._uid("study")
        ds.SeriesInstanceUID = self._uid("series", self.subject.description)
        ds.FrameOfReferenceUID = self._uid("frame of reference")
        ds.PatientID = self.subject.patient_id or f"NIFTI-{self.digest[:12]}"
        ds.PatientName = ds.PatientBirthDate = ds.PatientSex = ""
        ds.StudyDate = ds.StudyTime = ds.AccessionNumber = ds.StudyID = ds.ReferringPhysicianName = ""
        ds.PositionReferenceIndicator = ds.PatientPosition = ds.Laterality = ""
        ds.SeriesNumber = 1
        ds.SeriesDescription = f"{self.subject.description} from NIfTI".strip()
        ds.Manufacturer = "ainode"
        ds.ConversionType = "WSD"
        self._describe_modality(ds)
        self._describe_pixels(ds)
        return ds

    def _describe_modality(self, ds: Dataset) -> None:
        """What MR Image and CT Image Storage ask for (PS3.3 C.8.3.1, C.8.2.1), and nobody knows."""
        ds.Modality = self.subject.modality
        if ds.Modality == "CT":
            ds.SOPClassUID, ds.ImageType = CTImageStorage, ["DERIVED", "SECONDARY", "AXIAL"]
            ds.KVP = ds.AcquisitionNumber = None
            return
        ds.SOPClassUID, ds.ImageType = MRImageStorage, ["DERIVED", "SECONDARY", "OTHER"]
        ds.ScanningSequence, ds.SequenceVariant, ds.ScanOptions = "RM", "NONE", ""
        ds.MRAcquisitionType = ""
        ds.EchoTime = ds.RepetitionTime = ds.EchoTrainLength = None

    def _describe_pixels(self, ds: Dataset) -> None:
        ds.Columns, ds.Rows = self.values.shape[:2]
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.BitsAllocated = ds.BitsStored = 16
        ds.HighBit, ds.PixelRepresentation = 15, int(self.values.signed)
        ds.RescaleSlope = format_number_as_ds(self.values.slope)
        ds.RescaleIntercept = format_number_as_ds(self.values.intercept)
        ds.RescaleType = "US"

    def _place(self, image: Dataset, index: int) -> None:
        """Plane of one slice (PS3.3 C.7.6.2): columns of the image run along i, rows along j."""
        step = np.linalg.norm(self.affine[:3, :3], axis=0)
        axes = self.affine[:3, :3] / step
        image.SOPInstanceUID = self._uid("instance", self.subject.description, str(index))
        image.InstanceNumber = index + 1
        image.PixelSpacing = _decimals([step[1], step[0]])
        image.SliceThickness = image.SpacingBetweenSlices = _decimals([step[2]])[0]
        image.ImageOrientationPatient = _decimals([*axes[:, 0], *axes[:, 1]])
        image.ImagePositionPatient = _decimals((self.affine @ [0, 0, index, 1])[:3])


def read_volumes(
    path: Path, count: int = 1, *, cure: str = "send each as a file of its own"
) -> tuple[list[StoredValues], NDArray[np.float64]]:
    """The ``count`` volumes of an uncompressed file, and their affine to LPS mm.

    InstanceError when it is none, or holds another number of volumes (``cure`` says what to do then), or colours;
    GeometryError when the affine is not there or cannot be said in DICOM.
    """
    try:
        image: Any = nibabel.load(path)
        kind = type(image)
        assert issubclass(kind, nibabel.Nifti1Image)
        return stored_values(image, count, cure=cure), _affine(image)
    except (*_UNREADABLE, AssertionError) as exc:
        raise InstanceError("the body is no NIfTI file of one piece (.nii or .nii.gz), or a damaged one") from exc


@contextmanager
def inflated(path: Path, *, longest: int, limit: str = "[dicomweb] max_object") -> Iterator[Path]:
    """The file without its gzip, if it has one; InstanceError when it is damaged or longer than ``longest`` bytes.

    ``limit`` is the setting that says so.
    """
    plain = path.with_name(f"{uuid4().hex}.nii")
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == _GZIP
        if zipped:
            _inflate(path, plain, longest, limit)
        else:
            path.rename(plain)
        yield plain
    finally:
        plain.unlink(missing_ok=True)


def _inflate(path: Path, plain: Path, longest: int, limit: str) -> None:
    size = 0
    try:
        with gzip.open(path) as source, plain.open("xb") as target:
            while piece := source.read(_READ_BYTES):
                size += len(piece)
                if size > longest:
                    raise InstanceError(f"inflates to more than {longest} bytes, which {limit} allows")
                target.write(piece)
    except (gzip.BadGzipFile, EOFError, zlib.error) as exc:
        raise InstanceError("the gzip file is damaged or cut short; send it again") from exc


def _affine(image: Any) -> NDArray[np.float64]:
    """Voxel index to LPS mm; GeometryError when the file does not say, or its axes are not at right angles."""
    header = image.header
    if not (int(header["sform_code"]) or int(header["qform_code"])):
        raise GeometryError("the NIfTI file says nothing of where its voxels are (sform and qform code 0)")
    affine: NDArray[np.float64] = _RAS_TO_LPS @ np.asarray(image.affine, dtype=np.float64)
    affine[:3] *= _MILLIMETRES.get(header.get_xyzt_units()[0], 1.0)
    step = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or step.min() <= 0:
        raise GeometryError("the affine of the NIfTI file has an axis without length, or values that are no numbers")
    axes = affine[:3, :3] / step
    if np.abs(axes.T @ axes - np.eye(3)).max() > _SKEW:
        raise GeometryError(
            "the axes of the NIfTI file are not at right angles, which a DICOM series needs: resample it"
        )
    return affine


def _decimals(values: Any) -> list[str]:
    """Values of VR DS, to 1e-10 of their size."""
    return [format_number_as_ds(float(value) + 0.0) for value in values]
