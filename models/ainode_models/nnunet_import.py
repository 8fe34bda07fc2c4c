"""A bare nnU-Net v2 result folder made into a package: what it says itself, and what people must add."""

import hashlib
import json
import re
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ainode_models.errors import PackageError
from ainode_models.package import MANIFEST
from ainode_models.terminology import known_code
from ainode_models.toml_text import toml_text

_FOLDER = "nnunet"
_COLORS = ("#e41a1c", "#4daf4a", "#ffd92f", "#377eb8", "#984ea3", "#ff7f00", "#a65628", "#f781bf", "#66c2a5", "#999999")
_NOT_STATED: Mapping[str, str] = MappingProxyType(
    {
        "manufacturer": "not stated",
        "intended_use": "Research. Whoever trained the model stated no intended use when it was imported.",
        "disclaimer": "Not for diagnostic use.",
        "limits": "Not known: nobody stated them when the model was imported.",
        "licence": "not stated",
    }
)
_CODES = ("category", "type", "anatomy")
_HEADER = """\
# Fill in every empty text, then: ainode models import FOLDER --about THIS_FILE
# category is one of CID 7150, type one of CID 7151, anatomy a region such as Brain; PS3.16 lists them.
"""


@dataclass(frozen=True)
class NnunetResult:
    """A folder that nnU-Net's trainer wrote: ``plans.json``, ``dataset.json`` and ``fold_*``."""

    folder: Path
    checkpoint: str = "checkpoint_final.pth"

    def draft(self) -> dict[str, Any]:
        """What the package will say, with an empty text wherever only people know.

        Raises `PackageError` when this is no result folder.
        """
        dataset = self._dataset()
        return {
            "name": "",
            "version": "",
            "title": "",
            **_NOT_STATED,
            "training": {"data": f"Not stated (nnU-Net dataset {self._dataset_name()})."},
            "input": [_input(str(channel)) for channel in dataset["channel_names"].values()],
            "label": [_label(value, name, place) for place, (value, name) in enumerate(_labels(dataset))],
        }

    def folds(self) -> tuple[int | str, ...]:
        """The folds that have the checkpoint; raises `PackageError` when none has."""
        names = sorted(path.parent.name.removeprefix("fold_") for path in self.folder.glob(f"fold_*/{self.checkpoint}"))
        if not names:
            raise PackageError(f"{self.folder}: no fold_* holds {self.checkpoint}; name yours with --checkpoint")
        numbers = tuple(int(name) for name in names if name.isdecimal())
        return numbers or ("all",)

    def write(self, facts: Mapping[str, Any], folder: Path) -> None:
        """Write the package to ``folder``: model.toml from ``facts``, and the files that are needed to run it.

        Raises `PackageError` that lists everything that is still empty.
        """
        if missing := ", ".join(_empty(facts, "")):
            raise PackageError(
                f"{self.folder}: nobody has said {missing}; write a file to fill in with --template FILE, "
                "give it with --about FILE, or codes with --label VALUE=CATEGORY,TYPE,ANATOMY"
            )
        folds = self.folds()
        weights = [*(f"fold_{fold}/{self.checkpoint}" for fold in folds), "plans.json", "dataset.json"]
        for name in weights:
            (folder / _FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.folder / name, folder / _FOLDER / name)
        (folder / MANIFEST).write_text(toml_text(_manifest(facts, folder, weights, folds, self.checkpoint)))

    def _dataset(self) -> dict[str, Any]:
        for name in ("plans.json", "dataset.json"):
            if not (self.folder / name).is_file():
                raise PackageError(
                    f"{self.folder}: holds no {name}, so it is no result folder of nnU-Net v2; give the folder that "
                    "is called like nnUNetTrainer__nnUNetPlans__3d_fullres"
                )
        dataset = _json(self.folder / "dataset.json")
        for key in ("channel_names", "labels"):
            if not isinstance(dataset.get(key), dict):
                raise PackageError(
                    f"{self.folder / 'dataset.json'}: {key} is no table, as nnU-Net v2 writes it; copy it again"
                )
        return dataset

    def _dataset_name(self) -> str:
        return str(_json(self.folder / "plans.json").get("dataset_name", "unknown"))


def read_about(file: Path) -> dict[str, Any]:
    """What people have said about a model, in a file like the template; raises `PackageError`."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as exc:
        raise PackageError(f"{file}: cannot be read ({exc.strerror}); --template FILE writes one") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise PackageError(f"{file}: is no valid TOML: {exc}") from exc


def template_text(draft: Mapping[str, Any]) -> str:
    """The file that people fill in."""
    return _HEADER + toml_text(draft)


def with_label_codes(draft: Mapping[str, Any], value: str, codes: str) -> dict[str, Any]:
    """``draft`` with ``codes``, written ``SCT:49755003,SCT:6574001,SCT:12738006``, for the label ``value``.

    Meanings come from DICOM's dictionaries, or are given as a third part. Raises `PackageError`.
    """
    parts = codes.split(",")
    if len(parts) != len(_CODES):
        raise PackageError(
            f"--label {value}={codes}: needs three codes, of category, type and anatomy, with ',' between"
        )
    given = {key: _code(part.strip()) for key, part in zip(_CODES, parts, strict=True)}
    if value not in (known := [str(label["value"]) for label in draft["label"]]):
        raise PackageError(f"--label {value}=...: the network has no such label; it has {', '.join(known)}")
    labels = [{**label, **given} if str(label["value"]) == value else label for label in draft["label"]]
    return {**draft, "label": labels}


def _json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise PackageError(f"{file}: cannot be read as JSON ({exc}); copy nnU-Net's result folder again") from exc
    return content if isinstance(content, dict) else {}


def _code(text: str) -> dict[str, str]:
    scheme, _, rest = text.partition(":")
    value, _, meaning = rest.partition(":")
    known = known_code(scheme, value)
    if not meaning and known is None:
        raise PackageError(f"{text!r}: DICOM's dictionaries have no such code; write SCHEME:VALUE:MEANING")
    return {"value": value, "scheme": scheme, "meaning": meaning or (known.meaning if known else "")}


def _input(channel: str) -> dict[str, str]:
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", channel).strip("-")
    return {"name": name, "modality": "CT" if channel.upper() == "CT" else "", "description": channel}


def _label(value: int, name: str, place: int) -> dict[str, Any]:
    nothing = {"value": "", "scheme": "SCT", "meaning": ""}
    codes = {key: dict(nothing) for key in _CODES}
    return {"value": value, "name": name, **codes, "color": _COLORS[place % len(_COLORS)]}


def _labels(dataset: Mapping[str, Any]) -> list[tuple[int, str]]:
    """Value in the label map, and name, of each label or region."""
    names = [name for name in dataset["labels"] if name not in ("background", "ignore")]
    if order := dataset.get("regions_class_order"):
        return sorted(zip(map(int, order), names, strict=False))
    return sorted((int(dataset["labels"][name]), name) for name in names)


def _empty(value: Any, place: str) -> Iterator[str]:
    """Dotted places of empty texts; a code without value is one place."""
    if isinstance(value, Mapping):
        if "scheme" in value:
            yield from [place] if not (value.get("value") and value.get("meaning")) else []
            return
        for key, item in value.items():
            yield from _empty(item, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _empty(item, f"{place}[{number}]")
    elif value == "":
        yield place


def _manifest(
    facts: Mapping[str, Any], folder: Path, weights: list[str], folds: tuple[int | str, ...], checkpoint: str
) -> dict[str, Any]:
    rest = {key: value for key, value in facts.items() if key not in ("family", "name", "version")}
    return {
        "schema": 1,
        "name": facts["name"],
        "version": facts["version"],
        "runtime": "nnunet",
        "family": facts.get("family") or {"value": "123110", "scheme": "DCM", "meaning": "Artificial Intelligence"},
        **rest,
        "weights": [
            {"path": f"{_FOLDER}/{name}", "sha256": hashlib.sha256((folder / _FOLDER / name).read_bytes()).hexdigest()}
            for name in weights
        ],
        "geometry": {"orientation": "LPS"},
        "nnunet": {"folder": _FOLDER, "folds": list(folds), "checkpoint": checkpoint},
    }
