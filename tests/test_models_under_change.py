"""Versions come and go, processes are killed, all ask meanwhile: nobody is refused, and every answer is right."""

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from ainode.journal.runs import RunRow
from ainode_models.volume import Volume
from peers import dcmtk
from peers.head_study import head_phantom, write_head
from peers.nifti_files import write_nifti
from peers.node import NodeServer
from peers.orthanc import OrthancServer
from peers.plain_http import request
from peers.quick_head import quick_head

REQUESTS, STUDIES = 96, 6
OLD, NEW = "1.0.0", "1.1.0"
API = "[api]\nenabled = true\nrate = 0\n"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Two versions of a model: the first calls everything a head, the second nothing."""
    folder = tmp_path / "models"
    quick_head(folder / "old", version=OLD)
    quick_head(folder / "new", version=NEW, finds=False)
    return folder


@pytest.fixture
def node(tmp_path: Path, models: Path) -> Iterator[NodeServer]:
    with (
        OrthancServer(tmp_path / "orthanc") as orthanc,
        NodeServer(tmp_path / "node", orthanc, models=models, more=API) as node,
    ):
        assert node.ainode("models", "activate", f"t1-head-demo@{OLD}").returncode == 0
        yield node


class Changes:
    """What happens between the requests: at a third and at two thirds of them, with processes killed all along."""

    def __init__(self, node: NodeServer) -> None:
        self._node = node
        self._answered = 0
        self._lock = threading.Lock()
        self.killed = 0

    def answered(self) -> None:
        """One more request has its answer."""
        with self._lock:
            self._answered += 1
            if self._answered == REQUESTS // 3:
                self._models("activate", NEW)
            if self._answered == 2 * REQUESTS // 3:
                self._models("retire", OLD)
            if self._answered % 24 == 12:  # it has answered since: no call loses two
                self._kill()

    def _models(self, verb: str, version: str) -> None:
        done = self._node.ainode("models", verb, f"t1-head-demo@{version}")
        assert done.returncode == 0, done.stderr

    def _kill(self) -> None:
        assert self._node.process
        pids = Path(f"/proc/{self._node.process.pid}/task").glob("*/children")
        for pid in [int(word) for file in pids for word in file.read_text().split()]:
            if b"ainode.run.model_process" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
                self.killed += 1


def sample(folder: Path, number: int) -> Path:
    """A piece of the head's phantom, as small as one patch, with noise that no other request has."""
    volume = head_phantom().volumes["T1"]
    piece = volume.array[8:22, 14:38, 14:38]
    noise = np.random.default_rng(number).normal(0, 1, piece.shape)
    array = (piece + noise).astype(np.float32)
    return write_nifti(folder / f"{number}.nii.gz", Volume(array, volume.affine, volume.frame_of_reference_uid))


def ask(node: NodeServer, folder: Path, number: int, *, model: str = "t1-head-demo") -> httpx.Response:
    """One request by REST."""
    path = sample(folder, number)
    sent = {"image": (path.name, path.read_bytes())}
    return request("POST", f"{node.url}/api/v1/predict/{model}", files=sent, timeout=280)


def send_all(node: NodeServer, folder: Path) -> None:
    """Each study by C-STORE."""
    for number in range(STUDIES):
        write_head(folder / str(number), seed=number)
        dcmtk.storescu(folder / str(number), "127.0.0.1", node.dicom_port, called="AINODE")


def finished(node: NodeServer) -> list[RunRow]:
    """The runs of all studies, once they have ended; not those on images that came before others of their study."""
    found: list[RunRow] = []

    def all_ended() -> bool:
        found[:] = [run for run in node.look(lambda book: book.runs.all()) if run.superseded_by is None]
        return len(found) >= STUDIES and all(run.finished_at is not None for run in found)

    node.wait(all_ended, "the runs of all studies", seconds=250)
    return found


@pytest.mark.timeout(600)
def test_nobody_is_refused_while_versions_and_processes_come_and_go(node: NodeServer, tmp_path: Path) -> None:
    changes = Changes(node)

    def asked(number: int) -> Any:
        answer = ask(node, tmp_path, number)
        assert answer.status_code == 200, answer.text
        changes.answered()
        return answer.json()

    with ThreadPoolExecutor(5) as pool:
        studies = pool.submit(send_all, node, tmp_path / "dicom")
        answers = list(pool.map(asked, range(REQUESTS)))
        studies.result()
    assert changes.killed >= 3
    assert {answer["version"] for answer in answers} == {OLD, NEW}
    for answer in answers:  # the version that it names is the one that answered
        assert answer["unique_classes"] == ([1] if answer["version"] == OLD else [0]), answer
    runs = finished(node)
    assert len(runs) == STUDIES
    for run in runs:
        assert (run.outcome, run.model_version) in {("findings", OLD), ("no findings", NEW)}, run
    assert ask(node, tmp_path, REQUESTS, model=f"t1-head-demo@{OLD}").status_code == 404
