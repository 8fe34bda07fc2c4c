"""Predictions by REST with the demonstration models: the masks of the DICOM way, on the grid that was sent."""

import io
import json
import threading
import zipfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from pydicom import dcmread

from ainode.demo.phantom_series import PhantomStudy, write_study
from ainode.run.volume_file import load_prediction, load_volumes, save_prediction, save_volumes
from ainode.run.workers import ModelWorkers
from ainode.settings import Api
from ainode.volume.builder import build_volume
from ainode.volume.inputs import align_inputs
from ainode_models.demo.phantom import brain_tumour_phantom, t1_head_phantom
from ainode_models.package import ModelPackage
from ainode_models.prediction import Prediction
from ainode_models.volume import Volume
from peers.api_node import MODELS, ApiNode, api_node, model_worker
from peers.dicom_checkers import assert_valid_iod
from peers.head_study import STUDIED_AT, head_phantom, write_head
from peers.nifti_files import LPS_TO_RAS, read_mask, write_channels, write_nifti
from peers.shared_data import shared_data

BRATS = {"T1": "case-t1n", "T1c": "case-t1c", "T2": "case-t2w", "FLAIR": "case-t2f"}


@pytest.fixture(scope="module")
def worker() -> Iterator[ModelWorkers]:
    with model_worker() as worker:
        yield worker


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, worker: ModelWorkers) -> Iterator[ApiNode]:
    """One for all tests: inference takes seconds, and what one has predicted another need not."""
    with api_node(tmp_path_factory.mktemp("rest") / "node", worker) as node:
        yield node


def zipped(paths: dict[str, Path]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name, path in paths.items():
            made.write(path, name)
    return file.getvalue()


def predicted(node: ApiNode, model: str, files: list[Any], **query: str) -> Any:
    """The answer to a prediction that succeeds."""
    answer = node.http.post(f"{node.url}/predict/{model}", files=files, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def fetched(node: ApiNode, url: str, path: Path) -> Path:
    answer = node.http.get(url)
    assert answer.status_code == 200, answer.text
    path.write_bytes(answer.content)
    return path


class Recorder:
    """Keeps the volumes that a model would get."""

    def __init__(self) -> None:
        self.given: list[Mapping[str, Volume]] = []

    def predict(self, package: ModelPackage, inputs: Path, output: Path, **_named: Any) -> None:  # noqa: D102 - as a worker
        self.given.append(load_volumes(inputs))
        shape = next(iter(self.given[-1].values())).array.shape
        save_prediction(output, Prediction(np.ones(shape, np.uint8), {1: 1.0}, device="cuda:0 Some GPU"))


def test_all_ways_to_send_four_series_give_the_model_the_same(tmp_path: Path) -> None:
    phantom = brain_tumour_phantom(np.random.default_rng(6), spacing=(8.0, 6.0, 6.0), oblique_degrees=5.0)
    study = write_study(tmp_path / "dicom", phantom, study=PhantomStudy(seed="ways", acquired_at=STUDIED_AT))
    expected = {name: build_volume(paths).volume for name, paths in study.items()}
    niftis = {name: write_nifti(tmp_path / f"{BRATS[name]}.nii.gz", expected[name]) for name in expected}
    in_one = write_channels(tmp_path / "all.nii.gz", [expected[name] for name in BRATS])
    folders = zipped({f"a/{name}/{path.name}": path for name, paths in study.items() for path in paths})
    ways: list[list[Any]] = [
        [("image", (path.name, path.read_bytes())) for path in reversed(niftis.values())],
        [(name.lower(), ("x.nii.gz", path.read_bytes())) for name, path in niftis.items()],
        [("file", ("study.zip", folders))],
        [(name, path.read_bytes()) for name, paths in study.items() for path in paths],
        [(name, zipped({path.name: path for path in paths})) for name, paths in study.items()],
        [("image", ("case.zip", zipped({f"t1 and t2/{path.name}": path for path in niftis.values()})))],
        [(name.lower(), ("x.zip", zipped({"x.nii.gz": path}))) for name, path in niftis.items()],
        [("image", ("BRATS_001.nii.gz", in_one.read_bytes()))],
        [("file", ("x.zip", zipped({"a/BRATS_001.nii.gz": in_one})))],
    ]
    recorder = Recorder()
    with api_node(tmp_path / "node", recorder) as node:
        answers = [predicted(node, "brain-tumour-demo@1.0.0", sent) for sent in ways]
        seg = dcmread(fetched(node, answers[2]["links"]["seg"], tmp_path / "seg.dcm"))
    assert (seg.StudyInstanceUID, len(seg.SegmentSequence)) == (dcmread(study["T1"][0]).StudyInstanceUID, 1)
    assert [answer["links"]["seg"] is None for answer in answers] == [True] * 2 + [False] * 3 + [True] * 4
    assert {answer["device"] for answer in answers} == {"cuda:0 Some GPU"}, "where it ran, not what the settings say"
    assert len(recorder.given) == 8  # the first two are the same to the cache
    for given in recorder.given:
        assert list(given) == ["T1", "T1c", "T2", "FLAIR"]
        for name, volume in given.items():
            assert np.array_equal(volume.array, expected[name].array)
            assert np.abs(volume.affine - expected[name].affine).max() < 1e-4


def test_a_real_head_as_a_zip_of_dicom_gives_a_mask_and_a_segmentation_that_agree(
    node: ApiNode, tmp_path: Path
) -> None:
    files = sorted((shared_data("mr-head") / "dicoms").glob("*.dcm"))
    answer = predicted(node, "t1-head-demo", [("image", ("head.zip", zipped({path.name: path for path in files})))])
    (head,) = [detail for detail in answer["class_details"] if detail["name"] == "Head"]
    assert 1500 < head["volume_ml"] < 6000
    voxels, affine = read_mask(fetched(node, answer["links"]["mask"], tmp_path / "mask.nii.gz"))
    path = fetched(node, answer["links"]["seg"], tmp_path / "seg.dcm")
    assert_valid_iod(path)
    seg = dcmread(path)
    total = 0
    for frame, groups in zip(seg.pixel_array, seg.PerFrameFunctionalGroupsSequence, strict=True):
        position = np.array(groups.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
        index = np.linalg.solve(affine, LPS_TO_RAS @ [*position, 1])
        assert np.abs(index - np.rint(index)).max() < 0.02
        assert np.array_equal(frame.T, voxels[:, :, round(index[2])])
        total += int(frame.sum())
    assert total == head["voxels"] == int(voxels.sum())


def test_a_head_has_the_mask_of_a_run_of_the_node_and_is_predicted_once_while_it_is_kept(
    worker: ModelWorkers, tmp_path: Path
) -> None:
    # No spacing at which the model's grid has half a voxel: NIfTI's float32 would then decide how that is rounded.
    phantom = t1_head_phantom(np.random.default_rng(3), spacing=(5.0, 4.0, 4.0), oblique_degrees=6.0)
    study = write_study(tmp_path / "dicom", phantom, study=PhantomStudy(seed="head", acquired_at=STUDIED_AT))
    slices = study["T1"]
    volumes = align_inputs({"T1": build_volume(slices)}, reference="T1")
    save_volumes(tmp_path / "inputs.npz", volumes)  # as a run of the node does it
    worker.predict(ModelPackage.open(MODELS / "t1-head-demo"), tmp_path / "inputs.npz", tmp_path / "out.npz")
    path = write_nifti(tmp_path / "a.nii.gz", volumes["T1"])
    with api_node(tmp_path / "node", worker, limits=Api(enabled=True, keep=3600, cache_bytes=0)) as node:
        first = predicted(node, "t1-head-demo", [("image", (path.name, path.read_bytes()))])
        second = predicted(node, "t1-head-demo", [("file", ("other.nii.gz", path.read_bytes()))])
        assert (first["cached"], second["cached"]) == (False, True)
        assert {**second, "cached": False} == first
        voxels, _ = read_mask(fetched(node, first["links"]["mask"], tmp_path / "mask.nii.gz"))
        assert np.array_equal(voxels.transpose(2, 1, 0), load_prediction(tmp_path / "out.npz").label_map)
    with api_node(tmp_path / "node", worker, limits=Api(enabled=True, keep=0.1)) as node:
        assert node.files("results") == []
        assert node.http.get(f"{node.url}/results/{first['id']}").status_code == 404


def test_a_job_tells_its_progress_and_is_known_after_a_restart(
    node: ApiNode, worker: ModelWorkers, tmp_path: Path
) -> None:
    path = write_nifti(tmp_path / "a.nii", head_phantom(8).volumes["T1"])
    accepted = node.http.post(
        f"{node.url}/predict/t1-head-demo",
        files={"image": path.read_bytes()},
        headers={"Prefer": "respond-async"},
    )
    assert accepted.status_code == 202
    job = accepted.json()
    assert accepted.headers["location"] == job["links"]["self"]
    with node.http.stream("GET", job["links"]["events"]) as stream:
        lines = list(stream.iter_lines())
    names = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    assert names == [name for name in ("queued", "loading", "running", "done") if name in names]
    last = json.loads([line for line in lines if line.startswith("data: ")][-1].removeprefix("data: "))
    assert (names[-1], last["state"], last["result"]["success"]) == ("done", "done", True)
    with api_node(node.folder, worker) as again:
        known = again.http.get(f"{again.url}/jobs/{job['id']}").json()
        assert {**known, "links": {}} == {**last, "links": {}}
        assert again.http.delete(f"{again.url}/jobs/{job['id']}").status_code == 204
        assert again.http.get(f"{again.url}/jobs/{job['id']}").status_code == 404


def test_a_job_that_a_stop_cut_off_reads_as_failed_and_its_files_are_gone(worker: ModelWorkers, tmp_path: Path) -> None:
    job_id = "0123456789abcdef" * 2
    folder = tmp_path / "node" / "api"
    (folder / "jobs").mkdir(parents=True)
    record = {"id": job_id, "model": "m", "version": "1.0.0", "cases": 1, "created_at": 4e9, "state": "running"}
    (folder / "jobs" / f"{job_id}.json").write_text(json.dumps(record))
    (folder / "uploads" / job_id).mkdir(parents=True)
    (folder / "uploads" / job_id / "00001").write_bytes(b"an image")
    with api_node(tmp_path / "node", worker) as node:
        job = node.http.get(f"{node.url}/jobs/{job_id}").json()
        assert (job["state"], "send the files again" in job["reason"]) == ("failed", True)
        assert node.files() == []


def test_a_batch_answers_for_each_file_also_where_one_is_no_good(node: ApiNode, tmp_path: Path) -> None:
    good = write_nifti(tmp_path / "a.nii.gz", head_phantom(8).volumes["T1"]).read_bytes()
    _, slices = write_head(tmp_path / "dicom", 10)
    holed = zipped({path.name: path for path in slices[:5] + slices[6:]})
    sent = [("image", ("a.nii.gz", good)), ("image", ("b.zip", holed)), ("image", ("c.nii.gz", good))]
    answer = node.http.post(f"{node.url}/predict/t1-head-demo/batch", files=sent).json()
    assert (answer["success"], answer["status"]) == (False, "partial")
    first, second, third = answer["results"]
    assert (first["success"], third["cached"]) == (True, True)
    assert (second["success"], "missing slices" in second["message"]) == (False, True)
    assert node.files() == []


def test_thirty_requests_at_once_are_all_answered_each_with_its_own_result(node: ApiNode, tmp_path: Path) -> None:
    heads = [write_nifti(tmp_path / f"{seed}.nii.gz", head_phantom(seed).volumes["T1"]) for seed in (8, 0)]
    barrier = threading.Barrier(30)

    def send(number: int) -> tuple[int, Any]:
        path = heads[number % 2]
        with httpx.Client(trust_env=False, timeout=240) as http:
            barrier.wait(60)
            answer = http.post(f"{node.url}/predict/t1-head-demo", files={"image": path.read_bytes()})
        assert answer.status_code == 200, answer.text
        return number % 2, answer.json()

    with ThreadPoolExecutor(30) as threads:
        answers = list(threads.map(send, range(30)))
    results = {seed: {answer["id"] for number, answer in answers if number == seed} for seed in range(2)}
    assert all(len(ids) == 1 for ids in results.values())
    assert len(set.union(*results.values())) == 2
    assert {answer["id"] for _, answer in answers if not answer["cached"]} >= results[1]
    assert sum(not answer["cached"] for _, answer in answers) <= 2
    assert node.files() == []
