"""The series for each input of the model, among the DICOM files of a case."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ainode.api.cases import UNNAMED, input_named
from ainode.study import ReadFiles, Series
from ainode_models.errors import InputError
from ainode_models.manifest import Manifest, ModelInput


@dataclass(frozen=True)
class Opening:
    """How the files of a case are opened."""

    longest: int
    """Bytes of one file at most, out of its gzip or zip."""
    series_uid: str = ""
    """Series to take where several were sent; empty for the only one."""


def chosen_series(item: ModelInput, studies: Mapping[str, ReadFiles], manifest: Manifest, opening: Opening) -> Series:
    """The series for one input: sent in its field, else called so by its SeriesDescription, else the only one."""
    named = item.name in studies
    found = studies.get(item.name if named else UNNAMED, ReadFiles((), ()))
    there = [series for study in found.studies for series in study.series]
    fitting = [series for series in there if series.modality == item.modality]
    if not named and len(manifest.inputs) > 1:
        fitting = _described(fitting, item, manifest)
    if opening.series_uid and len(manifest.inputs) == 1:
        fitting = [series for series in fitting if series.series_uid == opening.series_uid]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise InputError(f"{len(fitting)} series fit the input {item.name}: send one, {_how(manifest, item)}")
    counts = Counter(_shown(series.modality) for series in there)
    said = ", ".join(f"{count} of modality {modality}" for modality, count in sorted(counts.items())) or "none at all"
    raise InputError(f"no series fits the input {item.name} ({item.modality}); sent: {said}; {_how(manifest, item)}")


def _shown(modality: str) -> str:
    """What may be repeated to people: a code string (PS3.5 6.2), which holds no name."""
    return modality if re.fullmatch(r"[A-Z0-9_]{1,8}", modality) else "unknown"


def _how(manifest: Manifest, item: ModelInput) -> str:
    if len(manifest.inputs) == 1:
        return "or name it: ?series=SeriesInstanceUID"
    return f"in a field called {item.name}, or with {item.name} as a word of its SeriesDescription"


def _described(series: Sequence[Series], item: ModelInput, manifest: Manifest) -> list[Series]:
    """Those whose SeriesDescription is the name of the input, else those that have it as a word."""
    texts = [str(each.header.get("SeriesDescription") or "") for each in series]
    pairs = list(zip(series, texts, strict=True))
    equal = [each for each, text in pairs if text.strip().lower() == item.name.lower()]
    return equal or [each for each, text in pairs if input_named([text], manifest) == item.name]


def left_out(studies: Iterable[ReadFiles], chosen: Iterable[Series]) -> tuple[str, ...]:
    """Remarks on what was sent but not used."""
    files = [file for study in studies for file in study.skipped]
    series = sum(len(study.series) for found in studies for study in found.studies) - len(list(chosen))
    remarks = [f"{series} series were not used."] if series else []
    return (*remarks, *([f"{len(files)} files were not used: {files[0].reason}."] if files else []))
