"""STOW-RS: store instances (PS3.18 10.5)."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from ainode.dicomweb.attributes import Attributes, single
from ainode.dicomweb.failure import Failure, Reason
from ainode.dicomweb.intake import Batch, ObjectIntake, Taken
from ainode.dicomweb.links import Links
from ainode.dicomweb.media import DICOM, JSON, MULTIPART, check_json, media_range
from ainode.dicomweb.problem import WebProblem
from ainode.dicomweb.workers import Workers
from ainode_models.errors import PeerRefused, PeerUnreachable
from ainode_orthanc.multipart import read_parts

_MOST_PARTS = 20_000
"""Objects in one request."""


@dataclass(frozen=True)
class StoreService:
    """``POST /studies`` and ``POST /studies/{study}``."""

    intake: ObjectIntake
    workers: Workers
    links: Links

    async def store(self, request: Request) -> Response:
        """Store the parts one by one; each that is named as stored is safe."""
        check_json(request)
        boundary = _boundary(request.headers.get("content-type", ""))
        study_uid = request.path_params.get("study")

        def work(chunks: Iterator[bytes]) -> list[Taken]:
            with self.intake.batch("STOW-RS", request.client) as batch:
                self._take_parts(batch, chunks, boundary, study_uid=study_uid)
            return batch.taken

        taken = await self.workers.run(request, work)
        body = json.dumps(store_answer(taken, self.links, study_uid))
        return Response(body, status_code=_status(taken), media_type=JSON)

    def _take_parts(self, batch: Batch, chunks: Iterator[bytes], boundary: bytes, *, study_uid: str | None) -> None:
        try:
            for number, part in enumerate(read_parts(chunks, boundary), 1):
                if number > _MOST_PARTS:
                    raise WebProblem(413, f"more than {_MOST_PARTS} parts; send fewer at once")
                if media_range(part.headers.get("content-type", DICOM)).kind == DICOM:
                    batch.take(f"part {number}", part, study_uid=study_uid)
                else:
                    batch.refuse(f"part {number}", Failure(Reason.CANNOT_UNDERSTAND, f"a part is not {DICOM}"))
        except (PeerRefused, PeerUnreachable) as exc:
            raise WebProblem(400, "the body is no complete multipart message of its boundary; send it again") from exc
        if not batch.taken:
            raise WebProblem(400, f"the body has no part; each object is a part of type {DICOM}")


def store_answer(taken: Sequence[Taken], links: Links, study_uid: str | None = None) -> Attributes:
    """The Store Instances Response Module in DICOM JSON (PS3.18 Table I.1-1)."""
    stored = [_stored(item, links) for item in taken if item.header and not item.failure]
    failed = [_reference(item) | _reason(item.failure) for item in taken if item.header and item.failure]
    others = [_reason(item.failure) for item in taken if item.failure and not item.header]
    studies = {item.header.study_uid for item in taken if item.header and not item.failure} | {study_uid or ""} - {""}
    answer = single("RetrieveURL", links.resource(min(studies))) if len(studies) == 1 else {}
    sequences = {"FailedSOPSequence": failed, "ReferencedSOPSequence": stored, "OtherFailuresSequence": others}
    for keyword, items in sequences.items():
        answer |= single(keyword, *items) if items else {}
    return answer


def _stored(item: Taken, links: Links) -> Attributes:
    assert item.header
    uid = item.header.sop_instance_uid
    address = links.resource(item.header.study_uid, item.header.series_uid, sop_instance_uid=uid)
    return _reference(item) | single("RetrieveURL", address)


def _reference(item: Taken) -> Attributes:
    assert item.header
    sop_class = single("ReferencedSOPClassUID", item.header.sop_class_uid)
    return sop_class | single("ReferencedSOPInstanceUID", item.header.sop_instance_uid)


def _reason(failure: Failure | None) -> Attributes:
    assert failure
    return single("FailureReason", int(failure.reason))


def _status(taken: Sequence[Taken]) -> int:
    """PS3.18 Table 10.5.3-1; 507 when nothing is stored because there is no room."""
    reasons = [item.failure.reason for item in taken if item.failure]
    if not reasons:
        return 200
    if len(reasons) < len(taken):
        return 202
    return 507 if Reason.OUT_OF_RESOURCES in reasons else 409


def _boundary(content_type: str) -> bytes:
    """WebProblem 415 unless the body is a multipart message of DICOM files, 400 when it has no boundary."""
    given = media_range(content_type)
    if given.kind != MULTIPART or given.parameters.get("type", DICOM).lower() != DICOM:
        raise WebProblem(415, f'objects are stored as {MULTIPART}; type="{DICOM}"')
    boundary = given.parameters.get("boundary", "")
    if not boundary:
        raise WebProblem(400, "Content-Type names no boundary")
    return boundary.encode("latin-1", "replace")
