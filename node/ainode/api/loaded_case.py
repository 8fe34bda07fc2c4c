"""The files of a case as what a model gets: volumes on one grid, or radiographs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pydicom.dataset import Dataset

from ainode.api.cases import UNNAMED, Case
from ainode.api.dicom_input import Opening, chosen_series, left_out
from ainode.api.file_kind import FileKind
from ainode.api.nifti_input import read_nifti
from ainode.api.picture_input import read_picture_file
from ainode.api.unpacked import unpacked
from ainode.run.radiographs import choose_image, read_radiograph
from ainode.study import ReadFiles, read_studies
from ainode.volume.builder import SeriesVolume, build_volume
from ainode.volume.inputs import align_inputs
from ainode_models.errors import InputError
from ainode_models.manifest import Manifest
from ainode_models.radiograph import Radiograph
from ainode_models.volume import Volume


@dataclass(frozen=True)
class LoadedCase:
    """What a model gets; either volumes or radiographs."""

    volumes: Mapping[str, Volume] = field(default_factory=dict)
    """By input, all on the grid of the first."""
    radiographs: Mapping[str, Radiograph] = field(default_factory=dict)
    sources: tuple[Dataset, ...] = field(default=(), repr=False)
    """Header of each slice of the first input, in the order of its volume; empty unless it came as DICOM."""
    remarks: tuple[str, ...] = ()
    """What was left out or is unusual, for people to read."""


def load_case(case: Case, manifest: Manifest, opening: Opening) -> LoadedCase:
    """Read the files; InputError says what is wrong with them, WebProblem what the model does not take of a zip."""
    case, remarks = unpacked(case, manifest, longest=opening.longest)
    loaded = _loaded(case, manifest, opening)
    return replace(loaded, remarks=(*remarks, *loaded.remarks))


def _loaded(case: Case, manifest: Manifest, opening: Opening) -> LoadedCase:
    if case.kind is FileKind.NIFTI:
        return _niftis(case, manifest, opening)
    if case.kind is not FileKind.DICOM:
        images = {name: read_picture_file(files[0].path, files[0].kind) for name, files in case.files.items()}
        return LoadedCase(radiographs=images)
    studies = {name: read_studies([file.path for file in files]) for name, files in case.files.items()}
    if manifest.classes:
        return _radiograph(studies, manifest, opening)
    return _series(studies, manifest, opening)


def _niftis(case: Case, manifest: Manifest, opening: Opening) -> LoadedCase:
    names, longest = [item.name for item in manifest.inputs], opening.longest
    if UNNAMED in case.files:
        volumes = read_nifti(case.files[UNNAMED][0].path, names, longest=longest)
        return _aligned(volumes, (f"One file for all inputs, taken to be in this order: {', '.join(names)}.",))
    volumes = {}
    for name in names:
        volumes |= read_nifti(case.files[name][0].path, [name], longest=longest)
    several = len(names) > 1
    return _aligned(
        volumes, ("The NIfTI files are taken to lie in one space; the format cannot say so.",) if several else ()
    )


def _series(studies: Mapping[str, ReadFiles], manifest: Manifest, opening: Opening) -> LoadedCase:
    chosen = {item.name: chosen_series(item, studies, manifest, opening) for item in manifest.inputs}
    volumes = {name: build_volume(series.paths) for name, series in chosen.items()}
    return _aligned(volumes, left_out(studies.values(), chosen.values()))


def _aligned(volumes: Mapping[str, SeriesVolume], remarks: Sequence[str]) -> LoadedCase:
    reference = next(iter(volumes))
    notes = [f"{name}: {note}" for name, volume in volumes.items() for note in volume.notes]
    return LoadedCase(
        volumes=align_inputs(volumes, reference=reference),
        sources=volumes[reference].sources,
        remarks=(*remarks, *notes),
    )


def _radiograph(studies: Mapping[str, ReadFiles], manifest: Manifest, opening: Opening) -> LoadedCase:
    """The image that the node would choose of a series: the only one, or the first that is frontal."""
    series = [each for found in studies.values() for study in found.studies for each in study.series]
    if opening.series_uid:
        series = [each for each in series if each.series_uid == opening.series_uid]
    if len(series) != 1:
        raise InputError(
            f"{len(series)} series that can be read; send one, several to /batch, or name it with ?series="
        )
    chosen = choose_image(series[0].paths)
    image, remarks = read_radiograph(chosen)
    return LoadedCase(radiographs={manifest.inputs[0].name: image}, sources=(chosen.header,), remarks=remarks)
