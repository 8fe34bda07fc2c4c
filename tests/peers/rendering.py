"""Small images of every kind that DICOM shows, and the pictures that dcmtk makes of them."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage

SHAPE = (34, 42)


def scan(bits: int, *, signed: bool = False) -> NDArray[np.integer]:
    """A smooth image with noise that uses the whole range, ``SHAPE``."""
    row, column = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]]
    noise = np.random.default_rng(bits).normal(0, 0.02, SHAPE)
    level = np.clip((np.sin(row / 9) * np.cos(column / 11) + 1) / 2 + noise, 0, 1)
    values = np.rint(level * ((1 << bits) - 1)).astype(np.int64) - signed * (1 << bits - 1)
    stored: NDArray[np.integer] = values.astype(np.dtype(f"<{'i' if signed else 'u'}{1 if bits <= 8 else 2}"))
    return stored


def colour_scan() -> NDArray[np.uint8]:
    """Three smooth samples of 8 bits for each pixel, ``(*SHAPE, 3)``."""
    row, column = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]]
    samples = [np.sin(row / 5), np.cos(column / 7), np.sin((row + column) / 9)]
    return np.rint((np.stack(samples, axis=-1) + 1) * 127.5).astype(np.uint8)


def image_of(values: NDArray[np.integer], bits: int, **elements: Any) -> Dataset:
    """One frame as an uncompressed Secondary Capture image, with other ``elements``."""
    image = Dataset()
    image.SOPClassUID, image.SOPInstanceUID = SecondaryCaptureImageStorage, "2.25.1"
    image.StudyInstanceUID, image.SeriesInstanceUID, image.InstanceNumber = "2.25.2", "2.25.3", 1
    image.PatientID, image.PatientName, image.Modality = "X", "SECRET^NAME", "OT"
    image.Rows, image.Columns = SHAPE
    image.SamplesPerPixel, image.PhotometricInterpretation = (3, "RGB") if values.ndim == 3 else (1, "MONOCHROME2")
    if values.ndim == 3:
        image.PlanarConfiguration = 0
    image.BitsAllocated, image.BitsStored, image.HighBit = values.itemsize * 8, bits, bits - 1
    image.PixelRepresentation = int(values.dtype.kind == "i")
    image.PixelData = values.tobytes()
    image["PixelData"].VR = "OW"
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for keyword, value in elements.items():
        setattr(image, keyword, value)
    return image


def table(entries: Sequence[int] | NDArray[Any], first: int, bits: int, *, packed: bool = False) -> list[Dataset]:
    """A Modality or VOI LUT Sequence of one item, of OW data; ``packed``: two entries of 8 bits to a word."""
    item = Dataset()
    data = np.asarray(entries, "<u1" if packed else "<u2").tobytes()
    item.LUTDescriptor, item.LUTData = [len(entries) % 65536, first, bits], data
    item["LUTDescriptor"].VR, item["LUTData"].VR = "SS" if first < 0 else "US", "OW"
    item.ModalityLUTType = "US"
    return [item]


def palette(tables: NDArray[Any], first: int, bits: int, *, packed: bool = False) -> dict[str, Any]:
    """Elements of a Palette Color Lookup Table Module of ``(3, entries)`` values."""
    elements: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for channel, entries in zip(("Red", "Green", "Blue"), tables, strict=True):
        name = f"{channel}PaletteColorLookupTable"
        elements[f"{name}Descriptor"] = [tables.shape[1] % 65536, first, bits]
        elements[f"{name}Data"] = entries.astype("<u1" if packed else "<u2").tobytes()
    return elements


def dcmtk_picture(path: Path, folder: Path, *options: str) -> NDArray[np.uint8]:
    """Picture by dcmtk with ``options``, 0 to 255, without overlays; by way of gdcm's decoder for JPEG 2000."""
    header = subprocess.run(["/usr/bin/dcmdump", "+P", "0002,0010", "-Un", path], capture_output=True, check=True)
    syntax = UID(header.stdout.decode().partition("[")[2].partition("]")[0])
    program = {"JPEG Ba": "dcmj2pnm", "JPEG Ex": "dcmj2pnm", "JPEG Lo": "dcmj2pnm", "JPEG-LS": "dcml2pnm"}
    if syntax.name.startswith("JPEG 2000"):
        subprocess.run(["/usr/bin/gdcmconv", "--raw", path, folder / "raw.dcm"], check=True)
        path = folder / "raw.dcm"
    command = [f"/usr/bin/{program.get(syntax.name[:7], 'dcm2pnm')}", "-q", "-O", *options, "+on"]
    subprocess.run([*command, path, folder / "picture.png"], check=True, capture_output=True)
    return np.asarray(Image.open(folder / "picture.png"))
