"""What runs a package that classifies images, and the classifiers that are known."""

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Protocol, cast, runtime_checkable

from ainode_models.cxr.classifier import CxrClassifier
from ainode_models.errors import RuntimeUnavailable
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
    known: dict[str, ClassifierFactory] = {"cxr": CxrClassifier}
    for point in entry_points(group=ENTRY_POINTS):
        if point.name not in known:
            known[point.name] = cast(ClassifierFactory, point.load())
    return known


def classifier_for(package: ModelPackage) -> Classifier:
    """A classifier, not loaded yet, for ``package``.

    Raises `RuntimeUnavailable` with the reason, or with the names that are known.
    """
    known, name = classifiers(), package.manifest.runtime
    if name not in known:
        raise RuntimeUnavailable(
            f"{package.folder}: needs the classifier {name!r}; there are: {', '.join(known) or 'none'}. "
            f"Install the distribution that offers it as an entry point of {ENTRY_POINTS!r}"
        )
    classifier = known[name]()
    reason = classifier.is_available()
    if reason:
        raise RuntimeUnavailable(f"{package.folder}: the classifier {name!r} cannot be used: {reason}")
    return classifier
