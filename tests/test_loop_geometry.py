"""From the images of a series to the voxels of its SEG: dcm2niix, the model, highdicom and dcmqi see one place."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import highdicom.seg
import numpy as np
import pytest
from numpy.typing import NDArray

from ainode.demo.phantom_series import PROTOCOLS, PhantomStudy, write_series
from ainode.volume.builder import build_volume
from ainode_dicom_sr.equipment import Equipment
from ainode_dicom_sr.objects import encoded
from ainode_dicom_sr.segmentation import segmentation
from ainode_models.demo.grid import Orientation
from ainode_models.measure import findings_of
from ainode_models.package import ModelPackage
from ainode_models.runtime import Runtime, runtime_for
from ainode_models.volume import Volume
from peers.dcm2niix import convert, in_axes_of, read
from peers.dicom_checkers import segment_images
from peers.head_study import STUDIED_AT, head_phantom
from peers.shared_data import ROOT, shared_data

NODE = Equipment("ainode", "ainode", "1", ("0",))


def phantom(orientation: Orientation) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        volume = head_phantom(orientation=orientation).volumes["T1"]
        write_series(folder, volume, study=PhantomStudy("geometry", STUDIED_AT), protocol=PROTOCOLS["T1"])
        return folder

    return write


def real_oblique_head(_folder: Path) -> Path:
    return shared_data("mr-head") / "dicoms"


@pytest.fixture(scope="module")
def package() -> ModelPackage:
    return ModelPackage.open(ROOT / "models" / "t1-head-demo")


@pytest.fixture(scope="module")
def model(package: ModelPackage) -> Runtime:
    runtime = runtime_for(package)
    runtime.load(package, "cpu")
    return runtime


@pytest.mark.parametrize(
    "series",
    [
        pytest.param(phantom("sagittal"), id="sagittal phantom"),
        pytest.param(phantom("coronal"), id="coronal phantom"),
        pytest.param(real_oblique_head, id="real oblique head"),
    ],
)
def test_every_reader_finds_the_label_map_where_dcm2niix_finds_the_head(
    series: Callable[[Path], Path], tmp_path: Path, package: ModelPackage, model: Runtime
) -> None:
    folder = series(tmp_path / "series")
    built = build_volume(sorted(folder.glob("*.dcm")))
    assert_as_dcm2niix_reads(folder, built.volume, tmp_path)

    findings = findings_of(
        model.predict({"T1": built.volume}),
        package,
        grid=built.volume,
        run_id="geometry",
        started_at=datetime(2026, 11, 2, tzinfo=UTC),
    )
    assert findings.label_map is not None
    assert np.count_nonzero(findings.label_map) > 1000
    path = tmp_path / "seg.dcm"
    path.write_bytes(encoded(segmentation(findings, built.sources, NODE)))

    uids = [str(source.SOPInstanceUID) for source in built.sources]
    read_back = highdicom.seg.segread(path).get_pixels_by_source_instance(
        uids, combine_segments=True, assert_missing_frames_are_empty=True
    )
    assert np.array_equal(read_back, findings.label_map)
    (image,) = segment_images(path, tmp_path / "dcmqi").values()
    assert np.array_equal(on_grid(image.array != 0, image.affine, built.volume), findings.label_map != 0)


def assert_as_dcm2niix_reads(folder: Path, ours: Volume, out: Path) -> None:
    theirs = in_axes_of(read(convert(folder, out / "nifti")), ours.affine)
    assert np.array_equal(theirs.array, ours.array)
    # dcm2niix adds up its slice step in single precision, which tells at the 384th slice.
    assert np.allclose(theirs.affine, ours.affine, rtol=0, atol=1e-3)


def on_grid(mask: NDArray[np.bool_], affine: NDArray[np.float64], grid: Volume) -> NDArray[np.bool_]:
    """The voxels of ``mask``, placed by ``affine`` in LPS mm, on ``grid``; fails where one is off by 1 % of a voxel."""
    places = np.argwhere(mask) @ affine[:3, :3].T + affine[:3, 3]
    indices = np.linalg.solve(grid.affine[:3, :3], (places - grid.affine[:3, 3]).T).T
    nearest = np.rint(indices).astype(int)
    assert np.abs(indices - nearest).max() < 0.01
    found = np.zeros(grid.array.shape, dtype=bool)
    found[tuple(nearest.T)] = True
    return found
