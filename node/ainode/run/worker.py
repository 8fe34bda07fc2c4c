"""The node's side of the model's process: started on first use, kept warm, replaced after a crash."""

import json
import queue
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import structlog

from ainode_models.errors import ModelError, WorkerCrashed, WorkerTimeout
from ainode_models.package import ModelPackage

log = structlog.get_logger()


class ModelWorker:
    """One model process; calls are served one at a time."""

    def __init__(self, *, device: str, timeout: float) -> None:
        self._device = device
        self._timeout = timeout
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[str] = queue.Queue()

    @property
    def pid(self) -> int | None:
        """Process id while the process lives."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def predict(self, package: ModelPackage, inputs: Path, output: Path) -> None:
        """Run the model of ``package`` on the volumes file ``inputs`` and write ``output``.

        Raises ``ModelError`` with the model's own words, ``WorkerCrashed`` or ``WorkerTimeout``; after the
        last two the next call starts a new process.
        """
        request = {
            "package": str(package.folder),
            "weights": package.weights_sha256,
            "device": self._device,
            "inputs": str(inputs),
            "output": str(output),
        }
        with self._lock:
            answer = json.loads(self._ask(json.dumps(request)))
        if "error" in answer:
            raise ModelError(answer["error"])

    def stop(self) -> None:
        """End the process."""
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
        if answer:
            return answer
        code = process.wait()
        self._kill()
        raise WorkerCrashed(
            f"the model's process ended with exit code {code} and no answer (-9 is often a lack of memory)"
        )

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
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
            log.info("model process started", pid=self._process.pid, device=self._device)
        return self._process

    def _kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            assert self._process.stdin
            assert self._process.stdout
            with suppress(BrokenPipeError):  # what it had not read when it died
                self._process.stdin.close()
            self._process = None


def _read(process: "subprocess.Popen[str]", answers: "queue.Queue[str]") -> None:
    """Hand on each answer, and an empty one when the process has ended."""
    assert process.stdout
    with process.stdout:
        for line in process.stdout:
            answers.put(line)
    answers.put("")
