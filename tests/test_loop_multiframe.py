"""One Enhanced MR image goes in as a series; segmentation and probabilities come back on its frames."""

import io
from pathlib import Path

import highdicom
import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread

from ainode.volume.builder import build_volume
from ainode_models.demo.phantom import Phantom
from peers.dcmtk import storescu
from peers.enhanced_series import as_enhanced, read_all
from peers.head_study import head_phantom, write_head
from peers.node import HEAD_RULE, NodeServer
from peers.orthanc import OrthancServer
from test_loop_ways_in import results_in

RULE = HEAD_RULE.replace("destinations", 'outputs = ["seg", "pm", "sr", "fhir"]\ndestinations')


def test_an_enhanced_head_is_segmented_on_its_frames(tmp_path: Path) -> None:
    study_uid, files = write_head(tmp_path / "study")
    path = as_enhanced(read_all(files), tmp_path / "enhanced.dcm", order=range(len(files))[::-1])
    with OrthancServer(tmp_path / "orthanc") as orthanc, NodeServer(tmp_path / "node", orthanc, rules=RULE) as node:
        storescu([path], "127.0.0.1", node.dicom_port, called="AINODE")
        run = node.wait_for_run("finished", "failed")
        assert run.outcome == "findings", run.reason
        node.wait_for_delivery(run.run_id)
        (uid,) = results_in(orthanc, study_uid)["SEG"]
        (shown,) = orthanc.find("Instance", {"StudyInstanceUID": study_uid, "Modality": "OT"})
        map_uid = shown["MainDicomTags"]["SOPInstanceUID"]
        seg = highdicom.seg.segread(io.BytesIO(orthanc.file_of(uid)))
        pm = highdicom.pm.ParametricMap.from_file(io.BytesIO(orthanc.file_of(map_uid)))
        report = (node.folder / "state" / "results" / run.run_id / "report.json").read_text()
    image = dcmread(path)
    frames = [int(source.ReferencedFrameNumber) for source in build_volume([image]).sources]
    assert frames == list(range(len(files), 0, -1))
    mask = seg.get_pixels_by_source_frame(
        image.SOPInstanceUID, frames, combine_segments=True, assert_missing_frames_are_empty=True
    )
    assert overlap(mask == 1, head_phantom()) > 0.9

    numbers = [
        int(frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber)
        for frame in pm.PerFrameFunctionalGroupsSequence
    ]
    probable = np.zeros(mask.shape)
    probable[[frames.index(number) for number in numbers]] = pm.get_frames(apply_real_world_transform=True)
    assert 0 <= probable.min() < probable.max() <= 1
    assert overlap(probable > 0.5, head_phantom()) > 0.9
    assert np.mean((probable > 0.5) == (mask == 1)) > 0.999
    assert f"urn:oid:{map_uid}" in report


def overlap(mask: NDArray[np.bool_], phantom: Phantom) -> float:
    """Dice coefficient with the head of the phantom."""
    truth = phantom.labels == 1
    return float(2 * (truth & mask).sum() / (truth.sum() + mask.sum()))
