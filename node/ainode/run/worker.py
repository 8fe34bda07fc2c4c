"""The node's side of one model's process: started on first use, kept warm, replaced after a crash."""

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from ainode.run.memory_budget import Held, resident_memory
from ainode_models.errors import WorkerCrashed, WorkerTimeout, error_of
from ainode_models.package import ModelPackage

log = structlog.get_logger()


class ModelWorker:
    """The process of one model; calls are served one at a time."""

    def __init__(self, package: ModelPackage, *, device: str, timeout: float) -> None:
        self.package = package
        self._device = device
        self._timeout = timeout
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[str] = queue.Queue()
        self._gpu: Mapping[str, int] = {}

    @property
    def pid(self) -> int | None:
        """Process id while the process lives."""
        process = self._process
        return process.pid if process and process.poll() is None else None

    @property
    def name(self) -> str:
        """Name, version and profile of the model."""
        return self.package.reference

    @property
    def held(self) -> Held:
        """The memory of the process now; none while it does not live."""
        pid = self.pid
        if pid is None:
            return Held()
        return Held(resident_memory(pid), self._gpu.get("held", 0), self._gpu.get("total", 0))

    def predict(self, inputs: Path, output: Path, **more: object) -> float:
        """Run the model on the file ``inputs`` and write ``output``; ``more`` goes into the request.

        Returns the seconds that the model itself computed. Raises what the model raised, of the same kind,
        ``WorkerCrashed`` or ``WorkerTimeout``; after the last two the next call starts a new process.
        """
        request = {
            "package": str(self.package.folder),
            "weights": self.package.weights_sha256,
            "profile": self.package.profile.name,
            "device": self._device,
            "inputs": str(inputs),
            "output": str(output),
            **more,
        }
        with self._lock:
            answer: dict[str, Any] = json.loads(self._ask(json.dumps(request)))
        self._gpu = answer.get("gpu", {})
        if "error" in answer:
            raise error_of(answer["kind"], answer["error"])
        return float(answer["seconds"])

    def stop(self) -> None:
        """End the process, after the call that it serves."""
        with self._lock:
            self._kill()

    def _ask(self, request: str) -> str:
        process = self._started()
        assert process.stdin
        try:
            process.stdin.write(request + "\n")
            process.stdin.flush()
            answer = self._answers.get(timeout=self._timeout)
        except queue.Empty as error:
            self._kill()
            raise WorkerTimeout(
                f"the model gave no answer in {self._timeout:g} s; raise [models] timeout if it needs longer"
            ) from error
        except BrokenPipeError:
            answer = ""
        if answer.endswith("\n"):  # else it died before it had said all
            return answer
        code = process.wait()
        self._kill()
        raise WorkerCrashed(
            f"the model's process ended with exit code {code} and no answer (-9 is often a lack of memory)"
        )

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self._kill()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ainode.run.model_process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,  # Ctrl-C is for the node, which then ends this process itself
            )
            self._answers = queue.Queue()
            reader = threading.Thread(target=_read, args=(self._process, self._answers), daemon=True)
            reader.start()
            log.info("model process started", pid=self._process.pid, device=self._device, model=self.name)
        return self._process

    def _kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            assert self._process.stdin
            with suppress(BrokenPipeError):  # what it had not read when it died
                self._process.stdin.close()
            self._process = None
            self._gpu = {}


def _read(process: "subprocess.Popen[str]", answers: "queue.Queue[str]") -> None:
    """Hand on each answer, and an empty one when the process has ended."""
    assert process.stdout
    with process.stdout:
        for line in process.stdout:
            answers.put(line)
    answers.put("")
