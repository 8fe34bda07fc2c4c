"""The nnU-Net v2 result folders of a model package, checked before anything of them is used."""

from collections.abc import Iterator, Mapping
from typing import Any

from ainode_models.errors import PackageError
from ainode_models.nnunet.folder import NnunetFolder
from ainode_models.package import MANIFEST, ModelPackage

_IMPORTABLE = ("torch.nn.", "dynamic_network_architectures.")
"""Where the classes that ``plans.json`` names may come from: nnU-Net imports whatever stands there."""
_READERS = ("SimpleITKIO", "NibabelIO", "SimpleITKIOWithReorient", "NibabelIOWithReorient")
"""nnU-Net's readers of volumes; the last two turn the image to RAS axes."""


def members_of(package: ModelPackage) -> tuple[NnunetFolder, ...]:
    """The members of the ensemble that ``[nnunet]`` describes, or its only folder, checked against the manifest.

    Raises `PackageError`: files not listed as weights, other channels or labels than the manifest's, or names of code.
    """
    table = package.manifest.settings
    tables = table.expect(("member",)).tables("member") if "member" in table.entries else (table,)
    members = tuple(NnunetFolder.of(each, package.folder) for each in tables)
    for member in members:
        for folder in (member, *member.stages_before):
            _check(folder, package)
            _check_alike(folder, members[0])
    return members


def _check(folder: NnunetFolder, package: ModelPackage) -> None:
    listed = {package.folder / weights.path for weights in package.manifest.weights}
    quantised = folder.quantised.iterdir() if package.profile.precision == "int8" and folder.quantised.is_dir() else ()
    for path in (folder.path / "plans.json", folder.path / "dataset.json", *folder.checkpoints, *quantised):
        if path not in listed:
            raise PackageError(
                f"{package.folder / MANIFEST}: weights: {path.relative_to(package.folder)} is used but not "
                "listed; add it with its sha256"
            )
    _check_dataset(folder, package)
    if folder.reader not in _READERS:
        raise PackageError(
            f"{folder.path / 'plans.json'}: image_reader_writer: {folder.reader!r} reads no volumes; "
            f"only networks trained with one of {', '.join(_READERS)} can be run"
        )
    for name in _imports(folder.document("plans.json")):
        if not name.startswith(_IMPORTABLE):
            raise PackageError(
                f"{folder.path / 'plans.json'}: names {name!r}, which nnU-Net would import; "
                f"only {' and '.join(_IMPORTABLE)} are allowed"
            )


def _check_alike(folder: NnunetFolder, first: NnunetFolder) -> None:
    """Refuse folders that do not speak of the same channels and labels: their answers could not be put together."""
    mine, its = folder.document("dataset.json"), first.document("dataset.json")
    for key in ("channel_names", "labels", "regions_class_order"):
        if mine.get(key) != its.get(key):
            raise PackageError(
                f"{folder.path / 'dataset.json'}: {key}: is not that of {first.path.name}; "
                "the folders of an ensemble or a cascade must come from one dataset"
            )


def _check_dataset(folder: NnunetFolder, package: ModelPackage) -> None:
    dataset, manifest = folder.document("dataset.json"), package.manifest
    names = dataset.get("channel_names", dataset.get("modality", {}))  # its name before nnU-Net 2.0
    channels = len(names)
    if channels != len(manifest.inputs):
        raise PackageError(
            f"{package.folder / MANIFEST}: input: {len(manifest.inputs)} given, but the network has "
            f"{channels} channels ({', '.join(map(str, names.values()))})"
        )
    known, declared = _values(dataset), {label.value for label in manifest.labels}
    if known != declared:
        raise PackageError(
            f"{package.folder / MANIFEST}: label: values {sorted(declared)} given, but the network has "
            f"{sorted(known)}; describe each of them"
        )


def _values(dataset: Mapping[str, Any]) -> set[int]:
    """The values, without background and ignore, that a label map can hold."""
    labels = dataset.get("labels", {})
    if any(isinstance(value, list) and len(value) > 1 for value in labels.values()):
        return {int(value) for value in dataset.get("regions_class_order", ())}
    return {_only(value) for name, value in labels.items() if name not in ("background", "ignore")}


def _only(value: Any) -> int:
    """The value of a label, which may stand in a list of one."""
    return int(value[0] if isinstance(value, list) and value else value)


def _imports(plans: Mapping[str, Any]) -> Iterator[str]:
    """Every name in ``plans`` that nnU-Net resolves by importing it."""
    for configuration in plans.get("configurations", {}).values():
        architecture = configuration.get("architecture", {})
        arguments = architecture.get("arch_kwargs", {})
        yield from (str(architecture[key]) for key in ("network_class_name",) if key in architecture)
        wanted = architecture.get("_kw_requires_import", ())
        yield from (str(arguments[key]) for key in wanted if arguments.get(key) is not None)
