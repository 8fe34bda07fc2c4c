"""All model families in one node: studies in, DICOM and FHIR out, and the same by REST, with the demo packages."""

import io
import json
import shutil
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import highdicom.seg
import httpx
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import BasicTextSRStorage, Comprehensive3DSRStorage

from ainode.demo.phantom_series import PhantomStudy, write_study
from ainode.demo.site import RULES as DEMO_RULES
from ainode.journal.runs import RunRow
from ainode_dicom_sr.encapsulated_pdf import document_of
from ainode_dicom_sr.reader import read
from ainode_dicom_sr.reader_model import ReadReport
from ainode_fhir.wording import percent
from ainode_models.demo.chest import KINDS, chest_phantom
from ainode_models.demo.phantom import Phantom, brain_tumour_phantom
from peers.archived import referred_to, results_in, results_of_run
from peers.classified import radiograph
from peers.content_items import content_below
from peers.dcmtk import storescu
from peers.dicom_checkers import assert_valid_iod, report_text
from peers.head_study import STUDIED_AT, head_phantom
from peers.nifti_files import read_mask, write_channels, write_nifti
from peers.node import NodeServer
from peers.orthanc import OrthancServer
from peers.poppler import text_of as pdf_text
from peers.real_chest import REAL, RealChest, as_seen
from peers.shared_data import ROOT, shared_data

NETS = ("brain-tumour-demo", "brain-tumour-keras-demo")
BRAIN_RULE = DEMO_RULES.partition('[[rule]]\nname = "head"')[0]
CHEST_RULE = """
[[rule]]
name = "chest X-ray"
model = "chest-xray-demo"
outputs = ["sc", "sr", "pdf", "fhir"]
destinations = ["orthanc"]
[rule.input.chest]
Modality = ["DX", "CR"]
"""
KERAS_RULE = (
    BRAIN_RULE.replace("brain tumour", "brain tumour, keras")
    .replace(*NETS)
    .replace('"seg", "sr"', '"seg", "sr", "tree", "sc"')
    .replace('["orthanc"]', '["viewer"]')
)
RULES = BRAIN_RULE + KERAS_RULE + CHEST_RULE
MORE = """
[[destination]]
name = "viewer"
kind = "stow"
archive = "orthanc"
segmentation = "split"
[api]
enabled = true
"""
ABSENT = '(373572006,SCT,"Clinical finding absent")='
LEAST_DICE = 0.8
STUDY = PhantomStudy(seed="families", acquired_at=STUDIED_AT)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages that come along, with less time for LIME."""
    folder = tmp_path_factory.mktemp("models")
    for package in ROOT.glob("models/*-demo"):
        shutil.copytree(package, folder / package.name)
    manifest = folder / "chest-xray-demo" / "model.toml"
    manifest.write_text(manifest.read_text().replace("lime = { seconds = 20,", "lime = { seconds = 1,"))
    return folder


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrthancServer]:
    with OrthancServer(tmp_path_factory.mktemp("orthanc")) as orthanc:
        yield orthanc


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, orthanc: OrthancServer, models: Path) -> Iterator[NodeServer]:
    folder = tmp_path_factory.mktemp("node")
    with NodeServer(folder, orthanc, rules=RULES, models=models, more=MORE) as node:
        yield node


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return brain_tumour_phantom(np.random.default_rng(5), spacing=(5.0, 4.0, 4.0), oblique_degrees=5.0)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, phantom: Phantom) -> Mapping[str, list[Path]]:
    return write_study(tmp_path_factory.mktemp("study"), phantom, study=STUDY)


def ended(node: NodeServer, study_uid: str, *, count: int) -> list[RunRow]:
    """The runs of a study, once so many have ended."""

    def found() -> list[RunRow]:
        rows = node.look(lambda book: book.runs.all())
        return [row for row in rows if row.study_uid == study_uid and row.finished_at]

    node.wait(lambda: len(found()) == count, "end of the runs", seconds=280)
    return found()


def conclusions(node: NodeServer) -> dict[str, str]:
    """Status and conclusion of each report, by Study Instance UID."""
    return {
        str(body["imagingStudy"][0]["identifier"]["value"]).removeprefix("urn:oid:"):  # type: ignore[index]
        f"{body['status']}: {body['conclusion']}"
        for body in node.reports()
    }  # fmt: skip


def text_of(report: Dataset, folder: Path) -> str:
    report.save_as(folder / "report.dcm", enforce_file_format=True)
    return report_text(folder / "report.dcm")


def ask(node: NodeServer, method: str, path: str, *, expect: int = 200, **more: Any) -> httpx.Response:
    """An answer of the REST interface."""
    url = path if path.startswith("http") else f"{node.url}/api/v1{path}"
    answer = httpx.request(method, url, trust_env=False, timeout=280, **more)
    assert answer.status_code == expect, answer.text
    return answer


def fetched(node: NodeServer, url: str, path: Path) -> Path:
    path.write_bytes(ask(node, "GET", url).content)
    return path


def dice(truth: NDArray[Any], answer: NDArray[Any]) -> dict[int, float]:
    """By label."""
    return {
        label: 2
        * float(((truth == label) & (answer == label)).sum() / ((truth == label).sum() + (answer == label).sum()))
        for label in (1, 2, 3)
    }


def segments(path: Path, sources: Sequence[Path]) -> NDArray[Any]:
    """Segment numbers of a SEG on the slices ``sources``, by highdicom."""
    uids = [str(dcmread(source, stop_before_pixels=True).SOPInstanceUID) for source in sources]
    seg = highdicom.seg.segread(path)
    return np.asarray(
        seg.get_pixels_by_source_instance(uids, combine_segments=True, assert_missing_frames_are_empty=True)
    )


def assert_measured(answer: Mapping[str, Any], mask: NDArray[Any], affine: NDArray[np.float64]) -> None:
    """What the answer says of each class is what its mask holds."""
    assert (answer["unique_classes"], answer["num_classes_detected"]) == ([0, 1, 2, 3], 4)
    for detail in answer["class_details"]:
        counted = int((mask == detail["number"]).sum())
        assert detail["voxels"] == counted
        assert detail["percent"] == pytest.approx(100 * counted / mask.size, abs=1e-4)
        if detail["number"]:
            assert detail["volume_ml"] == pytest.approx(counted * abs(np.linalg.det(affine[:3, :3])) / 1000, rel=1e-4)
    assert "Not for diagnostic use" in answer["disclaimer"]


@pytest.fixture(scope="module")
def runs(node: NodeServer, study: Mapping[str, list[Path]]) -> Mapping[str, RunRow]:
    """Runs of both networks on the tumour study, by the name of the network, once their results are in Orthanc."""
    files = [path for paths in study.values() for path in paths]
    storescu(files, "127.0.0.1", node.dicom_port, called="AINODE")
    found = {run.model: run for run in ended(node, STUDY.study_uid, count=len(NETS))}
    for run in found.values():
        assert run.outcome == "findings", run.reason
        node.wait_for_delivery(run.run_id)
    return found


@pytest.mark.usefixtures("runs")
def test_a_tumour_study_comes_back_from_both_networks_as_a_whole_and_split(
    node: NodeServer, orthanc: OrthancServer, phantom: Phantom, study: Mapping[str, list[Path]], tmp_path: Path
) -> None:
    masks: dict[str, list[NDArray[Any]]] = defaultdict(list)
    for number, mask in enumerate(results_in(orthanc, STUDY.study_uid, "SEG")):
        path = tmp_path / f"{number}.dcm"
        mask.save_as(path, enforce_file_format=True)
        assert_valid_iod(path)
        masks[mask.SeriesInstanceUID].append(segments(path, study["T1"]))
    # The one as a whole, the other split
    assert sorted(map(len, masks.values())) == [1, 3]
    for first, *others in masks.values():
        found = first + sum(number * other for number, other in enumerate(others, start=2))
        assert min(dice(phantom.labels, found).values()) > LEAST_DICE
    reports = node.reports(f"imagingStudy.identifier=urn:dicom:uid|urn:oid:{STUDY.study_uid}")
    assert [report["status"] for report in reports] == ["partial", "partial"]


def test_the_tree_in_the_archive_leads_to_each_group_of_its_report_and_all_that_is_referred_to_is_there(
    node: NodeServer, orthanc: OrthancServer, study: Mapping[str, list[Path]], runs: Mapping[str, RunRow]
) -> None:
    run = runs[NETS[1]]
    made = {ds.SOPInstanceUID: ds for kind in ("SEG", "OT", "SR") for ds in results_of_run(orthanc, run, kind)}
    written = [row for row in node.look(lambda book: book.runs.objects(run.run_id)) if row.kind != "FHIR"]
    assert made.keys() == {row.sop_instance_uid for row in written}
    (tree,) = (ds for ds in made.values() if ds.SOPClassUID == BasicTextSRStorage)
    (report,) = (ds for ds in made.values() if ds.SOPClassUID == Comprehensive3DSRStorage)
    sources = {str(dcmread(path, stop_before_pixels=True).SOPInstanceUID) for paths in study.values() for path in paths}
    assert sorted(ds.Modality for ds in made.values()) == ["OT"] * 4 + ["SEG"] * 3 + ["SR"] * 2
    for ds in made.values():
        assert referred_to(ds) <= made.keys() | sources
    shown, said = read(tree), read(report)
    assert isinstance(shown, ReadReport)
    assert isinstance(said, ReadReport)
    segmented = [made[each.sop_instance_uid].SegmentSequence[0] for group in said.groups for each in group.segments]
    assert [item.TrackingUID for item in segmented] == [group.tracking_uid for group in said.groups]
    nodes = (shown.general, *shown.groups)
    assert {each.sop_instance_uid for group in nodes for each in group.references} == {report.SOPInstanceUID}
    assert [group.label for group in shown.groups] == [item.SegmentLabel for item in segmented]
    observed = [str(item.ObservationUID) for item in content_below(report) if "ObservationUID" in item]
    pointed = [str(item.UID) for item in content_below(tree) if item.ConceptNameCodeSequence[0].CodeValue == "AIR005"]
    assert len(observed) == 1 + len(said.groups) == 4
    assert sorted(pointed) == sorted(observed)


def test_a_tumour_in_one_nifti_file_gives_a_mask_on_its_grid_at_once(
    node: NodeServer, phantom: Phantom, tmp_path: Path
) -> None:
    sent = write_channels(tmp_path / "BRATS_001.nii.gz", list(phantom.volumes.values()))
    answer = ask(node, "POST", "/predict/brain-tumour-demo", files={"image": (sent.name, sent.read_bytes())}).json()
    assert (answer["success"], answer["model"], answer["version"]) == (True, "brain-tumour-demo", "1.0.0")
    mask, affine = read_mask(fetched(node, answer["links"]["mask"], tmp_path / "mask.nii.gz"))
    voxels, source_affine = read_mask(sent)
    assert mask.shape == voxels.shape[:3]
    assert np.abs(affine - source_affine).max() < 1e-4
    assert min(dice(phantom.labels, mask.transpose(2, 1, 0)).values()) > LEAST_DICE
    assert_measured(answer, mask, affine)
    assert answer["links"]["seg"] is None
    checkpoint = torch.load(ROOT / "models" / NETS[0] / "nnunet/fold_0/checkpoint_final.pth", weights_only=False)
    shared = {weights.data_ptr(): weights.numel() for weights in checkpoint["network_weights"].values()}
    assert answer["model_info"]["parameters"] == sum(shared.values())


def test_a_zip_of_dicom_goes_through_the_keras_network_later_and_tells_its_progress(
    node: NodeServer, phantom: Phantom, study: Mapping[str, list[Path]], tmp_path: Path
) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, paths in study.items():
            for path in paths:
                made.write(path, f"{name}/{path.name}")
    sent = {"image": ("study.zip", file.getvalue())}
    query = {"async": "true"}
    job = ask(node, "POST", "/predict/brain-tumour-keras-demo", files=sent, params=query, expect=202).json()
    events = ask(node, "GET", job["links"]["events"]).text.strip().split("\n\n")
    names, bodies = zip(*(event.split("\n", 1) for event in events), strict=True)
    states = ["queued", "loading", "running", "done"]
    assert names == tuple(f"event: {state}" for state in states if f"event: {state}" in names)
    answer = json.loads(bodies[-1].removeprefix("data: "))["result"]
    assert answer["model"] == NETS[1]
    sizes: list[int] = []
    with h5py.File(ROOT / "models" / NETS[1] / "multi-scale-unet.h5") as h5:
        h5["model_weights"].visititems(lambda _, item: sizes.append(item.size) if hasattr(item, "size") else None)
    assert answer["model_info"]["parameters"] == sum(sizes)
    mask, affine = read_mask(fetched(node, answer["links"]["mask"], tmp_path / "mask.nii.gz"))
    assert_measured(answer, mask, affine)
    seg = segments(fetched(node, answer["links"]["seg"], tmp_path / "seg.dcm"), study["T1"])
    assert min(dice(phantom.labels, seg).values()) > LEAST_DICE
    assert [int((seg == label).sum()) for label in (1, 2, 3)] == [int((mask == label).sum()) for label in (1, 2, 3)]


def test_heads_as_a_batch_of_nifti_files(node: NodeServer, tmp_path: Path) -> None:
    heads = [head_phantom(seed) for seed in (1, 2)]
    paths = [write_nifti(tmp_path / f"{number}.nii.gz", head.volumes["T1"]) for number, head in enumerate(heads)]
    sent = [("image", (path.name, path.read_bytes())) for path in paths]
    answer = ask(node, "POST", "/predict/t1-head-demo/batch", files=sent).json()
    assert (answer["status"], len(answer["results"])) == ("success", 2)
    for head, result in zip(heads, answer["results"], strict=True):
        mask, _ = read_mask(fetched(node, result["links"]["mask"], tmp_path / "mask.nii.gz"))
        truth = head.labels.transpose(2, 1, 0)
        assert 2 * (truth & mask).sum() / (truth.sum() + mask.sum()) > LEAST_DICE


def drawn(kind: str, form: str) -> bytes:
    """A drawn chest as a file of a picture."""
    file = io.BytesIO()
    pixels = chest_phantom(40, KINDS.index(kind)).image
    Image.fromarray(np.rint(255 * pixels).astype(np.uint8)).save(file, form)
    return file.getvalue()


def test_drawn_chests_as_pictures_are_told_apart_and_explained(node: NodeServer) -> None:
    sent = [("file", drawn(kind, form)) for kind, form in (("Lung opacity", "PNG"), ("Normal", "JPEG"))]
    results = ask(node, "POST", "/predict/chest-xray-demo/batch", files=sent).json()["results"]
    assert [result["predicted_class"] for result in results] == ["Lung opacity", "Normal"]
    for result in results:
        assert sum(result["predictions"].values()) == pytest.approx(1, abs=1e-6)
        assert list(result["members"]) == ["resnet50", "densenet121", "efficientnet_b0"]
    for method, path in (
        ("gradcam", "/explain/gradcam/chest-xray-demo"),
        ("lime", "/explain/lime?model=chest-xray-demo"),
    ):
        answer = ask(node, "POST", path, files=sent[:1]).json()
        assert (answer["explanation"], answer["predicted_class"]) == (method, "Lung opacity")
        assert list(answer["links"]["overlays"]) == list(KINDS)
        shown = np.asarray(Image.open(io.BytesIO(ask(node, "GET", answer["links"]["overlay"]).content)))
        assert np.ptp(shown.astype(int), axis=2).max() > 50  # the heat map is in colour


@pytest.mark.parametrize("chest", REAL, ids=lambda chest: chest.name)
def test_a_real_radiograph_comes_back_explained_the_right_way_round_by_both_ways(
    node: NodeServer, orthanc: OrthancServer, chest: RealChest, tmp_path: Path
) -> None:
    path = shared_data("chest-xray") / chest.name
    study_uid = str(dcmread(path, stop_before_pixels=True).StudyInstanceUID)
    storescu(path, "127.0.0.1", node.dicom_port, called="AINODE", options=("-xv",))  # JPEG 2000, too
    (run,) = ended(node, study_uid, count=1)
    assert run.outcome in ("findings", "no findings"), run.reason
    node.wait_for_delivery(run.run_id)
    (report,), pictures = results_in(orthanc, study_uid, "SR"), results_in(orthanc, study_uid, "OT")
    text = text_of(report, tmp_path)
    assert text.count('"Measurement Group"') == len(KINDS) + 1
    assert text.count('(130401,DCM,"Visual explanation")=(SC image') == len(pictures) > 0
    answer = ask(node, "POST", "/explain/gradcam/chest-xray-demo", files={"image": path.read_bytes()}).json()
    said = conclusions(node)[study_uid]
    assert said.startswith("partial: ")
    for label, probability in answer["predictions"].items():
        assert f"{label} (probability {percent(probability)})" in said
    overlays = [ask(node, "GET", url).content for url in answer["links"]["overlays"].values()]
    assert len(overlays) == len(KINDS)
    shown = [np.asarray(Image.open(io.BytesIO(overlay))) for overlay in overlays]
    for picture in (*(picture.pixel_array for picture in pictures), *shown):
        chest.assert_shown(picture, as_seen(path))


def test_drawn_radiographs_are_classified_and_what_is_none_is_refused_and_never_looks_negative(
    tmp_path: Path, orthanc: OrthancServer, node: NodeServer
) -> None:
    opacity, normal = (chest_phantom(40, KINDS.index(kind)).image for kind in ("Lung opacity", "Normal"))
    sent = {
        "2.25.91": radiograph(1 - opacity, PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE"),
        "2.25.92": radiograph(normal),
        "2.25.93": radiograph(opacity, ViewPosition="LL"),
        "2.25.94": radiograph(opacity, PresentationIntentType="FOR PROCESSING"),
    }
    for study, image in sent.items():
        image.StudyInstanceUID, image.SeriesInstanceUID, image.SOPInstanceUID = study, f"{study}.1", f"{study}.2"
        image.save_as(tmp_path / f"{study}.dcm", enforce_file_format=True)
    storescu(sorted(tmp_path.glob("2.25.*.dcm")), "127.0.0.1", node.dicom_port, called="AINODE")
    runs = {study: ended(node, study, count=1)[0] for study in sent}
    for run in runs.values():
        node.wait_for_delivery(run.run_id)
    assert [runs[study].outcome for study in sent] == ["findings", "no findings", "refused", "refused"]
    assert "LL" in str(runs["2.25.93"].reason)
    assert "raw detector images" in str(runs["2.25.94"].reason)
    said = conclusions(node)
    assert "Present according to this algorithm: Lung opacity (probability" in said["2.25.91"]
    assert "This does not mean that the study is normal." in said["2.25.92"]
    assert all(said[study].startswith("cancelled: ") for study in ("2.25.93", "2.25.94"))
    results = {study: [ds for kind in ("OT", "DOC", "SR") for ds in results_in(orthanc, study, kind)] for study in sent}
    assert [ds.Modality for ds in results["2.25.91"]] == ["OT", "DOC", "SR"]
    bands = {
        study: pdf_text(document_of(next(ds for ds in made if ds.Modality == "DOC"))) for study, made in results.items()
    }
    assert "HALLAZGOS" in bands["2.25.91"]
    assert "NOT DECIDED: A HUMAN MUST" in bands["2.25.92"]  # of its class for normal images it is not sure enough
    assert "REFUSED: IMAGES NOT SUITABLE" in bands["2.25.94"]
    assert all("NOT A NEGATIVE RESULT" in bands[study] for study in ("2.25.93", "2.25.94"))
    texts = {study: text_of(made[-1], tmp_path) for study, made in results.items()}
    for made in (ds for objects in results.values() for ds in objects):
        made.save_as(tmp_path / "made.dcm", enforce_file_format=True)
        assert_valid_iod(tmp_path / "made.dcm")
    assert ABSENT in texts["2.25.91"]
    assert ABSENT not in texts["2.25.93"] + texts["2.25.94"]
