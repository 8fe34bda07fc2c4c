"""OHIF and Orthanc's own viewer show what was found where it is: the screen against the phantom's truth.

With ``VIEWER_PICTURES=docs/images`` in the environment the pictures of the documentation are renewed.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page
from pydicom import dcmread

from ainode_models.digits import reported
from ainode_models.findings import Findings
from peers.browser import browser_page, save_picture
from peers.ohif import Ohif, ohif
from peers.orthanc import OrthancServer
from peers.orthanc_viewer import PLUGIN, OrthancViewer
from peers.viewed_study import ViewedStudy, viewed_study

ENDINGS = ("findings", "nothing", "refused", "failed")
BANDS = {"findings": (18, 58, 115), "nothing": (243, 244, 246), "refused": (240, 140, 0), "failed": (176, 0, 32)}
"""Colour of the band, or of its stripes, across the page."""


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrthancServer]:
    dicomweb = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"
    folder = tmp_path_factory.mktemp("viewed")
    with OrthancServer(folder / "orthanc", overrides={"Plugins": [dicomweb, PLUGIN]}) as server:
        yield server


@pytest.fixture(scope="module")
def studies(orthanc: OrthancServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, ViewedStudy]:
    """By orientation, and on axial slices by ending, too."""
    folder = tmp_path_factory.mktemp("studies")
    made = {kind: viewed_study(folder / kind, kind) for kind in ("axial", "sagittal", "oblique")}
    made |= {ending: viewed_study(folder / ending, "axial", ending) for ending in ENDINGS[1:]}
    made["findings"] = made["axial"]
    for file in dict.fromkeys(file for study in made.values() for file in study.files):
        orthanc.upload(file)
    return made


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with browser_page() as opened:
        yield opened


@pytest.fixture(scope="module")
def viewer(page: Page, orthanc: OrthancServer) -> Iterator[Ohif]:
    with ohif(page, orthanc.dicomweb_url) as served:
        yield served


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where pictures go."""
    return Path(os.environ.get("VIEWER_PICTURES", tmp_path))


def painted(picture: NDArray[np.uint8], findings: Findings) -> NDArray[np.uint8]:
    """The label whose colour lies over the grey at each pixel, however thick it lies there; 0 where there is none."""
    wanted = _hue(np.array([segment.color for segment in findings.present]))
    numbers = np.array([segment.number for segment in findings.present], np.uint8)
    likeness = _hue(picture) @ wanted.T
    return np.where(likeness.max(axis=-1) > 0.95, numbers[likeness.argmax(axis=-1)], 0).astype(np.uint8)


def _hue(colours: NDArray[np.integer]) -> NDArray[np.float64]:
    """What differs from grey, as a direction; zero for what hardly differs."""
    chroma = colours - colours.mean(axis=-1, keepdims=True)
    length = np.linalg.norm(chroma, axis=-1, keepdims=True)
    return np.asarray(np.where(length > 15, chroma / np.maximum(length, 1), 0))


def overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Intersection over union."""
    return float((a & b).sum() / (a | b).sum())


def widest(study: ViewedStudy, number: int) -> int:
    """The slice on which a label is largest."""
    labels = study.made.findings.label_map
    assert labels is not None
    return int((labels == number).sum(axis=(1, 2)).argmax())


@pytest.mark.parametrize(
    ("kind", "form"), [("axial", "SEG"), ("axial", "LABELMAP"), ("sagittal", "SEG"), ("oblique", "SEG")]
)
def test_ohif_paints_each_part_of_the_tumour_where_the_phantom_has_it(
    kind: str, form: str, viewer: Ohif, studies: dict[str, ViewedStudy], pictures: Path
) -> None:
    study = studies[kind]
    viewer.open(study.uid, series=study.series)
    viewer.lay_over(f"AI brain-tumour-demo {form}", segments=3)
    viewer.go_to(study.made.source.images.reference[widest(study, 1)].SOPInstanceUID)
    truth = study.label_at(viewer.places())
    seen = painted(viewer.picture(), study.made.findings)
    assert set(np.unique(truth)) == {0, 1, 2, 3}
    for number in (1, 2, 3):
        assert overlap(seen == number, truth == number) > 0.95, number
    save_picture(viewer.page, pictures / f"ohif-{kind}-{form.lower()}.png")


def test_ohif_opens_the_report_at_its_measurements_and_draws_them(
    viewer: Ohif, studies: dict[str, ViewedStudy], pictures: Path
) -> None:
    study = studies["oblique"]
    viewer.open(study.uid, series=study.series)
    viewer.show("AI brain-tumour-demo report")
    viewer.until_it_rests()
    for read, segment in zip(viewer.measurements(), study.made.findings.present, strict=True):
        assert segment.longest_diameter is not None
        said = {label["label"]: label["value"] for label in read["labels"]}
        assert said["Volume"] == f"{reported(segment.volume_ml):.2f} mL"
        assert said["Diameter"] == f"{reported(segment.longest_diameter.length_mm):.2f} mm"
        assert said["Finding"] == segment.type.meaning
    first = study.made.findings.present[0]
    assert f"Volume: {first.volume_ml:.2f} mL" in viewer.drawn()
    assert first.longest_diameter is not None
    across = viewer.line() - (first.longest_diameter.start_mm, first.longest_diameter.end_mm)
    normal = np.cross(*np.array(study.made.source.images.reference[0].ImageOrientationPatient, float).reshape(2, 3))
    assert np.linalg.norm(across - np.outer(across @ normal, normal), axis=-1).max() < 0.75, "half a pixel"
    save_picture(viewer.page, pictures / "ohif-report.png")


@pytest.mark.parametrize("ending", ENDINGS)
def test_nobody_mistakes_one_ending_for_another_in_ohif(
    ending: str, viewer: Ohif, studies: dict[str, ViewedStudy], pictures: Path
) -> None:
    study, begin = studies[ending], {"refused": "AI REFUSED:", "failed": "AI FAILED:"}.get(ending, "AI")
    viewer.open(study.uid, series=study.series)
    results = [each for each in viewer.listed() if each.startswith("AI ")]
    assert [each for each in results if not each.startswith(f"{begin} brain-tumou")] == []
    assert any(" SEG " in each for each in results) == (ending == "findings")
    viewer.show(f"{begin} brain-tumour-demo page")
    viewer.page.locator("object, iframe, embed").first.wait_for()
    shown = viewer.painted_with(BANDS[ending])
    assert {each for each, colour in BANDS.items() if (np.abs(shown - colour).max(axis=-1) < 3).sum() > 500} == {ending}
    save_picture(viewer.page, pictures / f"ohif-{ending}.png")


@pytest.mark.parametrize("kind", ["axial", "sagittal", "oblique"])
def test_orthancs_own_viewer_shows_key_images_with_the_tumour_where_the_phantom_has_it(
    kind: str, orthanc: OrthancServer, page: Page, studies: dict[str, ViewedStudy], pictures: Path
) -> None:
    study, viewer = studies[kind], OrthancViewer(orthanc, page)
    capture = dcmread(study.made.files["sc1"], stop_before_pixels=True)
    viewer.open(capture.SeriesInstanceUID)
    places, is_image = on_slice(study, capture.SourceImageSequence[0].ReferencedSOPInstanceUID, viewer.places())
    truth = np.where(is_image, study.label_at(places), 0)
    seen = np.where(is_image, painted(viewer.picture(), study.made.findings), 0)
    for number in np.unique(truth[truth > 0]):
        assert overlap(seen == number, truth == number) > 0.9, number
    save_picture(viewer.page, pictures / f"orthanc-{kind}.png")


def on_slice(
    study: ViewedStudy, source_uid: str, pixels: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """LPS mm of pixels of a key image, and which of them lie on the slice and not on the caption below.

    A key image has 768 square pixels along the longer side of its slice.
    """
    (source,) = [each for each in study.made.source.images.reference if source_uid == each.SOPInstanceUID]
    spacing = np.array(source.PixelSpacing, float)
    extent = spacing * (source.Rows, source.Columns)
    along = pixels * extent.max() / 768
    axes = np.array(source.ImageOrientationPatient, float).reshape(2, 3)[::-1]
    first = np.array(source.ImagePositionPatient, float)
    return first + (along - spacing / 2) @ axes, ((along >= 0) & (along < extent)).all(axis=-1)
