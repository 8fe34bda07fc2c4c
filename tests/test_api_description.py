"""The description that the REST interface serves is true: every operation is asked, and every answer is as it says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import numpy as np
import pytest

from ainode.run.volume_file import load_volumes, save_prediction
from ainode.settings import Alias, Api
from ainode_models.errors import WorkerCrashed
from ainode_models.package import ModelPackage
from ainode_models.prediction import Prediction
from ainode_models.volume import Volume
from peers.api_node import ApiNode, api_node
from peers.head_study import write_head
from peers.json_schema import faults
from peers.nifti_files import write_nifti


class Threshold:
    """Labels what is brighter than the mean, at once; crashes on volumes that are all one value."""

    def predict(self, package: ModelPackage, inputs: Path, output: Path, **_named: Any) -> None:  # noqa: D102 - as a worker
        array = next(iter(load_volumes(inputs).values())).array
        if array.min() == array.max():
            raise WorkerCrashed("the model's process ended with exit code -9")
        save_prediction(output, Prediction((array > array.mean()).astype(np.uint8), {1: 0.9}, ("By a threshold.",)))


class Described:
    """Asks a node, and holds every answer against the description."""

    def __init__(self, node: ApiNode) -> None:
        self._node = node
        self.document = node.http.get(f"{node.url}/openapi.json").json()
        self.seen: set[tuple[str, int]] = set()

    def ask(self, name: str, path: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        """The answer of an operation, by its operationId."""
        (found,) = [
            (method, template, operation)
            for template, methods in self.document["paths"].items()
            for method, operation in methods.items()
            if operation["operationId"] == name
        ]
        method, template, operation = found
        answer = self.send(method, template.format(**(path or {})), **more)
        self.check(name, answer, operation["responses"])
        return answer

    def send(self, method: str, path: str, **more: Any) -> httpx.Response:
        """The answer at a path below the root."""
        return self._node.http.request(method, self._node.url + path, **more)

    def check(self, name: str, answer: httpx.Response, replies: dict[str, Any]) -> None:
        """Fail unless the answer is one of ``replies``, with its headers, media type and fields."""
        assert str(answer.status_code) in replies, (name, answer.status_code, answer.text)
        self.seen.add((name, answer.status_code))
        reply = replies[str(answer.status_code)]
        assert {header.lower() for header in reply.get("headers", {})} <= set(answer.headers)
        if "content" not in reply:
            assert answer.content == b""
            return
        ((kind, media),) = reply["content"].items()
        assert answer.headers["content-type"].partition(";")[0] == kind
        if "schema" in media:
            assert list(faults(answer.json(), media["schema"], self.document)) == [], name


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiNode]:
    limits = Api(enabled=True, alias=(Alias(name="old", model="t1-head-demo@1.0.0"),), rate=0)
    with api_node(tmp_path_factory.mktemp("rest"), Threshold(), limits=limits) as node:
        yield node


@pytest.fixture(scope="module")
def described(node: ApiNode) -> Described:
    return Described(node)


def volume(path: Path, seed: int | None) -> bytes:
    voxels = np.zeros((4, 5, 6)) if seed is None else np.random.default_rng(seed).integers(0, 99, (4, 5, 6))
    return write_nifti(path / "a.nii", Volume(voxels.astype(np.int16), np.diag([3.0, 2, 1, 1]), "")).read_bytes()


def test_the_description_says_what_it_is_and_names_each_operation_once(described: Described) -> None:
    document = described.document
    assert document["openapi"].startswith("3.1.")
    names = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(set(names)) == len(names) > 12
    for template, methods in document["paths"].items():
        for operation in methods.values():
            inside = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
            assert inside == {part.split("}")[0] for part in template.split("{")[1:]}


def test_every_answer_is_as_described(described: Described, tmp_path: Path) -> None:
    model = {"model": "t1-head-demo"}
    described.ask("health")
    described.ask("describe")
    listed = described.ask("models").json()["models"]
    assert ["old"] in [each["aliases"] for each in listed]
    (profiles,) = [each["profiles"] for each in listed if each["name"] == "t1-head-demo"]
    assert [(each["name"], each["precision"], each["cases"]) for each in profiles] == [
        ("exact", "fp32", 0),
        ("fast", "bf16", 9),
    ]
    assert profiles[1]["dice"].keys() == {"Head"}
    assert profiles[1]["predict"].endswith("/predict/t1-head-demo@1.0.0+fast")
    files = {"image": volume(tmp_path, 1)}
    first = described.ask("predict", {"model": "old"}, files=files).json()
    assert (first["model"], first["remarks"]) == ("t1-head-demo", ["By a threshold."])
    assert described.ask("result", {"id": first["id"]}).json() == first
    described.ask("mask", {"id": first["id"]})
    described.ask("seg", {"id": first["id"]})
    _, slices = write_head(tmp_path / "head")
    by_dicom = described.ask("predict", model, files=[("image", path.read_bytes()) for path in slices]).json()
    assert described.ask("seg", {"id": by_dicom["id"]}).status_code == 200
    described.ask("overlay", {"id": first["id"]})
    described.ask("class_overlay", {"id": first["id"], "number": "1"})
    later = described.ask("batch", model, files=files, headers={"Prefer": "respond-async"})
    assert described.ask("job", {"id": later.json()["id"]}).json()["result"]["status"] == "success"
    described.ask("batch", model, files=[("image", volume(tmp_path, 2)), ("image", volume(tmp_path, None))])
    job = described.ask("predict", model, files=files, params={"async": "true"}).json()
    assert described.ask("job", {"id": job["id"]}).json()["result"]["cached"] is True
    described.ask("events", {"id": job["id"]})
    assert described.ask("cancel", {"id": job["id"]}).status_code == 204
    assert described.ask("cancel", {"id": job["id"]}).status_code == 404
    assert described.ask("result", {"id": first["id"]}).status_code == 404
    described.ask("events", {"id": job["id"]})
    promised = {
        (operation["operationId"], int(status))
        for methods in described.document["paths"].values()
        for operation in methods.values()
        for status in operation["responses"]
        if status.startswith("2")
    }
    explained = {(name, status) for name, status in promised if name in ("explain", "explain_query")}
    pictures = {("overlay", 200), ("class_overlay", 200)}
    reviews = {("review", 201), ("reviews", 200)}  # tests/test_api_review.py
    assert promised - described.seen == explained | pictures | reviews  # a classifier's: tests/test_all_families.py


def test_every_method_at_every_address_is_as_described_or_refused_as_a_problem(described: Described) -> None:
    parts = {"model": "no-such-model", "method": "gradcam", "id": "0" * 32, "number": "1", "run": str(UUID(int=0))}
    for template, methods in described.document["paths"].items():
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            answer = described.send(method, template.format(**parts))
            if operation := methods.get(method.lower()):
                described.check(operation["operationId"], answer, operation["responses"])
            else:
                assert (answer.status_code, answer.json()["status"]) == (405, 405), (method, template)
                assert {each.lower() for each in answer.headers["allow"].split(", ")} == set(methods)
    for method in ("GET", "POST", "PUT", "DELETE"):
        answer = described.send(method, "/nothing/here")
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_every_refusal_is_as_described(described: Described, tmp_path: Path) -> None:
    model, files = {"model": "t1-head-demo"}, {"image": volume(tmp_path, 3)}
    assert described.ask("predict", {"model": "nothing"}, files=files).status_code == 404
    assert described.ask("predict", model, content=b"x").status_code == 415
    assert described.ask("predict", model, files={"image": volume(tmp_path, None)}).status_code == 503
    assert described.ask("explain", model | {"method": "gradcam"}, files=files).status_code == 422
    assert described.ask("explain", model | {"method": "tea-leaves"}, files=files).status_code == 404
    assert described.ask("explain_query", {"method": "lime"}, files=files).status_code == 400
    assert described.ask("explain_query", {"method": "lime"}, files=files, params=model).status_code == 422


def test_options_of_the_earlier_service_are_ignored_and_said_so(described: Described, tmp_path: Path) -> None:
    form = {"output_dir": "/etc", "transfer": "true"}
    answer = described.ask("predict", {"model": "old"}, files={"image": volume(tmp_path, 4)}, data=form).json()
    assert "Fields without a file were ignored: output_dir, transfer." in answer["remarks"]
