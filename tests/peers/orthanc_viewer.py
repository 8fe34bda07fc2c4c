"""Orthanc's own viewer (Debian's ``orthanc-webviewer``) in a headless Chromium."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Page

from peers.browser import pixels
from peers.orthanc import OrthancServer

PLUGIN = "/usr/share/orthanc/plugins/libOrthancWebViewer.so"


@dataclass(frozen=True)
class OrthancViewer:
    """The viewer of a server that was started with `PLUGIN`."""

    server: OrthancServer
    page: Page

    def open(self, series_uid: str) -> None:
        """Open a series at its first image."""
        (series,) = self.server.find("Series", {"SeriesInstanceUID": series_uid})
        self.page.goto(f"{self.server.url}/web-viewer/app/viewer.html?series={series['ID']}")
        self.page.wait_for_function("() => window.cornerstone?.getEnabledElements()[0]?.image")
        self.page.wait_for_timeout(500)  # it is painted

    def picture(self) -> NDArray[np.uint8]:
        """The image area on the screen, ``(rows, columns, 3)``."""
        return pixels(self.page.locator("canvas").first.screenshot())

    def places(self) -> NDArray[np.float64]:
        """The pixel of the image that each pixel of `picture` shows, ``(rows, columns, 2)``: row and column, whose
        whole numbers are edges."""
        element = "const element = cornerstone.getEnabledElements()[0].element;"
        places = "[[0, 0], [100, 100]].map(([x, y]) => cornerstone.canvasToPixel(element, { x, y }))"
        first, last = self.page.evaluate(f"() => {{ {element} return {places} }}")
        rows, columns = self.picture().shape[:2]
        row = first["y"] + (np.arange(rows) + 0.5) * (last["y"] - first["y"]) / 100
        column = first["x"] + (np.arange(columns) + 0.5) * (last["x"] - first["x"]) / 100
        return np.stack(np.meshgrid(row, column, indexing="ij"), axis=-1)
