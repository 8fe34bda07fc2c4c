"""Debian's Chromium without a screen."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page, sync_playwright

PROGRAM = "/usr/bin/chromium"
_FLAGS = (
    # WebGL in software, as there may be no GPU.
    *("--use-angle=swiftshader", "--use-gl=angle", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"),
    # Calls nobody: these would go to Chromium's makers.
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-quic", "--no-sandbox"),
)


@contextmanager
def browser_page(*, seconds: float = 120) -> Iterator[Page]:
    """One page of 1050 by 675 pixels, few enough for WebGL without a GPU; waits for things so many ``seconds``."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=list(_FLAGS))
        try:
            page = browser.new_page(viewport={"width": 1050, "height": 675})
            page.set_default_timeout(1000 * seconds)
            yield page
        finally:
            browser.close()


def pixels(screenshot: bytes) -> NDArray[np.uint8]:
    """Of a PNG, ``(rows, columns, 3)``, RGB."""
    return np.asarray(Image.open(io.BytesIO(screenshot)).convert("RGB"))


def save_picture(page: Page, path: Path) -> None:
    """All that the page shows, small enough for the documentation."""
    Image.fromarray(pixels(page.screenshot())).quantize(256).save(path, optimize=True)
