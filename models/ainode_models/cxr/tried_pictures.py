"""The pictures on which a converted net is held against the one that it was made of."""

import numpy as np

from ainode_models.cxr.ask import Ask, Pictures
from ainode_models.cxr.net_input import resized
from ainode_models.cxr.nets import SIDE
from ainode_models.cxr.prepare import prepared
from ainode_models.errors import InputError, PackageError
from ainode_models.package import ModelPackage
from ainode_models.sample_files import sample_radiographs

NOISE: Pictures = np.random.default_rng(0).random((1, 1, SIDE, SIDE), dtype=np.float32)
"""For a package without a sample."""

_GAMMAS = (0.7, 0.85, 1.2, 1.4)
_CUT = 8
"""Rows or columns that are cut off at one side."""


def tried_pictures(package: ModelPackage, lungs: Ask | None) -> Pictures | None:
    """The package's own sample as the nets get it, and brighter, darker, mirrored and cut: ``(n, 1, 224, 224)``.

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
    grey = whole[0, 0]
    cuts = (grey[_CUT:], grey[:-_CUT], grey[:, _CUT:], grey[:, :-_CUT])
    varied = [grey[:, ::-1], *(np.clip(grey, 0, 1) ** gamma for gamma in _GAMMAS)]
    return np.concatenate([whole, *(each[None, None] for each in varied), *(resized(cut) for cut in cuts)])
