"""Copies of the demonstration packages that a test may change."""

import hashlib
import re
import shutil
from pathlib import Path

from peers.shared_data import ROOT

MODELS = ROOT / "models"


def copy_demo(name: str, target: Path, *, version: str = "1.0.0") -> Path:
    """A copy of a demonstration package under another version."""
    folder = Path(shutil.copytree(MODELS / name, target))
    edit(folder, 'version = "1.0.0"', f'version = "{version}"')
    return folder


def edit(folder: Path, old: str, new: str) -> None:
    """Replace the first ``old`` in ``model.toml``, which must be there."""
    manifest = folder / "model.toml"
    text = manifest.read_text()
    assert old in text
    manifest.write_text(text.replace(old, new, 1))


def reseal(folder: Path, path: str) -> None:
    """Put the sum that a file has now into ``model.toml``."""
    digest = hashlib.sha256((folder / path).read_bytes()).hexdigest()
    manifest = folder / "model.toml"
    pattern = rf'(path = "{re.escape(path)}"\nsha256 = )"[^"]*"'
    text, count = re.subn(pattern, rf'\1"{digest}"', manifest.read_text())
    assert count == 1
    manifest.write_text(text)


def light_package(
    folder: Path, *, name: str = "light", version: str = "1.0.0", inputs: tuple[str, ...] = ("T1",)
) -> Path:
    """A package that can be read, but holds no network: for those who look at names and versions only."""
    copy_demo("t1-head-demo", folder, version=version)
    for part in ("nnunet", "sample"):
        shutil.rmtree(folder / part)
    manifest = folder / "model.toml"
    manifest.write_text(manifest.read_text().partition("\n[sample]")[0])
    edit(folder, 'name = "t1-head-demo"', f'name = "{name}"')
    entry = '[[input]]\nname = "{}"\nmodality = "MR"\ndescription = "T1-weighted head, any orientation"\n'
    edit(folder, entry.format("T1"), "\n".join(entry.format(each) for each in inputs))
    return folder
