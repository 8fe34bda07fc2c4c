"""What a trained package answers on images that decided nothing, asked as the node asks it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ainode_models.classifier import Classifier
from ainode_models.cxr.lung_net import load_lung_net
from ainode_models.cxr.settings import CxrSettings
from ainode_models.package import ModelPackage
from ainode_models.torch_device import device_of
from ainode_models.training.class_metrics import Answers
from ainode_models.training.classification import Progress, answers_of
from ainode_models.training.cxr_plan import CxrPlan
from ainode_models.training.labelled_set import LabelledSet
from ainode_models.training.lung_masks import LungMasks, measured_masks
from ainode_models.training.xray_folder import LabelledXray
from ainode_models.training.xray_pixels import radiograph_of, refusals_named


@dataclass(frozen=True)
class HeldOut:
    """The figures of a package are made of these."""

    answers: Answers
    digests: tuple[str, ...]
    """SHA-256 of the pixels of each image."""
    masks: LungMasks | None
    """None where the package has no lung net."""

    @property
    def also(self) -> Mapping[str, Any]:
        """What ``metrics.json`` has besides the figures of the classes."""
        return {} if self.masks is None else {"lung_mask": asdict(self.masks)}

    def by_image(self) -> Mapping[str, Any]:
        """Truth and answer of each image; images are named by their pixels, so that no name of a file is told."""
        answers = self.answers
        each = zip(self.digests, answers.truth.tolist(), answers.probabilities.tolist(), strict=True)
        return {
            "classes": list(answers.classes),
            "images": [
                {"pixels_sha256": digest, "true": answers.classes[truth], "probabilities": said}
                for digest, truth, said in each
            ],
        }


def held_out_of(
    package: ModelPackage, classifier: Classifier, data: LabelledSet, *, plan: CxrPlan, progress: Progress
) -> HeldOut:
    """Ask the classifier, which has loaded the package, of the held-out images of ``data``.

    Raises `InputError` for one that it refuses.
    """
    xrays = data.part(data.split.held_out)
    said = []
    for number, xray in enumerate(xrays, 1):
        said.append(_probabilities(classifier, package, xray))
        progress("held-out images", number, len(xrays), "")
    digests = tuple(data.digests[index] for index in data.split.held_out)
    masks = _masks(package, xrays, plan)
    return HeldOut(answers_of(package, xrays, np.array(said)), digests, masks)


def _probabilities(classifier: Classifier, package: ModelPackage, xray: LabelledXray) -> list[float]:
    image = radiograph_of(xray.file)
    with refusals_named(xray.file):
        said = classifier.classify({package.manifest.inputs[0].name: image})
    return [said.probabilities[each.number] for each in package.manifest.classes]


def _masks(package: ModelPackage, xrays: Sequence[LabelledXray], plan: CxrPlan) -> LungMasks | None:
    mask = CxrSettings.of(package).mask
    if mask is None:
        return None
    return measured_masks(load_lung_net(mask, device_of(plan.device)), xrays, seed=plan.seed)
