"""Reviews of results: who may give them, and writing them down. What they change, the review stage does."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from ainode.api.keys import ApiKey
from ainode.api.responses import json_response
from ainode.api.review_answers import NamedReviewer, ReviewRequest, review_answer, reviews_answer
from ainode.dicomweb.problem import WebProblem
from ainode.encode.kept_findings import kept_findings
from ainode.journal.reviews import ReviewJournal, ReviewRow
from ainode_fhir.review import Reviewer, check_review
from ainode_models.errors import EncodingError, InputError
from ainode_models.findings import Findings

_MOST = 2**20
_ANYBODY = "*"


@dataclass(frozen=True)
class ReviewDesk:
    """The operations about reviews, by their names."""

    journal: ReviewJournal
    results: Path
    """Folder of the results."""
    key: Callable[[Request], ApiKey | None]
    """What is known of the key that a request shows."""

    async def review(self, request: Request) -> Response:
        """Write a verdict down, in the name of the human whom the key stands for."""
        key = await run_in_threadpool(self.key, request)
        if key is None:
            raise WebProblem(
                401,
                "a review needs the key of a reviewer: ainode keys add NAME --reviewer 'SYSTEM|VALUE'",
                headers={"www-authenticate": 'Bearer realm="ainode"'},
            )
        asked = await _asked(request)
        who = reviewer_of(key, asked.reviewer)
        row = await run_in_threadpool(self._add, request.path_params["run"], asked, who, key.name)
        return json_response(review_answer(row), 201)

    async def reviews(self, request: Request) -> Response:
        """What there is to review, and what was decided."""
        run_id = request.path_params["run"]
        findings = await run_in_threadpool(self._findings, run_id)
        rows = await run_in_threadpool(self.journal.of_run, run_id)
        return json_response(reviews_answer(run_id, findings, rows))

    def _add(self, run_id: str, asked: ReviewRequest, who: Reviewer, via: str) -> ReviewRow:
        draft = asked.draft(run_id, who, via=via)
        try:
            check_review(draft.verdict, reason=draft.reason, struck=draft.struck, findings=self._findings(run_id))
        except InputError as error:
            raise WebProblem(422, str(error)) from error
        try:
            return self.journal.add(draft)
        except InputError as error:
            raise WebProblem(409, str(error)) from error

    def _findings(self, run_id: str) -> Findings:
        if not run_id.replace("-", "").isalnum():  # it becomes the name of a folder
            raise WebProblem(404, "no such run")
        try:
            return kept_findings(self.results / run_id)
        except EncodingError as error:
            raise WebProblem(404, "no such run, or nothing of it to review is kept") from error


def reviewer_of(key: ApiKey, named: NamedReviewer | None) -> Reviewer:
    """The human whom a key stands for; one of a whole identifier system must name the human, any other may not."""
    system, _, value = key.reviewer.rpartition("|")
    if not value:
        raise WebProblem(403, "this key is not that of a reviewer: ainode keys add NAME --reviewer 'SYSTEM|VALUE'")
    if value != _ANYBODY:
        if named and (named.system, named.value) != (system, value):
            raise WebProblem(403, "this key is that of another reviewer")
        return Reviewer(system, value, key.reviewer_name)
    if named is None or named.value == _ANYBODY:
        raise WebProblem(422, "name the reviewer: this key speaks for all of one identifier system")
    if named.system != system:
        raise WebProblem(403, "this key speaks for reviewers of another identifier system")
    return Reviewer(system, named.value, named.name)


async def _asked(request: Request) -> ReviewRequest:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise WebProblem(415, "a review is sent as application/json")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST:
            raise WebProblem(413, f"a review has {_MOST} bytes at most")
    try:
        return ReviewRequest.model_validate_json(bytes(body))
    except ValidationError as error:
        where = ", ".join(".".join(map(str, each["loc"])) or "the body" for each in error.errors())
        raise WebProblem(400, f"not a review as /api/v1/openapi.json describes it: {where}") from error
