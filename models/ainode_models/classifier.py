"""What runs a package that classifies images, and the classifiers that are known."""

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

from ainode_models.cxr.classifier import CxrClassifier
from ainode_models.offered import by_name, one_for
from ainode_models.package import ModelPackage
from ainode_models.prediction import Classification
from ainode_models.radiograph import Radiograph

ENTRY_POINTS = "ainode.classifiers"
"""Entry-point group of third parties: each point is a class or function that makes a `Classifier`."""


@runtime_checkable
class Classifier(Protocol):
    """Runs packages with ``[[class]]`` instead of ``[[label]]``; holds at most one loaded model."""

    def is_available(self) -> str | None:
        """None when it can be used, else the reason and what to install."""

    def load(self, package: ModelPackage, device: str) -> None:
        """As `ainode_models.runtime.Runtime.load`."""

    def classify(self, images: Mapping[str, Radiograph], *, explain: str | None = None) -> Classification:
        """Classify the images, given by the names of the model's inputs.

        ``explain``: ``gradcam``, ``lime`` or None. Raises `InputError` for what the model is not made for (another view
        or body part), `ModelError` for an explanation that it cannot give.
        """

    def unload(self) -> None:
        """Free the model's memory; `load` may follow."""


ClassifierFactory = Callable[[], Classifier]


def classifiers() -> Mapping[str, ClassifierFactory]:
    """Every known classifier by name.

    Our own come first, and no third party can replace one by taking its name.
    """
    return by_name({"cxr": CxrClassifier}, ENTRY_POINTS)


def classifier_for(package: ModelPackage) -> Classifier:
    """A classifier, not loaded yet, for ``package``.

    Raises `RuntimeUnavailable` with the reason, or with the names that are known.
    """
    return one_for(package, classifiers(), kind="classifier", group=ENTRY_POINTS)
