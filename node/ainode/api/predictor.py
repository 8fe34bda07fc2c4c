"""From the files of a case to its answer: read, predicted by the model's process, measured, kept."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from ainode.api.answers import Links, PredictionAnswer, State
from ainode.api.described import classification_fields, model_info, segmentation_fields
from ainode.api.dicom_input import Opening
from ainode.api.loaded_case import LoadedCase, load_case
from ainode.api.nifti_input import nifti_bytes
from ainode.api.overlays import BEST_OVERLAY, overlay_files, overlay_name
from ainode.api.question import Question
from ainode.api.result_store import ResultStore
from ainode.run.image_file import load_classification, save_radiographs
from ainode.run.volume_file import load_prediction, save_volumes
from ainode_dicom_sr.equipment import Equipment
from ainode_dicom_sr.objects import encoded
from ainode_dicom_sr.segmentation import segmentation
from ainode_models.classify import classification_findings
from ainode_models.findings import Findings
from ainode_models.measure import findings_of

MASK, SEG = "mask.nii.gz", "seg.dcm"


class Worker(Protocol):
    """What has models predict: the node's side of the models' processes."""

    @property
    def predict(self) -> Callable[..., object]:
        """Called with the package, the file of the inputs, that of the output, and ``explain`` where that is asked."""


class Predictor:
    """Answers questions; one that was answered is not worked out again."""

    def __init__(self, worker: Worker, results: ResultStore, *, equipment: Equipment, root: str, longest: int) -> None:
        self._worker = worker
        self._results = results
        self._equipment = equipment
        self._root = root
        self._longest = longest
        self._busy: set[str] = set()
        self._changed = threading.Condition()

    def known(self, question: Question) -> PredictionAnswer | None:
        """The answer to a question that was asked before."""
        found = self._results.get(question.result_id)
        if found is None:
            return None
        self._results.used(question.result_id)
        return found.model_copy(update={"cached": True})

    def answer(self, question: Question, folder: Path, tell: Callable[[State], None]) -> PredictionAnswer:
        """The answer, made in ``folder`` if it is not known; ``tell`` hears how far it is.

        Raises AinodeError or WebProblem when there is none.
        """
        with self._alone(question.result_id):
            return self.known(question) or self._made(question, folder / uuid4().hex, tell)

    @contextmanager
    def _alone(self, result_id: str) -> Iterator[None]:
        """Nobody else works at the same result."""
        with self._changed:
            self._changed.wait_for(lambda: result_id not in self._busy)
            self._busy.add(result_id)
        try:
            yield
        finally:
            with self._changed:
                self._busy.remove(result_id)
                self._changed.notify_all()

    def _made(self, question: Question, folder: Path, tell: Callable[[State], None]) -> PredictionAnswer:
        began, started_at = time.perf_counter(), datetime.now(UTC).astimezone()
        tell("loading")
        opening = Opening(self._longest, question.options.series_uid)
        loaded = load_case(question.case, question.package.manifest, opening)
        folder.mkdir(mode=0o700)
        try:
            question.package.verify()
            findings = self._findings(question, loaded, folder, started_at=started_at, tell=tell)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        files = self._files(findings, loaded)
        answer = self._described(question, findings, loaded, files=files, seconds=time.perf_counter() - began)
        self._results.put(question.result_id, answer, files)
        return answer

    def _findings(
        self,
        question: Question,
        loaded: LoadedCase,
        folder: Path,
        *,
        started_at: datetime,
        tell: Callable[[State], None],
    ) -> Findings:
        package, explain = question.package, question.options.explain
        inputs, output = folder / "inputs.npz", folder / "prediction.npz"
        if loaded.volumes:
            save_volumes(inputs, loaded.volumes)
        else:
            save_radiographs(inputs, loaded.radiographs)
        tell("running")
        self._worker.predict(package, inputs, output, **({"explain": explain} if explain else {}))
        if not loaded.volumes:
            classes = load_classification(output)
            return classification_findings(classes, package, run_id=question.result_id, started_at=started_at)
        grid = next(iter(loaded.volumes.values()))
        prediction = load_prediction(output)
        return findings_of(prediction, package, grid=grid, run_id=question.result_id, started_at=started_at)

    def _files(self, findings: Findings, loaded: LoadedCase) -> dict[str, bytes]:
        """What can be fetched beside the answer."""
        if findings.label_map is None:
            (image,) = loaded.radiographs.values()
            return overlay_files(findings, image)
        grid = next(iter(loaded.volumes.values()))
        files = {MASK: nifti_bytes(findings.label_map, grid.affine)}
        if loaded.sources and findings.present:
            files[SEG] = encoded(segmentation(findings, loaded.sources, self._equipment))
        return files

    def _described(
        self, question: Question, findings: Findings, loaded: LoadedCase, *, files: Mapping[str, bytes], seconds: float
    ) -> PredictionAnswer:
        package, address = question.package, f"{self._root}/results/{question.result_id}"
        fields: dict[str, Any] = (
            classification_fields(findings) if findings.label_map is None else segmentation_fields(findings)
        )
        links = {name: f"{address}/{name}" for name in files}
        names = {overlay_name(item.number): item.label for item in findings.classes}
        overlays = {names[name]: link for name, link in links.items() if name in names}
        return PredictionAnswer(
            id=question.result_id,
            model=package.manifest.name,
            version=package.version,
            device=findings.device,
            elapsed_time=round(seconds, 4),
            cached=False,
            output_path=links.get(MASK),
            model_info=model_info(package, findings),
            explanation=question.options.explain,
            remarks=[*loaded.remarks, *findings.remarks],
            disclaimer=package.manifest.disclaimer,
            links=Links(
                result=address,
                mask=links.get(MASK),
                seg=links.get(SEG),
                overlay=links.get(BEST_OVERLAY),
                overlays=overlays,
            ),
            **fields,
        )
