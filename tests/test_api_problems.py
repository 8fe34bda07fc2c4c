"""What a client is told of an error goes by its kind, which survives the way out of the model's process."""

import pytest

from ainode.api.job_runner import problem_of
from ainode_models import errors
from ainode_models.errors import AinodeError, InputError, ModelError, OutOfMemory, error_of, kind_of


class HazyError(InputError):
    """The kind of a third party's runtime."""


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (errors.InputError("no chest"), 422, "no chest"),
        (errors.SeriesMismatchError("no T1"), 422, "no T1"),
        (HazyError("too hazy"), 422, "too hazy"),
        (errors.ModelError("no numbers"), 500, "the model failed; the log of the node says why"),
        (errors.EncodingError("no code"), 500, "the model failed; the log of the node says why"),
        (errors.OutOfMemory("20 GiB"), 503, "the model needs more memory for this input than there is now"),
        (errors.PackageError("changed"), 503, "the model cannot answer now; the log of the node says why"),
        (errors.RuntimeUnavailable("no torch"), 503, "the model cannot answer now; the log of the node says why"),
        (errors.WorkerTimeout("5 s"), 503, "the model cannot answer now; the log of the node says why"),
        (OSError(28, "No space left on device"), 507, "the disk of the node does not take the files"),
        (KeyError("x"), 500, "the node failed; its log says why"),
    ],
)
def test_the_status_goes_by_the_kind_of_error(error: Exception, status: int, told: str) -> None:
    arrived = error_of(kind_of(error), str(error)) if isinstance(error, AinodeError) else error
    for each in (error, arrived):
        problem = problem_of(each)
        assert (problem.status, str(problem)) == (status, told)
        assert ("retry-after" in problem.headers) is (status == 503)


def test_a_kind_that_nobody_knows_is_a_fault_of_the_model() -> None:
    for kind in ("HazyError", "kind_of", "__builtins__", ""):
        assert type(error_of(kind, "words")) is ModelError
    assert type(error_of("OutOfMemory", "words")) is OutOfMemory
    assert kind_of(HazyError("x")) == "InputError"
