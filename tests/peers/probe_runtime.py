"""A runtime of a third party, as another distribution brings it, that does what its package tells it to."""

import shutil
from pathlib import Path

from ainode_models.package import ModelPackage
from peers.shared_data import ROOT

CODE = """
import os
import signal
import time

import numpy as np

from ainode_models.prediction import Prediction


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
"""


def install_probe(folder: Path) -> Path:
    """A folder for ``PYTHONPATH`` with the distribution ``probe``, whose entry point offers the runtime ``probe``."""
    distribution = folder / "probe-1.0.dist-info"
    distribution.mkdir(parents=True)
    (distribution / "METADATA").write_text("Metadata-Version: 2.1\nName: probe\nVersion: 1.0\n")
    (distribution / "entry_points.txt").write_text("[ainode.runtimes]\nprobe = probe_runtime_code:Probe\n")
    (folder / "probe_runtime_code.py").write_text(CODE)
    return folder


def probe_package(folder: Path, name: str, mood: str = "works", *, megabytes: int = 1) -> ModelPackage:
    """A package for the runtime ``probe``: one input T1, one label."""
    shutil.copytree(ROOT / "models" / "t1-head-demo", folder / name)
    manifest = folder / name / "model.toml"
    text = manifest.read_text().partition("[nnunet]")[0]
    text = text.replace('"t1-head-demo"', f'"{name}"').replace('runtime = "nnunet"', 'runtime = "probe"')
    manifest.write_text(f'{text}[probe]\nmood = "{mood}"\nmegabytes = {megabytes}\n')
    return ModelPackage.open(folder / name)
