"""A result folder converted for OpenVINO, in a process of its own: ``python -m ainode_models.nnunet.conversion``.

Tracing takes torch, nnunetv2 and seconds to minutes; what comes of it is kept in the cache folder of the user, from
where it is loaded in a moment and without them.
"""

import hashlib
import json
import logging
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from ainode_models.errors import PackageError
from ainode_models.nnunet.folder import NnunetFolder

if TYPE_CHECKING:
    from torch.nn import Module

_log = logging.getLogger(__name__)

_FORMAT = 1
"""To be counted up when what is written here changes."""
_FACTS = "network.json"


@dataclass(frozen=True)
class Converted:
    """A folder in the cache: ``fold0.xml`` and ``.bin``, ``fold1.xml`` ..., and what the checkpoints say beside."""

    configuration: str
    mirror_axes: tuple[int, ...]
    heads: int
    parameters: int
    """Of all folds."""
    sums: dict[str, str]
    """SHA-256 of each file."""

    @classmethod
    def read(cls, place: Path) -> "Converted | None":
        """What lies in ``place``; None when it is not there, or not as it was written."""
        try:
            facts = json.loads((place / _FACTS).read_text())
            sums = {name: _sum(place / name) for name in facts["sums"]}
        except (OSError, ValueError, KeyError):
            return None
        if sums != facts["sums"]:
            return None
        return cls(**{**facts, "mirror_axes": tuple(facts["mirror_axes"])})


def converted(folder: NnunetFolder) -> tuple[Path, Converted] | None:
    """The networks of ``folder`` in the cache, converted now unless they are there; None when they cannot be.

    Raises `PackageError` when the files of the folder do not fit together.
    """
    place = _place(folder)
    found = Converted.read(place)
    if found is None:
        convert = _convert_here if "torch" in sys.modules else _convert_apart  # its memory is spent already
        convert(folder, place)
        found = Converted.read(place)
    return None if found is None else (place, found)


def _place(folder: NnunetFolder) -> Path:
    files = [folder.path / "plans.json", folder.path / "dataset.json", *folder.checkpoints]
    parts = [str(_FORMAT), version("openvino"), version("nnunetv2"), *map(_sum, files)]
    key = hashlib.sha256(" ".join(parts).encode()).hexdigest()
    return platformdirs.user_cache_path("ainode") / "openvino" / key[:32]


def _sum(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _convert_here(folder: NnunetFolder, place: Path) -> None:
    from openvino.frontend import GeneralFailure, NotImplementedFailure, OpConversionFailure, OpValidationFailure

    try:
        _convert(folder, place)
    except (OSError, RuntimeError, GeneralFailure, NotImplementedFailure, OpConversionFailure, OpValidationFailure):
        _log.exception("OpenVINO's form of %s was not written", folder.path)


def _convert_apart(folder: NnunetFolder, place: Path) -> None:
    """Convert in another process, whose memory is free afterwards."""
    request = {"path": str(folder.path), "folds": folder.folds, "checkpoint": folder.checkpoint, "place": str(place)}
    command = [sys.executable, "-m", "ainode_models.nnunet.conversion", json.dumps(request)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == _DOES_NOT_FIT:
        raise PackageError(done.stderr.strip().splitlines()[-1])
    if done.returncode:
        sys.stderr.write(done.stderr)


_DOES_NOT_FIT = 3


def main(arguments: Sequence[str]) -> int:
    """Convert what the request says; exit code 3, with a sentence, when the folder's files do not fit together."""
    request = json.loads(arguments[0])
    folder = NnunetFolder(
        Path(request["path"]), tuple(request["folds"]), request["checkpoint"], 0.5, mirroring=True, previous=None
    )
    try:
        _convert(folder, Path(request["place"]))
    except PackageError as error:
        sys.stderr.write(f"\n{error}\n")
        return _DOES_NOT_FIT
    return 0


def _convert(folder: NnunetFolder, place: Path) -> None:
    import openvino
    import torch

    from ainode_models.nnunet import torch_engine

    loaded = torch_engine.read(folder)
    networks = torch_engine.folds_of(loaded)
    channels = _channels(networks[0])
    example = torch.zeros((1, channels, *loaded.configuration_manager.patch_size))
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as made:
        for number, network in enumerate(networks):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # OpenVINO traces with torch.jit, which torch calls deprecated
                model = openvino.convert_model(network, example_input=example, input=[example.shape])
            openvino.save_model(model, Path(made) / f"fold{number}.xml", compress_to_fp16=False)
        facts = Converted(
            configuration=torch_engine.configuration_of(loaded),
            mirror_axes=tuple(loaded.allowed_mirroring_axes or ()),
            heads=int(loaded.label_manager.num_segmentation_heads),
            parameters=sum(each.numel() for network in networks for each in network.parameters()),
            sums={file.name: _sum(file) for file in sorted(Path(made).iterdir())},
        )
        (Path(made) / _FACTS).write_text(json.dumps(asdict(facts), indent=1))
        _put(Path(made), place)


def _channels(network: "Module") -> int:
    """Of its input."""
    return int(next(network.parameters()).shape[1])


def _put(made: Path, place: Path) -> None:
    """Rename, whole or not at all; what another process put there meanwhile is the same."""
    if place.exists() and Converted.read(place) is None:
        shutil.rmtree(place)
    try:
        made.rename(place)
    except OSError:
        if Converted.read(place) is None:
            raise
    else:
        made.mkdir()  # for the context that removes it


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
