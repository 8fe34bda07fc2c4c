"""How long does OHIF take to open 104 segments on 600 slices, in each form, and how large are they.

    make bench-viewer

OHIF in headless Chromium, in front of Orthanc; WebGL runs in software, which a workplace with a GPU need not. A form is
open when OHIF has its segments and the screen, on a slice in the middle, shows the colours of those that are there.
"""

import argparse
import time
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from ainode.measurement import Machine, Report, Row, commit_of
from ainode_dicom_sr.segmentation_form import SegmentationForm
from peers.browser import browser_page, save_picture
from peers.ohif import Ohif, ohif
from peers.orthanc import OrthancServer
from seg_writing import write
from whole_body import SEGMENTS, findings, headers, write_study

ROOT = Path(__file__).resolve().parents[1]
_FORMS = (SegmentationForm.BINARY, SegmentationForm.LABELMAP)
_WAIT_SECONDS = 600


def opened(viewer: Ohif, form: SegmentationForm, labels: NDArray[np.uint8], pictures: Path) -> tuple[float, float]:
    """Seconds until the segments are there, and how many of the colours of a slice the screen shows then, 0 to 1."""
    series = headers(pictures)
    viewer.open(series[0].StudyInstanceUID, series=1 + len(_FORMS))
    started = time.monotonic()
    viewer.lay_over(f"AI whole-body {form.words}", segments=SEGMENTS)
    seconds = time.monotonic() - started
    middle = len(series) // 2
    viewer.go_to(series[middle].SOPInstanceUID)
    save_picture(viewer.page, pictures / f"ohif-{form}.png")
    return seconds, shown(viewer.picture(), labels[middle])


def shown(picture: NDArray[np.uint8], plane: NDArray[np.uint8]) -> float:
    """Share of the segments of at least 100 pixels on ``plane`` whose colour, the outline's, is in ``picture``."""
    segments = findings(plane[None]).segments
    colours = {segment.number: np.array(segment.color) for segment in segments}
    numbers = [segment.number for segment in segments if segment.voxels >= 100]
    near = [(np.abs(picture.astype(int) - colours[number]).max(axis=-1) < 12).any() for number in numbers]
    return float(np.mean(near))


def measured(work: Path, slices: int) -> list[Row]:
    """Each form in a browser of its own, which has nothing of the other in its memory."""
    rows = []
    with OrthancServer(work / "orthanc") as orthanc:
        for path in sorted((work / "ct" / "0").iterdir()):
            orthanc.upload(path)
        written = {form: write("ainode", form, work, slices) for form in _FORMS}
        for done in written.values():
            orthanc.upload(done.paths[0])
        labels = np.load(work / f"labels-{slices}.npy")
        for form in _FORMS:
            with browser_page(seconds=_WAIT_SECONDS) as page, ohif(page, orthanc.dicomweb_url) as viewer:
                seconds, share = opened(viewer, form, labels, work)
            rows += [
                Row(metric=f"{form}_mb", value=round(written[form].mb, 1), unit="MB"),
                Row(metric=f"ohif_opens_{form}_s", value=round(seconds, 1), unit="s"),
                Row.judged(f"ohif_shows_{form}", round(share, 3), unit="1", goal="= 1"),
            ]
    return rows


def main() -> None:
    """Measure, print and write ``build/bench/viewer.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=600)
    arguments = parser.parse_args()
    work = ROOT / "build" / "bench" / f"work-seg-{arguments.slices}"
    work.mkdir(parents=True, exist_ok=True)
    write_study(work, arguments.slices)
    report = Report(
        name="viewer",
        rows=tuple(measured(work, arguments.slices)),
        measured_at=datetime.now().astimezone(),
        commit=commit_of(ROOT),
        machine=Machine.this(),
    )
    report.write(ROOT / "build" / "bench" / "viewer.json")
    Console().print(report.table())


if __name__ == "__main__":
    main()
