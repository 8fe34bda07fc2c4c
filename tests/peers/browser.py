"""Debian's Chromium without a screen."""

from collections.abc import Iterator
from contextlib import contextmanager

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
def browser_page() -> Iterator[Page]:
    """One page of 1400 by 900 pixels; what it waits for may take two minutes."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=list(_FLAGS))
        try:
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            page.set_default_timeout(120_000)
            yield page
        finally:
            browser.close()
