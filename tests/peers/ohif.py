"""OHIF, as npm has it, in a headless Chromium in front of an archive."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page

from ainode_orthanc.viewer import viewer_app
from peers.browser import pixels
from peers.shared_data import ROOT
from peers.web import serving

DIST = ROOT / "build" / "ohif" / "dist"
_IMAGES = ".cornerstone-canvas"
_LOOKS = 240
"""At the images, twice a second, until they no longer change."""
_ACTIVE = """const services = window.services;
const active = services.viewportGridService.getState().activeViewportId;
const viewport = services.cornerstoneViewportService.getCornerstoneViewport(active);
const shown = services.displaySetService.getActiveDisplaySets();
"""
"""What every question to the page begins with."""


@dataclass(frozen=True)
class Ohif:
    """The viewer with one study open at a time."""

    page: Page
    address: str

    def open(self, study_uid: str, *, series: int) -> None:
        """Open a study and wait until its ``series`` are listed and the first image is painted."""
        self.page.goto(f"{self.address}/viewer?StudyInstanceUIDs={study_uid}")
        counted = f"() => window.services?.displaySetService.getActiveDisplaySets().length >= {series}"
        self.page.wait_for_function(counted)
        self.until_it_rests()
        banner = self.page.get_by_text("Confirm and hide")  # for investigational use only; the browser remembers
        if banner.count():
            banner.click()

    def listed(self) -> list[str]:
        """``SeriesDescription`` of the series that it lists, cut off as they are there."""
        return [str(text) for text in self.ask("return shown.map(each => each.SeriesDescription)")]

    def show(self, description: str) -> None:
        """Open the series whose description begins so, by a double click in the list."""
        begins = f"shown.find(each => each.SeriesDescription.startsWith('{description}'))"
        self.page.locator(f"#thumbnail-{self.ask(f'return {begins}.displaySetInstanceUID')}").dblclick()

    def lay_over(self, description: str, segments: int) -> None:
        """Lay a segmentation over the images, and wait until it is there."""
        self.show(description)
        there = "services.segmentationService.getSegmentations().some(each => Object.keys(each.segments).length"
        self.page.wait_for_function(f"() => {{ const services = window.services; return {there} >= {segments}) }}")
        self.until_it_rests()

    def go_to(self, sop_instance_uid: str) -> None:
        """Show this image of the active series."""
        place = f"viewport.getImageIds().findIndex(each => each.includes('{sop_instance_uid}'))"
        self.ask(f"await viewport.setImageIdIndex({place})")
        self.until_it_rests()

    def places(self) -> NDArray[np.float64]:
        """Where each pixel of `picture` lies in the patient, ``(rows, columns, 3)``, LPS mm, as the viewer says."""
        corners = self.ask("return [[0, 0], [0, 100], [100, 0]].map(each => Array.from(viewport.canvasToWorld(each)))")
        origin, down, right = np.array(corners, float)
        rows, columns = self.picture().shape[:2]
        row = np.multiply.outer((np.arange(rows) + 0.5) / 100, down - origin)
        column = np.multiply.outer((np.arange(columns) + 0.5) / 100, right - origin)
        return np.asarray(origin + row[:, None] + column)

    def picture(self) -> NDArray[np.uint8]:
        """The image area on the screen, ``(rows, columns, 3)``."""
        return pixels(self.page.locator(_IMAGES).first.screenshot())

    def painted_with(self, colour: tuple[int, int, int]) -> NDArray[np.int64]:
        """All that the page shows, ``(rows, columns, 3)``, as soon as this colour is there in some number."""
        for _ in range(_LOOKS):
            shown = pixels(self.page.screenshot()).astype(np.int64)
            if (np.abs(shown - colour).max(axis=-1) < 3).sum() > 500:
                return shown
            self.page.wait_for_timeout(500)
        pytest.fail(f"the page shows nothing in {colour}")

    def measurements(self) -> list[Mapping[str, Any]]:
        """What it read of the report that is shown, in the order of the groups."""
        reports = "shown.filter(each => each.Modality === 'SR')"
        return list(self.ask(f"return {reports}.flatMap(each => each.measurements || [])"))

    def drawn(self) -> str:
        """The texts that are drawn over the images."""
        lines = "Array.from(document.querySelectorAll('svg.svg-layer tspan'))"
        return str(self.ask(f"return {lines}.map(each => each.textContent).join(' | ')"))

    def line(self) -> NDArray[np.float64]:
        """Both ends of the first line that is drawn over the images, ``(2, 3)``, LPS mm in the plane of the image."""
        ends = "[[line.x1, line.y1], [line.x2, line.y2]].map(end => end.map(each => each.baseVal.value))"
        placed = f"return {ends}.map(end => Array.from(viewport.canvasToWorld(end)))"
        return np.array(self.ask(f"const line = document.querySelector('svg.svg-layer line'); {placed}"))

    def until_it_rests(self) -> None:
        """Wait until the image area is there and does not change any more."""
        self.page.locator(_IMAGES).first.wait_for()
        before = b""
        for _ in range(_LOOKS):
            now = self.page.locator(_IMAGES).first.screenshot()
            if now == before:
                return
            before = now
            self.page.wait_for_timeout(500)
        pytest.fail("the images still change")

    def ask(self, script: str) -> Any:
        """The answer of the page to JavaScript that may use ``services``, ``viewport`` and ``shown``."""
        return self.page.evaluate(f"async () => {{ {_ACTIVE} {script} }}")


@contextmanager
def ohif(page: Page, dicomweb_url: str) -> Iterator[Ohif]:
    """The viewer in ``page``, in front of the archive at ``dicomweb_url``."""
    with serving(viewer_app(ohif_dist(), dicomweb_url)) as address:
        yield Ohif(page, address)


def ohif_dist() -> Path:
    """Folder of the built viewer; skips where npm cannot get it."""
    try:
        subprocess.run([ROOT / "scripts" / "ohif"], check=True, capture_output=True, timeout=300)
    except (OSError, subprocess.SubprocessError) as exc:
        pytest.skip(f"scripts/ohif could not get OHIF from npm: {type(exc).__name__}")
    return DIST
