"""Who made a result: the node that wrote the object, and the model that found what it says.

IHE AIR keeps the two apart (closed issue 26): General Equipment is the node, Contributing Equipment the model.
"""

from dataclasses import dataclass
from datetime import datetime

from highdicom import ContributingEquipment
from pydicom.sr.codedict import codes

from ainode_models.findings import Findings

_DESCRIPTION = "AI model, SHA-256 of weights "
_RUN = ", run "


@dataclass(frozen=True)
class Equipment:
    """The node: General Equipment (PS3.3 C.7.5.1), with all that Enhanced General Equipment (C.7.5.2) demands."""

    manufacturer: str
    model_name: str
    """``ManufacturerModelName`` (0008,1090)."""
    device_serial_number: str
    software_versions: tuple[str, ...]
    """``SoftwareVersions`` (0018,1020), one or more."""
    station_name: str | None = None
    """``StationName`` (0008,1010), SH of at most 16 characters."""
    institution_name: str | None = None
    """``InstitutionName`` (0008,0080): who owns the node."""


def contributing_equipment(findings: Findings, contributed_at: datetime) -> ContributingEquipment:
    """Item of ``ContributingEquipmentSequence`` (0018,A001) that names the model, as IHE AIR 6.5.3.1 demands.

    The four values are the same as in the content tree of the report (Table 6.5.3.1-1 of IHE AIR).
    The description names the run, by which the object is found in the node's journal.
    """
    algorithm = findings.algorithm
    item = ContributingEquipment(
        manufacturer=algorithm.manufacturer,
        purpose_of_reference=codes.DCM.ProcessingEquipment,
        manufacturer_model_name=algorithm.name,
        software_versions=algorithm.version,
        contribution_datetime=contributed_at,
        contribution_description=f"{_DESCRIPTION}{algorithm.weights_sha256}{_RUN}{findings.run_id}",
    )
    # highdicom 0.28.2 has no argument for it, and without it the item fails IHE AIR.
    item.DeviceUID = algorithm.device_uid
    return item


def run_named_in(description: str | None) -> str | None:
    """The run that a ``ContributionDescription`` (0018,A003) of ours names; None in another's."""
    weights, _, run_id = (description or "").removeprefix(_DESCRIPTION).partition(_RUN)
    return run_id if run_id and description == f"{_DESCRIPTION}{weights}{_RUN}{run_id}" else None
