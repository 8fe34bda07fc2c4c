"""Write the sample of a demonstration package: ``python -m ainode_models.demo.sample PACKAGE``.

The model's answer to a phantom becomes the answer that ``ainode models check`` expects, and ``[sample]`` of
``model.toml`` names the files.
"""

import argparse
from pathlib import Path, PurePosixPath

import numpy as np

from ainode_models.classifier import classifier_for
from ainode_models.demo.chest import KINDS, chest_phantom
from ainode_models.demo.phantom import Phantom, brain_tumour_phantom, t1_head_phantom
from ainode_models.package import MANIFEST, ModelPackage
from ainode_models.runtime import runtime_for
from ainode_models.sample import Sample
from ainode_models.sample_files import sample_radiographs, write_arrays, write_radiograph
from ainode_models.volume import Volume

_SEED = 2**34
"""Beyond any seed that a training or evaluation uses."""

_KIND = KINDS.index("Lung opacity")

_ANSWER = PurePosixPath("sample/answer.npz")


def _phantom(name: str) -> Phantom:
    rng = np.random.default_rng(_SEED)
    if name == "t1-head-demo":
        return t1_head_phantom(rng, spacing=(6.0, 6.0, 6.0))
    return brain_tumour_phantom(rng, spacing=(6.0, 5.0, 5.0))


def write_sample(package: ModelPackage) -> str:
    """Write the files; returns what the model answered, in words."""
    return _write_classified(package) if package.manifest.classes else _write_segmented(package)


def _write_segmented(package: ModelPackage) -> str:
    inputs = {name: _stored(volume) for name, volume in _phantom(package.manifest.name).volumes.items()}
    for name, volume in inputs.items():
        write_arrays(package.folder, _input(package, name), {"array": volume.array, "affine": volume.affine})
    runtime = runtime_for(package)
    runtime.load(package, "cpu")
    label_map = runtime.predict(inputs).label_map
    write_arrays(package.folder, _ANSWER, {"label_map": label_map})
    counts = {int(value): int(np.count_nonzero(label_map == value)) for value in np.unique(label_map)}
    return f"voxels by value: {counts}"


def _write_classified(package: ModelPackage) -> str:
    """The picture is read back before it is classified: the answer is that to the file."""
    paths = {each.name: _input(package, each.name) for each in package.manifest.inputs}
    for path in paths.values():
        write_radiograph(package.folder, path, chest_phantom(_SEED, _KIND).image)
    classifier = classifier_for(package)
    classifier.load(package, "cpu")
    answer = classifier.classify(sample_radiographs(package, Sample(paths, _ANSWER))).probabilities
    probabilities = np.array([answer[each.number] for each in package.manifest.classes])
    write_arrays(package.folder, _ANSWER, {"probabilities": probabilities})
    return f"probabilities: {dict(zip((each.name for each in package.manifest.classes), probabilities, strict=True))}"


def _stored(volume: Volume) -> Volume:
    """As the file holds it: whole numbers, as a scanner gives them."""
    return Volume(np.rint(volume.array).clip(0).astype(np.uint16), volume.affine, volume.frame_of_reference_uid)


def _input(package: ModelPackage, name: str) -> PurePosixPath:
    return PurePosixPath(f"sample/{name}.{'png' if package.manifest.classes else 'npz'}")


def name_sample(package: ModelPackage) -> None:
    """Put ``[sample]`` at the end of ``model.toml``, unless it is there."""
    if package.manifest.sample:
        return
    lines = [
        "",
        "# What ainode models check runs, and the answer it expects: made by python -m ainode_models.demo.sample.",
        "[sample]",
        f'answer = "{_ANSWER}"',
        "[sample.input]",
        *(f'{each.name} = "{_input(package, each.name)}"' for each in package.manifest.inputs),
    ]
    with (package.folder / MANIFEST).open("a", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def main() -> None:
    """Write the sample of one package."""
    parser = argparse.ArgumentParser(description="Write the sample of a demonstration model package.")
    parser.add_argument("package", type=Path)
    package = ModelPackage.open(parser.parse_args().package)
    said = write_sample(package)
    name_sample(package)
    parser.exit(message=f"{said}\n")


if __name__ == "__main__":
    main()
