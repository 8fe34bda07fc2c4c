"""Results as files of PS3.10."""

from importlib.metadata import version
from io import BytesIO
from typing import BinaryIO

from pydicom import dcmwrite
from pydicom.dataset import Dataset
from pydicom.uid import UID

from ainode_models.uids import derived_uid

IMPLEMENTATION_CLASS_UID = UID(derived_uid("implementation"))
"""``ImplementationClassUID`` (0002,0012) of all objects that ainode writes."""


def implementation_version_name() -> str:
    """``ImplementationVersionName`` (0002,0013), SH of at most 16 characters."""
    return f"AINODE_{version('ainode')}"[:16]


def name_implementation(ds: Dataset) -> None:
    """Name ainode in the file meta information as the writer (PS3.10 section 7.1)."""
    ds.file_meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    ds.file_meta.ImplementationVersionName = implementation_version_name()


def encoded(ds: Dataset) -> bytes:
    """The file of PS3.10: preamble, file meta information, data set in its own transfer syntax."""
    file = BytesIO()
    write_object(ds, file)
    return file.getvalue()


def write_object(ds: Dataset, file: BinaryIO) -> None:
    """Write what ``encoded`` gives, which may be a gigabyte, without having it in memory."""
    dcmwrite(file, ds, enforce_file_format=True)
