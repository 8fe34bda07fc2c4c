"""What runs a model package, and the runtimes that are known."""

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

from ainode_models.offered import by_name, one_for
from ainode_models.package import ModelPackage
from ainode_models.prediction import Prediction
from ainode_models.volume import Volume

__all__ = [
    "ENTRY_POINTS",
    "Prediction",
    "ProbabilisticRuntime",
    "Runtime",
    "RuntimeFactory",
    "keeps_probabilities",
    "runtime_for",
    "runtimes",
]

ENTRY_POINTS = "ainode.runtimes"
"""Entry-point group of third parties: each point is a class or function that makes a `Runtime`."""


class Runtime(Protocol):
    """Runs model packages of one kind; holds at most one loaded model."""

    def is_available(self) -> str | None:
        """None when it can be used, else the reason and what to install."""

    def load(self, package: ModelPackage, device: str) -> None:
        """Verify and load ``package`` on ``device``: ``cpu``, ``cuda`` or ``auto``.

        Raises `PackageError` for a package, `RuntimeUnavailable` for a machine that cannot do it.
        """

    def predict(self, volumes: Mapping[str, Volume]) -> Prediction:
        """Label the volumes, given by the names of the model's inputs, all on one grid.

        Raises `SeriesMismatchError` when an input is missing or the grids differ.
        """

    def unload(self) -> None:
        """Free the model's memory; `load` may follow."""


@runtime_checkable
class ProbabilisticRuntime(Runtime, Protocol):
    """A runtime that keeps the probabilities of voxels on request."""

    def predict_probabilities(self, volumes: Mapping[str, Volume]) -> Prediction:
        """As `Runtime.predict`, with `Prediction.probabilities`."""


RuntimeFactory = Callable[[], Runtime]


def runtimes() -> Mapping[str, RuntimeFactory]:
    """Every known runtime by name.

    Our own come first, and no third party can replace one by taking its name.
    """
    # They import scipy, for which `ainode runs` and the like need not wait.
    from ainode_models.keras.runtime import KerasRuntime
    from ainode_models.monai.runtime import MonaiRuntime
    from ainode_models.nnunet.runtime import NnunetRuntime

    return by_name({"nnunet": NnunetRuntime, "keras": KerasRuntime, "monai": MonaiRuntime}, ENTRY_POINTS)


def keeps_probabilities(package: ModelPackage) -> bool | None:
    """Whether the runtime of ``package`` is a `ProbabilisticRuntime`; None where nothing here offers that runtime."""
    known = runtimes().get(package.manifest.runtime)
    return None if known is None else isinstance(known(), ProbabilisticRuntime)


def runtime_for(package: ModelPackage) -> Runtime:
    """A runtime, not loaded yet, for ``package``.

    Raises `RuntimeUnavailable` with the reason, or with the names that are known.
    """
    return one_for(package, runtimes(), kind="runtime", group=ENTRY_POINTS)
