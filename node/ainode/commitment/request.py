"""What a peer asks to have committed: the Action Information of PS3.4 Table J.3-1."""

from pydicom.dataset import Dataset

from ainode.journal.commitments import CommitmentRequest, Reference
from ainode.receive.uids import is_valid_uid
from ainode_models.errors import InstanceError


def read_request(information: Dataset, *, calling: str, address: str) -> CommitmentRequest:
    """The request in an Action Information; InstanceError when it lacks something or has a bad UID."""
    items = information.get("ReferencedSOPSequence") or []
    references = tuple(
        Reference(_uid(item, "ReferencedSOPClassUID"), _uid(item, "ReferencedSOPInstanceUID")) for item in items
    )
    if not references:
        raise InstanceError("ReferencedSOPSequence (0008,1199) is missing or empty; name the instances")
    return CommitmentRequest(_uid(information, "TransactionUID"), calling, address, references)


def _uid(ds: Dataset, keyword: str) -> str:
    # As it came: pydicom would print a bad UID as a warning.
    value = ds.get_item(keyword).value if keyword in ds else b""
    text = value.decode("ascii", "replace").rstrip("\0 ") if isinstance(value, bytes) else str(value)
    if not is_valid_uid(text):
        raise InstanceError(f"{keyword} is missing or no valid UID (PS3.5 9.1); mend it at the sender")
    return text
