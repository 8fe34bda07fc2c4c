"""A runtime and a classifier of a third party, as another distribution brings them; packages say what they do."""

import hashlib
import shutil
from pathlib import Path

from ainode_models.package import ModelPackage
from peers.shared_data import ROOT

CODE = """
import os
import signal
import time

import numpy as np

from ainode_models.findings import Heatmap
from ainode_models.prediction import Classification, Prediction


class Probe:
    def is_available(self):
        return None

    def load(self, package, device):
        self.package, self.device = package, device
        self.ballast = b"x" * (package.manifest.settings.scalar("megabytes", int, default=1) << 20)

    def predict(self, volumes):
        getattr(self, self.package.manifest.settings.text("mood").replace(" ", "_"))()
        manifest = self.package.manifest
        shape = next(iter(volumes.values())).array.shape
        remarks = (f"{manifest.name}@{manifest.version}", self.device, str(os.getpid()))
        return Prediction(np.ones(shape, np.uint8), {1: 0.5}, remarks)

    def unload(self):
        self.ballast = b""

    def works(self):
        pass

    def takes_a_moment(self):
        time.sleep(0.05)

    def dies(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def dies_once(self):
        mark = self.package.folder / "died"
        if not mark.exists():
            mark.touch()
            self.dies()

    def waits(self):
        (self.package.folder / "waits").touch()
        deadline = time.monotonic() + 120
        while not (self.package.folder / "go").exists() and time.monotonic() < deadline:
            time.sleep(0.02)

    def lacks_gpu_memory(self):
        import torch

        if self.device != "cpu":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    def lacks_memory(self):
        np.empty(1 << 62, np.uint8)

    def breaks(self):
        raise ZeroDivisionError("a defect")


class Keeper(Probe):
    def predict_probabilities(self, volumes):
        answer = self.predict(volumes)
        getattr(self, self.package.manifest.settings.text("keeping").replace(" ", "_"))()
        halves = np.full((1, *answer.label_map.shape), 0.5, np.float16)
        return Prediction(answer.label_map, answer.confidence, answer.remarks, halves)


class ProbeClassifier(Probe):
    predict = None

    def classify(self, images, explain=None):
        getattr(self, self.package.manifest.settings.text("mood").replace(" ", "_"))()
        heatmaps = ()
        if explain is not None:
            getattr(self, self.package.manifest.settings.text("keeping").replace(" ", "_"))()
            shape = next(iter(images.values())).pixels.shape
            heatmaps = tuple(Heatmap(each.number, "probe", np.zeros(shape)) for each in self.package.manifest.classes)
        first, *others = (each.number for each in self.package.manifest.classes)
        said = {first: 0.91, **dict.fromkeys(others, 0.03)}
        return Classification(said, {"one": said}, heatmaps=heatmaps)
"""


_POINTS = """\
[ainode.runtimes]
probe = probe_runtime_code:Probe
keeper = probe_runtime_code:Keeper
[ainode.classifiers]
probe = probe_runtime_code:ProbeClassifier
"""


def install_probe(folder: Path) -> Path:
    """A folder for ``PYTHONPATH`` with the distribution ``probe``, whose entry points offer ``probe``."""
    distribution = folder / "probe-1.0.dist-info"
    distribution.mkdir(parents=True)
    (distribution / "METADATA").write_text("Metadata-Version: 2.1\nName: probe\nVersion: 1.0\n")
    (distribution / "entry_points.txt").write_text(_POINTS)
    (folder / "probe_runtime_code.py").write_text(CODE)
    return folder


def probe_package(
    folder: Path, name: str, mood: str = "works", *, keeping: str | None = None, megabytes: int = 1
) -> ModelPackage:
    """A package for the runtime ``probe``: one input T1, one label.

    ``mood`` is what it does over its answer; ``keeping``, of a runtime that keeps probabilities, over these.
    """
    runtime = "probe" if keeping is None else "keeper"
    shutil.copytree(ROOT / "models" / "t1-head-demo", folder / name)
    text = (folder / name / "model.toml").read_text().partition("[nnunet]")[0]
    text = text.replace('"t1-head-demo"', f'"{name}"').replace('runtime = "nnunet"', f'runtime = "{runtime}"')
    own = f'[{runtime}]\nmood = "{mood}"\nkeeping = "{keeping}"\nmegabytes = {megabytes}\n'
    return _written(folder / name, text + own)


def probe_classifier(folder: Path, name: str, mood: str = "works", *, keeping: str = "works") -> ModelPackage:
    """The same for the classifier ``probe``: one input chest, four classes, the first present; heat maps beside it."""
    (folder / name).mkdir(parents=True)
    text = (ROOT / "models" / "chest-xray-demo" / "model.toml").read_text()
    head, _, rest = text.partition("[[weights]]")
    classes = "[[input]]" + rest.partition("[[input]]")[2].partition("[cxr]")[0].partition("[sample]")[0]
    head = head.replace('"chest-xray-demo"', f'"{name}"').replace('runtime = "cxr"', 'runtime = "probe"')
    weights = folder / name / "weights"
    weights.write_bytes(b"none")
    digest = hashlib.sha256(b"none").hexdigest()
    own = f'[[weights]]\npath = "weights"\nsha256 = "{digest}"\n[probe]\nmood = "{mood}"\nkeeping = "{keeping}"\n'
    return _written(folder / name, head + classes + own)


def _written(folder: Path, manifest: str) -> ModelPackage:
    (folder / "model.toml").write_text(manifest)
    return ModelPackage.open(folder)
