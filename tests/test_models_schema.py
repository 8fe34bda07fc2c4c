"""The JSON schema of model.toml accepts what the strict reader accepts, and refuses what a schema can refuse."""

import json
import tomllib
from collections.abc import Callable, Mapping
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest

from ainode_models.errors import PackageError
from ainode_models.package import ModelPackage
from peers.packages import MODELS, copy_demo
from peers.shared_data import ROOT

SCHEMA: Mapping[str, Any] = json.loads((files("ainode_models") / "model.schema.json").read_text(encoding="utf-8"))
CLASS = {
    "type": {"value": "233604007", "scheme": "SCT", "meaning": "Pneumonia"},
    "anatomy": {"value": "39607008", "scheme": "SCT", "meaning": "Lung"},
    "threshold": 0.5,
}
validate: Callable[[Any], Any] = fastjsonschema.compile(dict(SCHEMA))


def as_json(value: Any) -> Any:
    """TOML's dates are texts in JSON."""
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_json(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value


def manifest(name: str) -> Any:
    return as_json(tomllib.loads((MODELS / name / "model.toml").read_text()))


@pytest.mark.parametrize("file", sorted(MODELS.glob("*/model.toml")), ids=lambda file: file.parent.name)
def test_every_package_of_the_project_is_valid(file: Path) -> None:
    validate(manifest(file.parent.name))


def test_a_classifier_is_valid() -> None:
    content = manifest("t1-head-demo")
    for key in ("label", "geometry", "nnunet"):
        del content[key]
    validate(content | {"runtime": "cxr", "cxr": {}, "class": [{"name": name, **CLASS} for name in ("a", "b")]})
    with pytest.raises(fastjsonschema.JsonSchemaValueException):
        validate(content | {"runtime": "cxr", "cxr": {}, "class": [{"name": "a", **CLASS}]})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("schema = 1", "schema = 2"),
        ("title =", "titel ="),
        ('title = "Brain tumour', 'title = " "\n#'),
        ('version = "1.0.0"', 'version = "1"'),
        ('name = "brain-tumour-demo"', 'name = "Brain"'),
        ('runtime = "nnunet"', ""),
        ("[nnunet]", "[nunet]"),
        ("[geometry]", "[geometric]"),
        ('orientation = "LPS"', 'orientation = "RAS"'),
        ('category = { value = "49755003", scheme', 'kind = { value = "1", scheme'),
        ('value = "6574001", scheme = "SCT"', 'value = "M-54000", scheme = "SCT"'),
        ('value = "6574001", scheme = "SCT"', 'value = "M-54000", scheme = "SRT"'),
        ('scheme = "SCT", meaning = "Necrosis"', 'scheme = "SCT"'),
        ('color = "#e41a1c"', 'color = "red"'),
        ("value = 1\n", "value = 0\n"),
        ("value = 3\n", "value = 256\n"),
        ('path = "nnunet/plans.json"', 'path = "../plans.json"'),
        ('path = "nnunet/plans.json"', 'path = "/plans.json"'),
        ('path = "nnunet/plans.json"', 'path = "a\\\\b"'),
        ('sha256 = "', 'sha256 = "X'),
        ('modality = "MR"', 'modality = "Magnetic resonance"'),
        ("completed = 2026-11-20", 'completed = "soon"'),
        ("cases = 60", "cases = 60.5"),
        ('answer = "sample/answer.npz"', ""),
    ],
)
def test_what_the_schema_refuses_the_reader_refuses_too(tmp_path: Path, old: str, new: str) -> None:
    folder = copy_demo("brain-tumour-demo", tmp_path / "package")
    text = (folder / "model.toml").read_text()
    assert old in text
    (folder / "model.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(fastjsonschema.JsonSchemaValueException):
        validate(as_json(tomllib.loads((folder / "model.toml").read_text())))
    with pytest.raises(PackageError):
        ModelPackage.open(folder)


def test_the_guide_describes_every_key_of_the_schema() -> None:
    guide = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    missing = [key for key in _keys(SCHEMA) if f"`{key}`" not in guide and f"[{key}]" not in guide]
    assert missing == []


def _keys(schema: Mapping[str, Any]) -> set[str]:
    keys = set(schema.get("properties", {}))
    for inner in (*schema.get("properties", {}).values(), *schema.get("definitions", {}).values()):
        keys |= _keys(inner) | _keys(inner.get("items", {}))
    return keys
