"""Small packages of Keras networks."""

import hashlib
import shutil
from pathlib import Path

from ainode_models.keras.settings import KerasSettings
from ainode_models.package import ModelPackage

_LABEL = """
[[label]]
value = {value}
name = "Part {value}"
category = {{ value = "49755003", scheme = "SCT", meaning = "Morphologically Abnormal Structure" }}
type = {{ value = "6574001", scheme = "SCT", meaning = "Necrosis" }}
anatomy = {{ value = "12738006", scheme = "SCT", meaning = "Brain" }}
color = "#e41a1c"
"""

_MANIFEST = """
schema = 1
name = "keras-test"
version = "1.0.0"
title = "A test"
manufacturer = "ainode project"
family = {{ value = "123110", scheme = "DCM", meaning = "Artificial Intelligence" }}
runtime = "keras"
intended_use = "Tests."
disclaimer = "Not for diagnostic use."
limits = "Means nothing."
licence = "Apache-2.0"
[training]
data = "None."
[[weights]]
path = "{file}"
sha256 = "{sha256}"
{inputs}
[geometry]
orientation = "LPS"
{labels}
[keras]
file = "{file}"
layout = "channels_last"
{settings}
"""


def keras_package(
    folder: Path, net: Path | None, settings: str, *, labels: tuple[int, ...] = (1, 2, 3), channels: int = 2
) -> ModelPackage:
    """A package in the new ``folder`` with the file ``net`` and the lines ``settings`` of its table ``[keras]``."""
    folder.mkdir()
    file = folder / (net.name if net else "net.h5")
    if net:
        shutil.copyfile(net, file)
    else:
        file.write_bytes(b"")
    inputs = (f'[[input]]\nname = "C{n}"\nmodality = "MR"\ndescription = "Channel {n}"' for n in range(channels))
    text = _MANIFEST.format(
        file=file.name,
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        inputs="\n".join(inputs),
        labels="".join(_LABEL.format(value=value) for value in labels),
        settings=settings,
    )
    (folder / "model.toml").write_text(text)
    return ModelPackage.open(folder)


def settings_of(package: ModelPackage) -> KerasSettings:
    """The table ``[keras]`` of ``package``."""
    return KerasSettings.of(package.manifest)
