"""Every operation of the interface."""

from collections.abc import Mapping
from types import MappingProxyType

from ainode.api import answers, node_answers, review_answers
from ainode.api.operation import JSON, PROBLEM, Operation, Parameter, Reply

_SERIES = Parameter(
    "series",
    "query",
    "SeriesInstanceUID to take where several were sent, for models of one input",
    {"type": "string"},
)
_ASYNC = Parameter(
    "async",
    "query",
    "answer 202 with a job at once; the header Prefer: respond-async says the same",
    {"type": "boolean"},
)
_MODEL = Parameter("model", "query", "as in the address of predict", {"type": "string"}, required=True)
_PREFER = Parameter("Prefer", "header", "respond-async (RFC 7240)", {"type": "string"})
_RETRY = {"Retry-After": "seconds"}
_HEADERS: Mapping[int, Mapping[str, str]] = MappingProxyType(
    {401: {"WWW-Authenticate": "how to send the key"}, 429: _RETRY, 503: _RETRY}
)


def _problems(texts: Mapping[int, str]) -> dict[int, Reply]:
    return {
        status: Reply(text, {PROBLEM: node_answers.Problem}, _HEADERS.get(status, {})) for status, text in texts.items()
    }


_ALWAYS = {
    401: "no key, or one that does not count",
    403: "without a key, from a page of another site",
    429: "too many requests",
    500: "a defect; the log of the node says more",
}
_BAD_FILES = {
    400: "the form, or the files in it, are not what the model needs",
    404: "no such model",
    408: "the client fell silent",
    413: "longer than the settings allow, or inflates to too much",
    415: "no form, or a kind of file that the model does not take",
    422: "files that cannot be used, and why",
    503: "too much to do, a full disk, or a model that cannot answer",
    507: "the disk does not take the files",
}
_ASKED = _problems(_ALWAYS | _BAD_FILES)
_LATER = Reply("a job, to be asked for", {JSON: answers.JobAnswer}, {"Location": "address of the job"})
_REVIEWING = _problems(
    _ALWAYS
    | {
        400: "not as described here",
        403: "the key is not that of a reviewer, or of another",
        404: "no such run, or nothing of it to review is kept",
        409: "a later run replaces it, or it has no result",
        413: "too long",
        415: "not JSON",
        422: "a verdict that makes no sense, and why; or no reviewer named where one must be",
    }
)
_FOUND = _problems(_ALWAYS | {404: "no such thing, or kept no longer"})


def _predicting(
    name: str, path: str, summary: str, *, answer: type[answers.Answer], more: tuple[Parameter, ...] = ()
) -> Operation:
    return Operation(
        name,
        "POST",
        path,
        summary,
        replies={200: Reply("the answer", {JSON: answer}), 202: _LATER} | _ASKED,
        parameters=(*more, _SERIES, _ASYNC, _PREFER),
        takes_files=True,
    )


def _file(name: str, path: str, summary: str, media_type: str) -> Operation:
    return Operation(name, "GET", path, summary, {200: Reply("the file", {media_type: None})} | _FOUND)


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "health",
        "GET",
        "/health",
        "Whether there is a model to predict with",
        {
            200: Reply("there is", {JSON: node_answers.HealthAnswer}),
            503: Reply("there is none", {JSON: node_answers.HealthAnswer}),
        }
        | _problems({500: _ALWAYS[500]}),
        open=True,
    ),
    Operation(
        "describe",
        "GET",
        "/openapi.json",
        "This description",
        {200: Reply("OpenAPI 3.1", {JSON: None})} | _problems({500: _ALWAYS[500]}),
        open=True,
    ),
    Operation(
        "models",
        "GET",
        "/models",
        "The models that can be called",
        {200: Reply("all of them", {JSON: node_answers.ModelsAnswer})} | _problems(_ALWAYS),
    ),
    _predicting("predict", "/predict/{model}", "Predict one input", answer=answers.PredictionAnswer),
    _predicting("batch", "/predict/{model}/batch", "Predict several inputs", answer=answers.BatchAnswer),
    _predicting("explain", "/explain/{method}/{model}", "Classify, and show where", answer=answers.PredictionAnswer),
    _predicting(
        "explain_query",
        "/explain/{method}",
        "The same, with the model in the query",
        answer=answers.PredictionAnswer,
        more=(_MODEL,),
    ),
    Operation(
        "job", "GET", "/jobs/{id}", "How far a job is", {200: Reply("the job", {JSON: answers.JobAnswer})} | _FOUND
    ),
    Operation(
        "cancel",
        "DELETE",
        "/jobs/{id}",
        "Forget a job and its result; one that waits is not begun",
        {204: Reply("it is forgotten")} | _FOUND,
    ),
    Operation(
        "events",
        "GET",
        "/jobs/{id}/events",
        "The job at each change, up to its end, as server-sent events named by its state",
        {200: Reply("events whose data are jobs", {"text/event-stream": None})} | _FOUND,
    ),
    Operation(
        "result",
        "GET",
        "/results/{id}",
        "An answer again",
        {200: Reply("the answer", {JSON: answers.PredictionAnswer})} | _FOUND,
    ),
    Operation(
        "review",
        "POST",
        "/runs/{run}/review",
        "Accept, edit or reject the result of a run, with the key of a reviewer",
        {201: Reply("the review; FHIR says so a moment later", {JSON: review_answers.ReviewAnswer})} | _REVIEWING,
        takes=review_answers.ReviewRequest,
    ),
    Operation(
        "reviews",
        "GET",
        "/runs/{run}/review",
        "What can be reviewed of a run, and what was decided",
        {200: Reply("all reviews", {JSON: review_answers.ReviewsAnswer})} | _FOUND,
    ),
    _file("mask", "/results/{id}/mask.nii.gz", "Mask on the grid of the input", "application/gzip"),
    _file("seg", "/results/{id}/seg.dcm", "DICOM Segmentation, when the input was DICOM", "application/dicom"),
    _file("overlay", "/results/{id}/overlay.png", "Heat map of the most probable class", "image/png"),
    _file("class_overlay", "/results/{id}/overlay-{number}.png", "Heat map of one class", "image/png"),
)
