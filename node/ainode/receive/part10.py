"""The head of a DICOM file (PS3.10 7.1) for a data set that came over the network."""

from importlib.metadata import version

from pydicom.uid import UID
from pynetdicom.dsutils import create_file_meta, encode_file_meta

from ainode_models.uids import derived_uid

IMPLEMENTATION_CLASS_UID = UID(derived_uid("implementation"))
IMPLEMENTATION_VERSION_NAME = f"AINODE_{version('ainode')}"[:16]

_PREAMBLE = b"\0" * 128 + b"DICM"


def file_head(*, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, source_ae_title: str) -> bytes:
    """Preamble, prefix and File Meta Information, to be followed by the data set as it came."""
    meta = create_file_meta(
        sop_class_uid=UID(sop_class_uid),
        sop_instance_uid=UID(sop_instance_uid),
        transfer_syntax=UID(transfer_syntax_uid),
        implementation_uid=IMPLEMENTATION_CLASS_UID,
        implementation_version=IMPLEMENTATION_VERSION_NAME,
    )
    meta.SourceApplicationEntityTitle = source_ae_title
    return _PREAMBLE + encode_file_meta(meta)
