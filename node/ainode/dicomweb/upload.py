"""``POST /upload``: one DICOM file, a zip of them, or a NIfTI volume, as the body of the request."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ainode.dicomweb.failure import Reason
from ainode.dicomweb.intake import Batch, ObjectIntake, Taken
from ainode.dicomweb.media import DICOM, media_range
from ainode.dicomweb.nifti import NiftiSeries, Subject, inflated
from ainode.dicomweb.problem import WebProblem
from ainode.dicomweb.workers import Workers
from ainode.dicomweb.zip_members import read_members
from ainode.receive.uids import is_valid_uid
from ainode_models.errors import InputError

_KINDS: Mapping[str, str] = MappingProxyType(
    {
        DICOM: "dicom",
        "application/zip": "zip",
        "application/x-zip-compressed": "zip",
        "application/x-nifti": "nifti",
        "application/nifti": "nifti",
        "application/gzip": "nifti",
    }
)
_MODALITIES = ("MR", "CT")


@dataclass(frozen=True)
class Skipped:
    """A file of a zip that was not looked at, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class UploadService:
    """Takes in files of people and scripts; the answer says file by file what became of them."""

    intake: ObjectIntake
    workers: Workers
    largest: int
    """Bytes of one body at most."""

    async def upload(self, request: Request) -> Response:
        """Store what the body holds; Content-Type says what that is."""
        kind = _KINDS.get(media_range(request.headers.get("content-type", "")).kind)
        if kind is None:
            raise WebProblem(415, f"Content-Type is one of {', '.join(_KINDS)}")
        subject = _subject(request)

        def work(chunks: Iterator[bytes]) -> tuple[list[Taken], list[Skipped]]:
            skipped: list[Skipped] = []
            with self.intake.batch("REST upload", request.client) as batch:
                if kind == "dicom":
                    batch.take("body", chunks)
                elif kind == "zip":
                    skipped = self._take_zip(batch, chunks)
                else:
                    self._take_nifti(batch, chunks, subject)
            return batch.taken, skipped

        taken, skipped = await self.workers.run(request, work)
        return JSONResponse(upload_answer(taken, skipped), status_code=_status(taken))

    def _take_zip(self, batch: Batch, chunks: Iterator[bytes]) -> list[Skipped]:
        skipped = []
        with self._body(chunks) as path:
            for member in read_members(path):
                if isinstance(member.content, str):
                    skipped.append(Skipped(member.name, member.content))
                else:
                    batch.take(member.name, member.content)
        return skipped

    def _take_nifti(self, batch: Batch, chunks: Iterator[bytes], subject: Subject) -> None:
        with self._body(chunks) as path:
            try:
                with inflated(path, longest=self.intake.largest) as plain, plain.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                    for number, content in enumerate(NiftiSeries.read(plain, digest, subject=subject).instances(), 1):
                        batch.take(f"slice {number}", [content])
            except InputError as exc:
                raise WebProblem(400, str(exc)) from exc

    @contextmanager
    def _body(self, chunks: Iterator[bytes]) -> Iterator[Path]:
        """The body as a file; WebProblem 413 when it is too long, 507 when the disk does not take it."""
        path = self.intake.spool.incoming / f"{uuid4().hex}.body"
        try:
            _write(path, chunks, self.largest)
            yield path
        finally:
            path.unlink(missing_ok=True)


def upload_answer(taken: Sequence[Taken], skipped: Sequence[Skipped]) -> dict[str, object]:
    """The answer in JSON: studies, how many files had which outcome, and each file."""
    files = [_line(item) for item in taken]
    files += [{"name": item.name, "outcome": "skipped", "reason": item.reason} for item in skipped]
    studies = {item.header.study_uid for item in taken if item.header and not item.failure}
    outcomes = Counter(str(line["outcome"]) for line in files)
    return {
        "studies": sorted(studies),
        **{name: outcomes[name] for name in ("stored", "failed", "skipped")},
        "files": files,
    }


def _line(item: Taken) -> dict[str, str]:
    line = {"name": item.name, "outcome": "failed" if item.failure else "stored"}
    if item.header:
        line |= {
            "study": item.header.study_uid,
            "series": item.header.series_uid,
            "instance": item.header.sop_instance_uid,
        }
    return line | ({"reason": item.failure.text} if item.failure else {})


def _status(taken: Sequence[Taken]) -> int:
    """200 when anything is stored; else 507 for want of room, or 400."""
    if any(not item.failure for item in taken):
        return 200
    full = any(item.failure and item.failure.reason is Reason.OUT_OF_RESOURCES for item in taken)
    return 507 if full else 400


def _write(path: Path, chunks: Iterator[bytes], longest: int) -> None:
    size = 0
    try:
        with path.open("xb") as file:
            for chunk in chunks:
                size += len(chunk)
                if size > longest:
                    raise WebProblem(413, f"longer than {longest} bytes, which [dicomweb] max_upload allows")
                file.write(chunk)
    except OSError as exc:
        raise WebProblem(507, f"the disk does not take the body: {exc.strerror}") from exc


def _subject(request: Request) -> Subject:
    """Whose a NIfTI volume is; WebProblem 400 for a value that DICOM cannot hold."""
    query = request.query_params
    texts = {name: query.get(name, "") for name in ("patient_id", "series_description")}
    if any(len(text) > 52 or not text.isprintable() or "\\" in text for text in texts.values()):
        raise WebProblem(400, "patient_id and series_description have at most 52 characters, and no backslash")
    study, modality = query.get("study", ""), query.get("modality", "MR")
    if study and not is_valid_uid(study):
        raise WebProblem(400, "study is no valid UID (PS3.5 9.1)")
    if modality not in _MODALITIES:
        raise WebProblem(400, f"modality is one of {', '.join(_MODALITIES)}")
    return Subject(texts["patient_id"], study, modality, texts["series_description"])
