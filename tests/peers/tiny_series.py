"""Small CT images made on the spot, for tests that need objects to send but not what they show."""

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid


def write_series(
    folder: Path, *, images: int, study_uid: str | None = None, seed: str = "1", rows: int = 16
) -> list[Path]:
    """Write ``images`` slices of one new series; UIDs derive from ``seed`` so that a failure can be repeated."""
    folder.mkdir(parents=True, exist_ok=True)
    series = Dataset()
    series.PatientName = "Phantom^Tiny"
    series.PatientID = f"tiny-{seed}"
    series.PatientBirthDate = series.PatientSex = ""
    series.StudyInstanceUID = study_uid or generate_uid(entropy_srcs=["study", seed])
    series.SeriesInstanceUID = generate_uid(entropy_srcs=["series", seed])
    series.FrameOfReferenceUID = generate_uid(entropy_srcs=["frame", seed])
    series.StudyDate, series.StudyTime, series.Modality = "20260102", "030405", "CT"
    series.AccessionNumber = series.StudyID = series.ReferringPhysicianName = ""
    series.SeriesNumber = 1
    return [_write_slice(folder, series, number, seed, rows) for number in range(1, images + 1)]


def _write_slice(folder: Path, series: Dataset, number: int, seed: str, rows: int) -> Path:
    image = Dataset()
    image.update(series)
    image.SOPClassUID = CTImageStorage
    image.SOPInstanceUID = generate_uid(entropy_srcs=["instance", seed, str(number)])
    image.InstanceNumber = number
    image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    image.ImagePositionPatient = [0, 0, number * 2.0]
    image.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    image.PixelSpacing, image.SliceThickness = [1.0, 1.0], 2.0
    image.Rows = image.Columns = rows
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated = image.BitsStored = 16
    image.HighBit, image.PixelRepresentation = 15, 0
    image.RescaleIntercept, image.RescaleSlope = -1024, 1
    noise = np.random.default_rng(number).integers(0, 2000, (rows, rows), dtype=np.uint16)
    image.PixelData = noise.tobytes()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path = folder / f"{number:04}.dcm"
    image.save_as(path, enforce_file_format=True)
    return path
