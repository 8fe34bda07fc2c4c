"""A network in one of Keras's files, checked before Keras sees it."""

import json
import zipfile
from pathlib import Path
from typing import Any

from ainode_models.errors import PackageError

_MEMBERS = {"metadata.json", "config.json", "model.weights.h5"}
"""What a ``.keras`` archive holds; assets could be files of a layer that is not known here."""

_LARGEST_CONFIG = 1 << 26
"""Bytes; the description of a large network takes 1 MB."""


def description(file: Path) -> Any:
    """The JSON that describes the network of ``file``, without what it was trained with, and with nothing executed.

    Raises `PackageError` for a file that is none of Keras's, or holds weights only.
    """
    text = _of_archive(file) if file.suffix == ".keras" else _of_hdf5(file)
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise PackageError(f"{file}: its description is no JSON; save the network again") from exc
    if not isinstance(config, dict):
        raise PackageError(f"{file}: its description is no JSON object; save the network again")
    # the optimizer and losses: not read with compile=False, and often of functions that only the training had
    return {key: value for key, value in config.items() if key != "compile_config"}


def _of_archive(file: Path) -> bytes:
    try:
        with zipfile.ZipFile(file) as archive:
            unknown = {name for name in archive.namelist() if not name.endswith("/")} - _MEMBERS
            if unknown:
                raise PackageError(f"{file}: holds {sorted(unknown)[0]!r} beside a network; refused, save it again")
            if archive.getinfo("config.json").file_size > _LARGEST_CONFIG:
                raise PackageError(f"{file}: its description is larger than any network's; refused")
            _refuse_keras_2(archive, file)
            return archive.read("config.json")
    except (OSError, KeyError, zipfile.BadZipFile) as exc:
        raise PackageError(
            f"{file}: is no .keras archive of Keras 3; copy the file, or save the network again"
        ) from exc


def _refuse_keras_2(archive: zipfile.ZipFile, file: Path) -> None:
    """Keras 3 reads the ``.h5`` files of Keras 2, but not its ``.keras`` files, whose layers it spells otherwise."""
    try:
        version = str(json.loads(archive.read("metadata.json"))["keras_version"])
    except (ValueError, TypeError) as exc:
        raise PackageError(f"{file}: its metadata.json is damaged; save the network again") from exc
    if version.startswith("2."):
        raise PackageError(
            f"{file}: was saved by Keras {version}; load it there and save it with model.save('name.h5'), which is read"
        )


def _of_hdf5(file: Path) -> str | bytes:
    import h5py

    try:
        with h5py.File(file, "r") as content:
            config = content.attrs.get("model_config")
    except OSError as exc:
        raise PackageError(f"{file}: is no HDF5 file; copy the file, or save the network again") from exc
    if not isinstance(config, (str, bytes)):
        raise PackageError(f"{file}: holds weights without a network; save all of it with model.save('name.h5')")
    return config
