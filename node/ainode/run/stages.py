"""What a run does: volumes or radiographs, inference, objects. Each part may be done twice and leaves the same."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import structlog
from pydicom.dataset import Dataset

from ainode.complete.held_study import held_study
from ainode.durable_file import durable_file
from ainode.encode.encoder import Encoder, Images
from ainode.journal.instances import InstanceJournal
from ainode.journal.reviews import ReviewJournal
from ainode.journal.runs import RunJournal, RunRow
from ainode.receive.spool import Spool, path_in_spool
from ainode.route.volume_choice import RuleChoice, choice_of
from ainode.run.announcements import Announcements, standing_remarks
from ainode.run.beside import Beside
from ainode.run.image_file import load_classification, load_radiographs, save_radiographs
from ainode.run.placed_images import KeptImages, PlacedImages
from ainode.run.prior import Priors
from ainode.run.radiographs import choose_image, read_radiograph
from ainode.run.volume_file import load_prediction, save_volumes
from ainode.run.workers import ModelWorkers
from ainode.volume.builder import SeriesVolume, build_volume, drop_pixels, read_header, read_images
from ainode.volume.geometry import stack_slices
from ainode.volume.inputs import align_inputs
from ainode_models.classify import classification_findings
from ainode_models.errors import AinodeError, InputError, InstanceError, ModelError, PackageError
from ainode_models.findings import Findings, Outcome
from ainode_models.measure import failed_findings, findings_of
from ainode_models.package import ModelPackage
from ainode_models.registry import Registry
from ainode_models.volume import Volume

log = structlog.get_logger()


@dataclass(frozen=True)
class RunStages:
    """The parts of a run; see ``ainode.run.workflow.Stages``."""

    instances: InstanceJournal
    runs: RunJournal
    spool: Spool
    registry: Registry
    worker: ModelWorkers
    encoder: Encoder
    work: Path
    """Folder for what is passed between the parts."""
    priors: Priors | None = None
    """Where earlier results are found; without it none is compared."""
    announcements: Announcements | None = None
    """Where FHIR says how far a run is; without it, it says nothing before the end."""
    images: KeptImages = field(default_factory=KeptImages)
    """What the first step read, for the last."""
    posted: Callable[[], None] = lambda: None
    """Called when there may be something to deliver."""
    reviews: ReviewJournal | None = None
    """Which results humans accepted; without it none."""

    def prepare(self, run_id: str) -> None:
        """Write the inputs: the radiographs of a classifier, or volumes on the grid of the first."""
        self._tell(run_id)
        run = self.runs.get(run_id)
        if self._package(run).manifest.classes:
            self._prepare_radiographs(run)
        else:
            self._prepare_volumes(run)

    def infer(self, run_id: str) -> float:
        """Check the model's weights, and have its process write the prediction; seconds that the model itself computed.

        If the model breaks off while it was asked for more than its answer, the answer alone is asked for.
        """
        run = self.runs.get(run_id)
        package = self._package(run)
        package.verify()
        files = self._inputs(run_id), self._prediction(run_id)
        beside = Beside.of(run, package)
        if beside is None:
            return self.worker.predict(package, *files, priority=run.spec.priority)
        try:
            return self.worker.predict(
                package,
                *files,
                explain=beside.explain,
                probabilities=beside.probabilities,
                priority=run.spec.priority,
            )
        except ModelError as error:
            # The answer itself may be had; where it cannot, that fails by itself.
            log.warning("asked again for the answer alone", run=run_id, without=beside.name, reason=str(error))
            lacking = [beside.lacking(error)]
            return self.worker.predict(package, *files, lacking=lacking, priority=run.spec.priority)

    def encode(self, run_id: str) -> None:
        """Measure, write the objects, and record the run as finished."""
        run = self.runs.get(run_id)
        if run.finished_at is None:  # else recorded before, but cut off before that was noted
            package = self._package(run)
            findings, images = (self._classified if package.manifest.classes else self._segmented)(run, package)
            self._finish(run, findings, images)
        self._tell_all(run_id)

    def fail(self, run_id: str, reason: str, *, refused: bool = False) -> None:
        """Write the objects that say that the run failed or was refused, and record it so."""
        run = self.runs.get(run_id)
        if run.finished_at is None:  # else what went wrong did so after the result was recorded, which stands
            self._fail(run, reason, refused=refused)
        self._tell_all(run_id)

    def _fail(self, run: RunRow, reason: str, *, refused: bool) -> None:
        try:
            self._report_failure(run, reason, refused=refused)
        except Exception as error:
            # Whatever the images hold: a run that cannot end would be tried for ever.
            log.exception("failure not reported", run=run.run_id)
            why = str(error) if isinstance(error, AinodeError) else f"internal error ({type(error).__name__})"
            both = f"{reason}; no report of the failure could be written, either: {why}"
            outcome = Outcome.REFUSED if refused else Outcome.FAILED
            self.runs.finished(run.run_id, outcome=outcome, reason=both, objects=())
            self._remove_work(run.run_id)

    def remove_leftovers(self) -> None:
        """Remove what runs that have ended, or were replaced, left in the work folder when the node was killed."""
        unfinished = {run.run_id for run in self.runs.unfinished()}
        for folder in self.work.iterdir() if self.work.is_dir() else ():
            if folder.name not in unfinished:
                self._remove_work(folder.name)

    def _prepare_volumes(self, run: RunRow) -> None:
        paths = self._paths(run)
        headers: dict[str, Sequence[Dataset]] = {}
        series: dict[str, SeriesVolume] = {}
        for name, uids in run.spec.inputs.items():
            headers[name] = read_images([paths[uid] for uid in uids])
            series[name] = build_volume(headers[name], _choice(run, name))
            drop_pixels((*headers[name], *series[name].sources))
        reference = next(iter(series))
        save_volumes(self._inputs(run.run_id), align_inputs(series, reference=reference))
        placed = PlacedImages(headers, series[reference].sources, series[reference].volume.affine)
        self.images.keep(run.run_id, placed)

    def _prepare_radiographs(self, run: RunRow) -> None:
        if run.spec.volumes:
            raise InputError(f"{run.model} takes single images: leave volume out of the rule {run.rule!r}")
        paths = self._paths(run)
        read = {
            name: read_radiograph(choose_image([paths[uid] for uid in uids])) for name, uids in run.spec.inputs.items()
        }
        with durable_file(self._remarks(run.run_id)) as file:
            file.write(json.dumps([remark for _, remarks in read.values() for remark in remarks]).encode())
        save_radiographs(self._inputs(run.run_id), {name: radiograph for name, (radiograph, _) in read.items()})

    def _segmented(self, run: RunRow, package: ModelPackage) -> tuple[Findings, Images]:
        prediction = load_prediction(self._prediction(run.run_id))
        placed = self.images.take(run.run_id) or self._placed(run)  # anew after a restart
        frame = str(placed.reference[0].FrameOfReferenceUID)
        findings = findings_of(
            prediction,
            package,
            grid=Volume(prediction.label_map, placed.affine, frame),
            run_id=run.run_id,
            started_at=_started(run),
        )
        every = (header for images in placed.headers.values() for header in images)
        evidence = list({header.SOPInstanceUID: header for header in every}.values())
        if self.priors is not None:
            findings = self.priors.compare(findings, run, evidence)
        return findings, Images(evidence=evidence, reference=placed.reference)

    def _placed(self, run: RunRow) -> PlacedImages:
        paths = self._paths(run)
        headers = {name: [read_header(paths[uid]) for uid in uids] for name, uids in run.spec.inputs.items()}
        reference = next(iter(headers))
        stack = stack_slices(headers[reference], _choice(run, reference))
        return PlacedImages(headers, stack.headers, stack.affine)

    def _classified(self, run: RunRow, package: ModelPackage) -> tuple[Findings, Images]:
        """The first input is the one that the results refer to."""
        paths = self._paths(run)
        answer = load_classification(self._prediction(run.run_id))
        findings = classification_findings(answer, package, run_id=run.run_id, started_at=_started(run))
        remarks = json.loads(self._remarks(run.run_id).read_bytes())
        seen = [choose_image([paths[uid] for uid in uids]).header for uids in run.spec.inputs.values()]
        radiograph = next(iter(load_radiographs(self._inputs(run.run_id)).values()))
        return (
            replace(findings, remarks=(*remarks, *findings.remarks)),
            Images(evidence=seen, reference=seen[:1], radiograph=radiograph),
        )

    def _report_failure(self, run: RunRow, reason: str, *, refused: bool) -> None:
        algorithm = self.registry.get(f"{run.model}@{run.model_version}").algorithm()
        findings = failed_findings(algorithm, reason, run_id=run.run_id, started_at=_started(run), refused=refused)
        paths = self._paths(run)
        uids = dict.fromkeys(uid for uids in run.spec.inputs.values() for uid in uids)
        evidence = [read_header(paths[uid]) for uid in uids]
        self._finish(run, findings, Images(evidence=evidence, reference=()))

    def _finish(self, run: RunRow, findings: Findings, images: Images) -> None:
        study = held_study(run.study_uid, self.instances.of_study(run.study_uid), self.spool)
        replaced = self.runs.replaced(run.run_id)
        if standing := self.reviews.standing(replaced) if self.reviews else []:
            # What a human answers for is not withdrawn by a machine: the new result comes beside it.
            replaced = [run_id for run_id in replaced if run_id not in {review.run_id for review in standing}]
            findings = replace(findings, remarks=(*findings.remarks, *standing_remarks(standing)))
        objects = self.encoder.encode(run, findings, images, study=study, replaced=replaced)
        reason = f"partial, it lacks {'; '.join(findings.lacking)}" if findings.partial else findings.failure
        self.runs.finished(run.run_id, outcome=findings.outcome, reason=reason, objects=objects)
        self.posted()
        self._remove_work(run.run_id)

    def _tell(self, run_id: str) -> None:
        if self.announcements:
            self.announcements.tell(run_id)

    def _tell_all(self, run_id: str) -> None:
        """Of the run, and of those that it replaces."""
        for told in (run_id, *self.runs.replaced(run_id)):
            self._tell(told)

    def _remove_work(self, run_id: str) -> None:
        self.images.take(run_id)
        shutil.rmtree(self.work / run_id, ignore_errors=True)

    def _paths(self, run: RunRow) -> Mapping[str, Path]:
        used = {row.sop_instance_uid: row.path for row in self.instances.of_study(run.study_uid)}
        for name, uids in run.spec.inputs.items():
            # What the run was made for: a corrected object that came meanwhile gets a run of its own.
            used |= zip(uids, map(path_in_spool, run.spec.files.get(name, ())), strict=False)
        paths = {uid: self.spool.path_of(path) for uid, path in used.items()}
        wanted = [paths.get(uid) for uids in run.spec.inputs.values() for uid in uids]
        if lacking := sum(path is None or not path.is_file() for path in wanted):
            raise InstanceError(f"{lacking} of its images are no longer here; send the study again, then retry the run")
        return paths

    def _package(self, run: RunRow) -> ModelPackage:
        package = self.registry.get(f"{run.model}@{run.model_version}")
        if package.weights_sha256 != run.spec.weights_sha256:
            raise PackageError(
                f"{package.folder} was changed after the run was queued, under the same version; "
                "give new weights a new version, then have the study reconsidered"
            )
        return package

    def _inputs(self, run_id: str) -> Path:
        return self.work / run_id / "inputs.npz"

    def _remarks(self, run_id: str) -> Path:
        return self.work / run_id / "remarks.json"

    def _prediction(self, run_id: str) -> Path:
        return self.work / run_id / "prediction.npz"


def _choice(run: RunRow, name: str) -> RuleChoice | None:
    return choice_of(run.spec.volumes[name]) if name in run.spec.volumes else None


def _started(run: RunRow) -> datetime:
    assert run.started_at
    return datetime.fromtimestamp(run.started_at).astimezone()  # people read it in the PACS: local time
