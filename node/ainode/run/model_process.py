"""The model's own process: ``python -m ainode.run.model_process``.

It reads one JSON request per line, answers one JSON line, and keeps the model that it has loaded. It ends
when its standard input closes, so that it never outlives a node that was killed.
"""

import json
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from ainode.run.image_file import load_radiographs, save_classification
from ainode.run.volume_file import load_volumes, save_prediction
from ainode_models.classifier import Classifier, classifier_for
from ainode_models.errors import AinodeError, ModelError, OutOfMemory, kind_of
from ainode_models.memory import ON_CPU, lacks_gpu_memory, lacks_memory
from ainode_models.offered import Counted
from ainode_models.package import ModelPackage
from ainode_models.prediction import Classification, Prediction
from ainode_models.runtime import ProbabilisticRuntime, Runtime, runtime_for

Request = dict[str, Any]


class LoadedModels:
    """The runtimes that this process holds, one for each package, weights, profile and device."""

    def __init__(self) -> None:
        self._loaded: dict[tuple[str, ...], Runtime | Classifier] = {}
        self._seconds = 0.0

    def answer(self, request: Request) -> dict[str, Any]:
        """Run the model on the volumes or radiographs of ``request["inputs"]`` and write ``request["output"]``.

        What the node says is ``lacking``, as it was asked for before in vain, goes into that file.
        The answer has ``done`` and the ``seconds`` that the model itself computed, without loading and files, or the
        ``error`` in words and its ``kind``, a class of `ainode_models.errors`.
        """
        try:
            save_answer(Path(request["output"]), self._run(request))
            said: dict[str, Any] = {"done": request["output"], "seconds": self._seconds}
        except AinodeError as error:
            said = _told(error)
        except Exception as error:  # noqa: BLE001 - the edge of the job: the node must get an answer
            traceback.print_exc()
            said = _told(_failure(error))
        return {**said, "gpu": _gpu_memory()}

    def _run(self, request: Request) -> Prediction | Classification:
        try:
            return self._answered(request)
        except Exception as error:
            if not lacks_gpu_memory(error):
                raise
        self._unload()  # here, where no error holds on to what the GPU has
        on_cpu = {**request, "device": "cpu"}
        answer = self._answered(on_cpu)
        self._unload()  # the next call tries the GPU again
        return replace(answer, remarks=(*answer.remarks, ON_CPU))

    def _answered(self, request: Request) -> Prediction | Classification:
        model = self._model(request)
        call = asked(model, request)
        began = time.perf_counter()
        answer = call()
        self._seconds = round(time.perf_counter() - began, 4)
        if isinstance(model, Counted):
            answer = replace(answer, parameters=model.parameters())
        lacking = tuple(request.get("lacking", ()))
        return replace(answer, device=answer.device or request["device"], lacking=lacking)

    def _model(self, request: Request) -> Runtime | Classifier:
        key = (request["package"], request["weights"], request["profile"], request["device"])
        if key not in self._loaded:
            package = ModelPackage.open(Path(request["package"])).by(request["profile"])
            model = classifier_for(package) if package.manifest.classes else runtime_for(package)
            model.load(package, request["device"])
            self._loaded[key] = model
        return self._loaded[key]

    def _unload(self) -> None:
        for model in self._loaded.values():
            model.unload()
        self._loaded.clear()
        if "torch" in sys.modules:
            sys.modules["torch"].cuda.empty_cache()


def asked(model: Runtime | Classifier, request: Request) -> Callable[[], Prediction | Classification]:
    """What the model is asked, with ``request["inputs"]`` read."""
    inputs = Path(request["inputs"])
    if isinstance(model, Classifier):
        return partial(model.classify, load_radiographs(inputs), explain=request.get("explain"))
    if not request.get("probabilities"):
        return partial(model.predict, load_volumes(inputs))
    if not isinstance(model, ProbabilisticRuntime):
        raise ModelError("this model's runtime keeps no probabilities of voxels; ask for the result without them")
    return partial(model.predict_probabilities, load_volumes(inputs))


def save_answer(output: Path, answer: Prediction | Classification) -> None:
    """Write what a model said, for the node to read."""
    if isinstance(answer, Classification):
        save_classification(output, answer)
    else:
        save_prediction(output, answer)


def _told(error: AinodeError) -> dict[str, Any]:
    return {"error": str(error), "kind": kind_of(error)}


def _failure(error: Exception) -> ModelError:
    """What a library's error means to the node."""
    words = f"{type(error).__name__}: {error}"
    if lacks_memory(error):
        return OutOfMemory(f"the model needs more memory than there is ({words}); give the machine more")
    return ModelError(f"the model failed with {words}")


def _gpu_memory() -> Mapping[str, int]:
    """Bytes that this process holds of its GPU, and that it has; nothing while torch has not used one."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return {}
    return {"held": torch.cuda.memory_reserved(), "total": torch.cuda.mem_get_info()[1]}


def serve(requests: "queue.Queue[Request]", answers: TextIO, answer: Callable[[Request], dict[str, Any]]) -> None:
    """Answer requests for ever, in order."""
    while True:
        answers.write(json.dumps(answer(requests.get())) + "\n")
        answers.flush()


def main() -> None:
    """Serve standard input; whatever libraries print goes to standard error, not into the answers."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    requests: queue.Queue[Request] = queue.Queue()
    threading.Thread(target=serve, args=(requests, answers, LoadedModels().answer), daemon=True).start()
    for line in sys.stdin:
        requests.put(json.loads(line))
    os._exit(0)  # the node is gone: do not finish an inference that nobody waits for


if __name__ == "__main__":
    main()
