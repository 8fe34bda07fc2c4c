"""The pictures on which a converted net is held against the one that it was made of."""

import numpy as np

from ainode_models.cxr.ask import Ask, Pictures
from ainode_models.cxr.nets import SIDE
from ainode_models.cxr.prepare import prepared
from ainode_models.demo.chest import KINDS, chest_phantom
from ainode_models.errors import InputError, PackageError
from ainode_models.package import ModelPackage
from ainode_models.radiograph import Radiograph
from ainode_models.sample_files import sample_radiographs

NOISE: Pictures = np.random.default_rng(0).random((1, 1, SIDE, SIDE), dtype=np.float32)
"""For a package without a sample."""

_GAMMAS = (0.7, 1.4)
_DRAWN = 12
_SEED = 900_000
"""Of the first drawing; no demonstration was trained on it."""


def tried_pictures(package: ModelPackage, lungs: Ask | None) -> Pictures | None:
    """The package's own sample as the nets get it, brighter, darker, mirrored; and drawn chests: ``(n, 1, 224, 224)``.

    None when it brings no sample that can be used; `ainode_models.package_check` says why.
    """
    sample = package.manifest.sample
    if sample is None:
        return None
    try:
        (image,) = sample_radiographs(package, sample).values()
        whole, _ = prepared(image, lungs)
    except (InputError, PackageError):
        return None
    varied = [whole, whole[..., ::-1], *(np.clip(whole, 0, 1) ** gamma for gamma in _GAMMAS)]
    drawn = (chest_phantom(_SEED + number, number % len(KINDS)).image for number in range(_DRAWN))
    return np.concatenate([*varied, *(prepared(Radiograph(each, "DX", "CHEST", "PA"), lungs)[0] for each in drawn)])
