"""CT slices of the size that scanners send."""

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from ainode_models.uids import derived_uid

_STAMP = "complete"


def write_slices(folder: Path, count: int, *, folders: int) -> list[Path]:
    """Write ``count`` slices of 512 x 512 into ``folders`` sub-folders, unless they are there; the sub-folders."""
    parts = [folder / str(number) for number in range(folders)]
    stamp = folder.with_suffix(f".{_STAMP}")
    if stamp.is_file() and stamp.read_text() == str(count):
        return parts
    noise = np.random.default_rng(1).integers(-1000, 2000, (512, 512), dtype=np.int16)
    for part in parts:
        part.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        ct_slice(number, np.roll(noise, number, axis=1)).save_as(
            parts[number * folders // count] / f"{number:05}.dcm", enforce_file_format=True
        )
    stamp.write_text(str(count))
    return parts


def ct_slice(number: int, pixels: np.ndarray[tuple[int, ...], np.dtype[np.int16]]) -> Dataset:
    """A slice of one series, ``pixels`` in Hounsfield units."""
    ds = Dataset()
    ds.SOPClassUID = CTImageStorage
    ds.SOPInstanceUID = derived_uid("bench ct", str(number))
    ds.StudyInstanceUID = derived_uid("bench ct study")
    ds.SeriesInstanceUID = derived_uid("bench ct series")
    ds.FrameOfReferenceUID = derived_uid("bench ct frame")
    ds.Modality = "CT"
    ds.PatientName = "BENCH^CT"
    ds.PatientID = "BENCH"
    ds.StudyDate = ds.StudyTime = ds.AccessionNumber = ds.StudyID = ""
    ds.SeriesNumber = 1
    ds.InstanceNumber = number + 1
    ds.ImagePositionPatient = [-250, -250, float(number)]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing = [1, 1]
    ds.SliceThickness = 1
    ds.Rows, ds.Columns = pixels.shape
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit = 15
    ds.PixelRepresentation = 1
    ds.RescaleIntercept = 0
    ds.RescaleSlope = 1
    ds.PixelData = pixels.tobytes()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return ds
