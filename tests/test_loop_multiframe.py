"""One Enhanced MR image goes in as a whole series, and its segmentation comes back on its frames."""

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
from peers.node import NodeServer
from peers.orthanc import OrthancServer
from test_loop_ways_in import results_in


def test_an_enhanced_head_is_segmented_on_its_frames(tmp_path: Path) -> None:
    study_uid, files = write_head(tmp_path / "study")
    path = as_enhanced(read_all(files), tmp_path / "enhanced.dcm", order=range(len(files))[::-1])
    with OrthancServer(tmp_path / "orthanc") as orthanc, NodeServer(tmp_path / "node", orthanc) as node:
        storescu([path], "127.0.0.1", node.dicom_port, called="AINODE")
        run = node.wait_for_run("finished", "failed")
        assert run.outcome == "findings", run.reason
        node.wait_for_delivery(run.run_id)
        (uid,) = results_in(orthanc, study_uid)["SEG"]
        seg = highdicom.seg.segread(io.BytesIO(orthanc.file_of(uid)))
    image = dcmread(path)
    frames = [int(source.ReferencedFrameNumber) for source in build_volume([image]).sources]
    assert frames == list(range(len(files), 0, -1))
    mask = seg.get_pixels_by_source_frame(
        image.SOPInstanceUID, frames, combine_segments=True, assert_missing_frames_are_empty=True
    )
    assert overlap(mask == 1, head_phantom()) > 0.9


def overlap(mask: NDArray[np.bool_], phantom: Phantom) -> float:
    """Dice coefficient with the head of the phantom."""
    truth = phantom.labels == 1
    return float(2 * (truth & mask).sum() / (truth.sum() + mask.sum()))
