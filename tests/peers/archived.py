"""Results of the node as an archive has them."""

from io import BytesIO

from pydicom import dcmread
from pydicom.dataset import Dataset

from ainode.journal.runs import RunRow
from ainode_dicom_sr.equipment import run_named_in
from peers.orthanc import OrthancServer


def results_in(orthanc: OrthancServer, study_uid: str, modality: str) -> list[Dataset]:
    """What Orthanc has of a modality, by Instance Number."""
    found = orthanc.find("Instance", {"StudyInstanceUID": study_uid, "Modality": modality})
    files = [orthanc.file_of(item["MainDicomTags"]["SOPInstanceUID"]) for item in found]
    return sorted((dcmread(BytesIO(file)) for file in files), key=lambda ds: int(ds.InstanceNumber))


def results_of_run(orthanc: OrthancServer, run: RunRow, modality: str) -> list[Dataset]:
    """Those of one run, which their Contributing Equipment names."""
    return [
        ds
        for ds in results_in(orthanc, run.study_uid, modality)
        if run_named_in(ds.ContributingEquipmentSequence[0].ContributionDescription) == run.run_id
    ]


def referred_to(ds: Dataset) -> set[str]:
    """SOP Instance UIDs of all instances that an object refers to."""
    return {str(element.value) for element in ds.iterall() if element.keyword == "ReferencedSOPInstanceUID"}
