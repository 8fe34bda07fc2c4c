"""Phantom series are what a scanner would send: valid, reproducible, and told apart by their attributes."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from ainode.demo.phantom_series import PROTOCOLS, PhantomStudy, write_series, write_study
from ainode.volume.builder import build_volume
from ainode.volume.inputs import align_inputs
from ainode_models.demo.phantom import Phantom, brain_tumour_phantom
from ainode_models.errors import EncodingError
from ainode_models.volume import Volume

STUDY = PhantomStudy(seed="phantom series", acquired_at=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC))


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    """A coarse oblique head."""
    return brain_tumour_phantom(np.random.default_rng(3), spacing=(12, 4, 5), oblique_degrees=20)


def test_dciodvfy_finds_no_error_in_any_series(tmp_path: Path, phantom: Phantom) -> None:
    for paths in write_study(tmp_path, phantom, study=STUDY).values():
        verdict = subprocess.run(["dciodvfy", paths[1]], capture_output=True, text=True, check=True)
        assert verdict.stderr.strip() == "MRImage"


def test_the_four_series_are_one_study_in_one_space_and_ready_for_a_model(tmp_path: Path, phantom: Phantom) -> None:
    files = write_study(tmp_path, phantom, study=STUDY)
    built = {name: build_volume(paths) for name, paths in files.items()}
    aligned = align_inputs(built, reference="T1c")
    for name, volume in phantom.volumes.items():
        assert np.array_equal(aligned[name].array, volume.array)
        assert aligned[name].same_grid(volume)
    headers = [series.sources[0] for series in built.values()]
    assert {header.StudyInstanceUID for header in headers} == {STUDY.study_uid}
    assert [header.SeriesDescription for header in headers] == ["T1", "T1 post", "T2", "FLAIR"]
    assert [header.get("ContrastBolusAgent") for header in headers] == [None, "Gadobutrol", None, None]
    assert len({header.SeriesInstanceUID for header in headers}) == 4
    assert {str(header.PatientName) for header in headers} == {"PHANTOM^BRAIN"}


def test_the_same_seed_writes_the_same_bytes_and_another_seed_other_uids(tmp_path: Path, phantom: Phantom) -> None:
    volume = phantom.volumes["T2"]
    seeds = {"a": "one", "b": "one", "c": "two"}
    written = {
        name: write_series(
            tmp_path / name,
            volume,
            study=PhantomStudy(seed=seed, acquired_at=STUDY.acquired_at),
            protocol=PROTOCOLS["T2"],
        )
        for name, seed in seeds.items()
    }
    assert [path.read_bytes() for path in written["a"]] == [path.read_bytes() for path in written["b"]]
    instances = {dcmread(path).SOPInstanceUID for name in ("a", "c") for path in written[name]}
    assert len(instances) == 2 * len(volume.array)


@pytest.mark.parametrize("value", [-1.0, 0.5, 65536.0])
def test_voxels_that_sixteen_bits_cannot_hold_are_refused(tmp_path: Path, value: float) -> None:
    volume = Volume(np.full((2, 2, 2), value), np.eye(4), "1.2.3")
    with pytest.raises(EncodingError, match="whole numbers from 0 to 65535"):
        write_series(tmp_path / "series", volume, study=STUDY, protocol=PROTOCOLS["T1"])
    assert not (tmp_path / "series").exists()
