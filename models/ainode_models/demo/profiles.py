"""Measure the profile ``fast`` of a demonstration package: ``python -m ainode_models.demo.profiles NAME PACKAGE``.

The other profiles stay out: ``exact`` would make the demonstration's answers depend on whether a CPU computes bf16, and
``int8`` brings weights, and so a new version.
"""

import argparse
from pathlib import Path

import numpy as np

from ainode_models.demo.recipe import RECIPES, Recipe
from ainode_models.package import MANIFEST
from ainode_models.profiling import Measured, add_profile

_CASES = 8
_FIRST = 1 << 33
"""Seeds of these phantoms start here, beyond those of training and of `ainode_models.demo.evaluate`."""


def measure_fast(folder: Path, recipe: Recipe) -> Measured:
    """Write ``[profile.fast]`` anew, which is the last table of the manifest of ``folder``."""
    manifest = folder / MANIFEST
    before, _, _ = manifest.read_text(encoding="utf-8").partition("[profile.")
    manifest.write_text(before.rstrip() + "\n", encoding="utf-8")
    cases = [recipe.case(np.random.default_rng(_FIRST + number)).volumes for number in range(_CASES)]
    return add_profile(folder, "fast", cases)


def main() -> None:
    """Do so."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(RECIPES))
    parser.add_argument("package", type=Path)
    arguments = parser.parse_args()
    measure_fast(arguments.package, RECIPES[arguments.name])


if __name__ == "__main__":
    main()
