"""One way to run a package, in a process of its own: ``python -m ainode.bench.timed REQUEST``.

Memory at its peak is that of this process alone. It imports what the model's process of the node imports.
"""

import json
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from ainode.bench.framework import by_framework
from ainode.run.image_file import load_radiographs
from ainode.run.model_process import asked, save_answer
from ainode_models.classifier import classifier_for
from ainode_models.errors import ModelError
from ainode_models.package import ModelPackage
from ainode_models.profile import Profile
from ainode_models.runtime import runtime_for

AS_TRAINED = ""
"""Instead of the name of a profile."""


@dataclass(frozen=True)
class Request:
    """What is to be timed."""

    package: str
    """Folder."""
    profile: str | None
    """Name of a profile, `AS_TRAINED`, or None for the package's framework instead of this node."""
    device: str
    inputs: str
    """File as `ainode.run.model_process` reads it."""
    output: str
    """File for the answer."""
    rounds: int

    def timed(self) -> "Timed":
        """Run it; raises `ModelError` with the last words of a process that broke off."""
        command = [sys.executable, "-m", "ainode.bench.timed", json.dumps(asdict(self))]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ModelError((done.stderr.strip().splitlines() or ["the process ended without a word"])[-1])
        return Timed(**json.loads(done.stdout.splitlines()[-1]))


@dataclass(frozen=True)
class Timed:
    """What was seen of it."""

    load_s: float
    """Until the model was ready."""
    seconds: list[float]
    """Of each call but the first, which warms up."""
    peak_mb: float
    """Of the process's memory."""
    gpu_peak_mb: float | None
    """Of what torch took of the GPU; None without one."""
    device: str
    nets_s: dict[str, float] = field(default_factory=dict)
    """Median for one picture by each net of an X-ray ensemble, without what is done before and after; else empty."""


def main() -> None:
    """Do what the request says; the answer is one line of JSON."""
    request = Request(**json.loads(sys.argv[1]))
    package = ModelPackage.open(Path(request.package))
    start = time.perf_counter()
    model = _model(request, package)
    load_s = time.perf_counter() - start
    call = asked(model, asdict(request))
    answer = call()
    seconds = []
    for _ in range(request.rounds):
        start = time.perf_counter()
        answer = call()
        seconds.append(round(time.perf_counter() - start, 4))
    nets_s = _nets(model, Path(request.inputs), request.rounds) if package.manifest.runtime == "cxr" else {}
    save_answer(Path(request.output), answer)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    said = Timed(round(load_s, 3), seconds, round(peak), _gpu_peak(), answer.device or request.device, nets_s)
    print(json.dumps(asdict(said)))  # noqa: T201 - this is its answer


def _model(request: Request, package: ModelPackage) -> Any:
    if request.profile is None:
        model = by_framework(package.manifest.runtime)
    else:
        model = classifier_for(package) if package.manifest.classes else runtime_for(package)
    as_trained = replace(package, profile=Profile())
    model.load(package.by(request.profile) if request.profile else as_trained, request.device)
    return model


def _nets(model: Any, inputs: Path, rounds: int) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for number in range(rounds + 1):
        for name, seconds in model.seconds_of_nets(load_radiographs(inputs)).items():
            found.setdefault(name, []).extend([seconds] if number else [])  # the first warms up
    return {name: round(median(seconds), 5) for name, seconds in found.items()}


def _gpu_peak() -> float | None:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return None
    return float(round(torch.cuda.max_memory_reserved() / 1e6))


if __name__ == "__main__":
    main()
