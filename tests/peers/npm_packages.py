"""Packages from npm, in a folder of their own, whole or not at all."""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest


def npm_packages(folder: Path, names: Sequence[str], *, seconds: float) -> Path:
    """``folder`` with ``node_modules``, in which each of ``names``, ``PACKAGE@VERSION``, is; made unless it is there.

    Skips where npm cannot get them in so many ``seconds``. Processes that want the same at once each install it into a
    folder of their own, and one of these stays: npm itself leaves half of everything when two write to one folder.
    """
    if _is_whole(folder, names):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=folder.parent))
    command = ["npm", "install", "--prefix", str(made), "--no-audit", "--no-fund", "--ignore-scripts", *names]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=seconds)
        if not _is_whole(folder, names):
            shutil.rmtree(folder, ignore_errors=True)
            made.rename(folder)
    except (OSError, subprocess.SubprocessError) as exc:
        if not _is_whole(folder, names):
            pytest.skip(f"{', '.join(names)} could not be installed by npm: {type(exc).__name__}")
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return folder


def _is_whole(folder: Path, names: Sequence[str]) -> bool:
    return all((folder / "node_modules" / name.rpartition("@")[0] / "package.json").is_file() for name in names)
