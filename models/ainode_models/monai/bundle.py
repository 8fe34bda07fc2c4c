"""A MONAI bundle made into a package: what it says itself, what people must add, and nothing that it would run."""

import json
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ainode_models.errors import ModelError, PackageError
from ainode_models.monai.config import Config, shown
from ainode_models.monai.pipeline import Pipeline
from ainode_models.package import MANIFEST
from ainode_models.package_draft import NOT_STATED, input_of, label_of, manifest_of, refuse_empty
from ainode_models.package_source import LARGEST, copy_package
from ainode_models.toml_text import toml_text

_METADATA = "configs/metadata.json"
_CONFIGS = ("configs/inference.json", "configs/inference.yaml", "configs/inference.yml")
_FOLDER = "monai"
_FACTS = {"manufacturer": "authors", "intended_use": "intended_use", "licence": "license"}
"""What bundles call what a package says."""
_MODALITIES = {"CT": "CT", "MR": "MR", "MRI": "MR", "PT": "PT", "PET": "PT", "US": "US"}
_TORCHSCRIPT = (
    "is TorchScript, a program, which is not run; where it was trained, write "
    "torch.save(network.state_dict(), 'models/model.pt')"
)


@contextmanager
def unpacked(source: Path) -> Iterator[Path]:
    """The folder of ``source``; of the zip of a bundle a copy within bounds, which goes away afterwards.

    Raises `PackageError` for a zip that holds no bundle, or what no bundle needs (`ainode_models.package_source`).
    """
    if not source.is_file():
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="ainode-bundle-") as temporary:
        folder = Path(temporary) / "bundle"
        try:
            copy_package(source, folder, LARGEST, marker=_METADATA)
            yield folder
        except ModelError as exc:  # the folder is gone when people read of it
            raise type(exc)(str(exc).replace(str(folder), str(source))) from exc


@dataclass(frozen=True)
class MonaiBundle:
    """A folder with ``configs/metadata.json``, ``configs/inference.json`` (or YAML) and the weights in ``models``."""

    folder: Path
    weights: str = "model.pt"

    @staticmethod
    def is_there(folder: Path) -> bool:
        """Whether ``folder`` looks like a bundle."""
        return (folder / _METADATA).is_file()

    def draft(self) -> dict[str, Any]:
        """What the package will say, with an empty text wherever only people know.

        Raises `PackageError` for whatever of the bundle cannot be run here.
        """
        pipeline, metadata = self._pipeline(), Config.read(self._file(_METADATA))
        self._weights()
        said = metadata.root
        name = _text(said, "name")
        version = _text(said, "version")
        facts = {key: _text(said, theirs) or NOT_STATED[key] for key, theirs in _FACTS.items()}
        labels = _labels(metadata, has_regions=pipeline.has_regions)
        overlap = pipeline.has_regions and len(labels) > 1
        return {
            "name": re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-"),
            "version": version if re.fullmatch(r"\d+\.\d+\.\d+", version) else "",
            "title": name,
            **NOT_STATED,
            **facts,
            **({"regions": ""} if overlap else {}),
            "training": {"data": _text(said, "data_source") or "Not stated (MONAI bundle)."},
            "input": _inputs(metadata),
            "label": [label_of(value, name, place) for place, (value, name) in enumerate(labels)],
        }

    def write(self, facts: Mapping[str, Any], folder: Path) -> None:
        """Write the package to ``folder``: model.toml from ``facts``, the weights, and what was checked of the configs.

        Raises `PackageError` that lists everything that is still empty.
        """
        refuse_empty(facts, self.folder)
        config, weights = f"{_FOLDER}/inference.json", f"{_FOLDER}/{Path(self.weights).name}"
        (folder / _FOLDER).mkdir(parents=True)
        shutil.copyfile(self._weights(), folder / weights)
        (folder / config).write_text(json.dumps(self._pipeline().as_config(), indent=2) + "\n", encoding="utf-8")
        settings = {"config": config, "weights": weights, **_regions(facts)}
        rest = {key: value for key, value in facts.items() if key != "regions"}
        manifest = manifest_of(rest, folder, [weights, config], runtime="monai", settings=settings)
        (folder / MANIFEST).write_text(toml_text(manifest), encoding="utf-8")

    def _pipeline(self) -> Pipeline:
        found = [name for name in _CONFIGS if (self.folder / name).exists()]
        if not found:
            raise PackageError(f"{self.folder}: holds none of {', '.join(_CONFIGS)}; a bundle needs one to be imported")
        return Pipeline.of(Config.read(self._file(found[0])))

    def _weights(self) -> Path:
        """The state dict; raises `PackageError` for a program in its place."""
        name = f"models/{self.weights}"
        if not (self.folder / name).exists():
            for script in sorted((self.folder / "models").glob("*.ts")):
                raise PackageError(f"{script}: {_TORCHSCRIPT}")
            raise PackageError(f"{self.folder}: holds no {name}; name the file in models with --checkpoint")
        file = self._file(name)
        if file.suffix == ".ts" or _is_torchscript(file):
            raise PackageError(f"{file}: {_TORCHSCRIPT}")
        return file

    def _file(self, name: str) -> Path:
        file = self.folder / name
        if not file.resolve().is_relative_to(self.folder.resolve()):
            raise PackageError(f"{file}: leads outside the bundle; put a copy of the file there")
        return file


def _is_torchscript(file: Path) -> bool:
    if not zipfile.is_zipfile(file):
        return False
    try:
        with zipfile.ZipFile(file) as archive:
            return any("/code/" in name or name.endswith("/constants.pkl") for name in archive.namelist())
    except zipfile.BadZipFile:
        return False  # no checkpoint either, which the runtime says


def _text(metadata: Mapping[str, Any], key: str) -> str:
    value = metadata.get(key)
    return value.strip() if isinstance(value, str) else ""


def _inputs(metadata: Config) -> list[dict[str, str]]:
    place, image = _only(metadata, "inputs")
    modality = _MODALITIES.get(_text(image, "modality").upper(), "")
    return [input_of(name, modality) for name in _channels(metadata, place, image)]


def _labels(metadata: Config, *, has_regions: bool) -> list[tuple[int, str]]:
    """Value in the label map, and name: of a softmax the number of the channel, whose first is the background."""
    place, answer = _only(metadata, "outputs")
    names = _channels(metadata, place, answer)
    if not has_regions:
        return list(enumerate(names))[1:]
    return list(enumerate(names, 1))


def _only(metadata: Config, which: str) -> tuple[str, Mapping[str, Any]]:
    """Place and content of the one entry of ``inputs`` or ``outputs``."""
    place = f"network_data_format.{which}"
    formats = metadata.table(metadata.entry("network_data_format"), "network_data_format")
    entries = metadata.table(formats.get(which), place)
    if len(entries) != 1:
        raise metadata.fault(place, f"must describe one, not {len(entries)}; networks with several cannot be imported")
    ((name, content),) = entries.items()
    return f"{place}.{name}", metadata.table(content, f"{place}.{name}")


def _channels(metadata: Config, place: str, entry: Mapping[str, Any]) -> list[str]:
    """The names of all channels, in their order."""
    names = metadata.table(entry.get("channel_def"), f"{place}.channel_def")
    wanted = [str(number) for number in range(len(names))]
    if not names or sorted(names, key=str) != sorted(wanted) or entry.get("num_channels", len(names)) != len(names):
        raise metadata.fault(
            f"{place}.channel_def",
            f"must name each of the {shown(entry.get('num_channels'))} channels, as {{'0': 'background'}}, "
            f"but names {', '.join(names) or 'none'}. Complete it",
        )
    return [_text(names, number) for number in wanted]


def _regions(facts: Mapping[str, Any]) -> dict[str, list[int]]:
    """The order of painting, written ``2,1,3`` or as a list of numbers."""
    if "regions" not in facts:
        return {}
    given = facts["regions"]
    parts = given.split(",") if isinstance(given, str) else given
    if not isinstance(parts, list) or not all(str(part).strip().isdecimal() for part in parts):
        raise PackageError(f"regions: must be values of labels such as 2,1,3, the outermost first, not {given!r}")
    return {"regions": [int(part) for part in parts]}
