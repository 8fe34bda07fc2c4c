"""A package of the networks of a kind."""

import hashlib
import re
from pathlib import Path

from ainode_models.nnunet.folder import NnunetFolder
from ainode_models.package import ModelPackage
from nnunet_kinds.kind import DEMO, Kind


def package_of(kind: Kind, folder: Path, stages: list[NnunetFolder]) -> ModelPackage:
    """Write the manifest, without profiles, of the stages that lie in ``folder``; the last one gives the answer."""
    text = (DEMO / "model.toml").read_text().partition("\n[nnunet]")[0]
    text = re.sub(r"\[\[weights\]\]\n.*?\n\n", "", text, flags=re.DOTALL)
    text = text.replace('name = "brain-tumour-demo"', f'name = "{kind.name}"')
    files = [
        file
        for stage in stages
        for file in (*stage.checkpoints, stage.path / "plans.json", stage.path / "dataset.json")
    ]
    sums = {file.relative_to(folder): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    weights = "".join(f'[[weights]]\npath = "{path}"\nsha256 = "{digest}"\n\n' for path, digest in sums.items())
    tables = [
        f'[nnunet{".previous" * number}]\nfolder = "{stage.path.name}"\nfolds = [0]\nmirroring = false\n'
        for number, stage in enumerate(reversed(stages))
    ]
    start = text.index("# Inputs in the order")
    (folder / "model.toml").write_text(text[:start] + weights + text[start:] + "\n" + "".join(tables))
    return ModelPackage.open(folder)
