"""A conversion that takes no framework: ``python -m peers.tiny_conversion``."""

import sys
from pathlib import Path

import numpy as np
import openvino
from openvino import opset13

from ainode_models.errors import PackageError
from ainode_models.openvino_cache import Request, main, write


def convert(request: Request, place: Path) -> None:
    """Write a network that adds ``request["adds"]``, or fail as ``request["fails"]`` asks."""
    if request.get("fails") == "does not fit":
        raise PackageError("net.pth: does not fit; copy it again")
    if request.get("fails") == "breaks":
        raise RuntimeError("an operation that OpenVINO does not know")
    write(place, {"net": adding(request["adds"])}, {"adds": request["adds"]})


def adding(number: float) -> openvino.Model:
    """A network ``(n, 3)`` to ``(n, 3)``."""
    given = opset13.parameter([-1, 3], np.float32)
    return openvino.Model([opset13.add(given, np.float32(number))], [given], "adding")


if __name__ == "__main__":
    sys.exit(main(convert))
