"""The model's own process: ``python -m ainode.run.model_process``.

It reads one JSON request per line, answers one JSON line, and keeps the models that it has loaded. It ends
when its standard input closes, so that it never outlives a node that was killed.
"""

import json
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from ainode.run.image_file import load_radiographs, save_classification
from ainode.run.volume_file import load_volumes, save_prediction
from ainode_models.classifier import Classifier, classifier_for
from ainode_models.errors import AinodeError
from ainode_models.package import ModelPackage
from ainode_models.runtime import Runtime, runtime_for

Request = dict[str, str]


class LoadedModels:
    """The runtimes that this process holds, one for each package, weights and device."""

    def __init__(self) -> None:
        self._loaded: dict[tuple[str, str, str], Runtime | Classifier] = {}

    def answer(self, request: Request) -> dict[str, Any]:
        """Run the model on the volumes or radiographs of ``request["inputs"]`` and write ``request["output"]``."""
        try:
            model = self._model(request["package"], request["weights"], request["device"])
            _predict(model, Path(request["inputs"]), Path(request["output"]), explain=request.get("explain"))
        except AinodeError as error:
            return {"error": str(error)}
        except Exception as error:  # noqa: BLE001 - the edge of the job: the node must get an answer
            traceback.print_exc()
            return {"error": f"the model failed with {type(error).__name__}: {error}"}
        return {"done": request["output"]}

    def _model(self, folder: str, weights: str, device: str) -> Runtime | Classifier:
        key = (folder, weights, device)
        if key not in self._loaded:
            package = ModelPackage.open(Path(folder))
            model = classifier_for(package) if package.manifest.classes else runtime_for(package)
            model.load(package, device)
            self._loaded[key] = model
        return self._loaded[key]


def _predict(model: Runtime | Classifier, inputs: Path, output: Path, *, explain: str | None) -> None:
    if isinstance(model, Classifier):
        save_classification(output, model.classify(load_radiographs(inputs), explain=explain))
    else:
        save_prediction(output, model.predict(load_volumes(inputs)))


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
