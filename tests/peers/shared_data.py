"""Real DICOM that lies beside the checkout; a test that needs it is skipped, with the reason, where it is absent."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def shared_data(folder: str) -> Path:
    """Path of one folder of the shared test data (``$AINODE_TEST_DATA``, else ``../shared/data``); skips without it."""
    base = Path(os.environ.get("AINODE_TEST_DATA", ROOT.parent / "shared" / "data"))
    path = base / folder
    if not path.is_dir():
        pytest.skip(f"real data {folder} is not there: set AINODE_TEST_DATA to the folder that holds it")
    return path
