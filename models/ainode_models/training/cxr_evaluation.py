"""What is known of a trained package: its figures, its sample, and its model card."""

from pathlib import Path

import numpy as np

from ainode_models.classifier import Classifier, classifier_for
from ainode_models.cxr.net_input import resized
from ainode_models.package import ModelPackage
from ainode_models.sample import Sample
from ainode_models.sample_files import sample_radiographs, write_arrays
from ainode_models.training.class_report import write_class_report, write_json, write_losses
from ainode_models.training.cxr_card import card_of
from ainode_models.training.cxr_plan import CxrPlan
from ainode_models.training.ensemble import Ensemble, Progress
from ainode_models.training.held_out import held_out_of
from ainode_models.training.labelled_set import LabelledSet
from ainode_models.training.xray_pixels import radiograph_of

EVALUATION = "evaluation"
_LARGEST = 512
"""Rows and columns of the sample."""


def write_evaluation(
    package: ModelPackage, plan: CxrPlan, data: LabelledSet, *, ensemble: Ensemble, progress: Progress
) -> None:
    """Run the finished package on the held-out images as the node runs it, and write what it says of them."""
    classifier = classifier_for(package)
    classifier.load(package, plan.device)  # before its sample is there, without which a CPU computes in fp32
    held_out = held_out_of(package, classifier, data, plan=plan, progress=progress)
    if package.manifest.sample is not None:
        _write_sample(package, classifier, package.manifest.sample, data.xrays[data.split.held_out[0]].file)
    classifier.unload()
    folder = package.folder / EVALUATION
    write_losses(folder, ensemble.histories)
    report = write_class_report(folder, held_out.answers, seed=plan.seed, also=held_out.also)
    write_json(folder / "held-out.json", held_out.by_image())
    card = card_of(package.manifest, plan, data, ensemble=ensemble, report=report, masks=held_out.masks)
    (package.folder / "README.md").write_text(card, encoding="utf-8")


def _write_sample(package: ModelPackage, classifier: Classifier, sample: Sample, file: Path) -> None:
    """The image is read back before it is classified: the answer is that to what is stored."""
    image = radiograph_of(file)
    small = image.pixels if max(image.pixels.shape) <= _LARGEST else resized(image.pixels, _LARGEST)[0, 0]
    header = {"body_part": np.array(image.body_part), "view": np.array(image.view)}
    write_arrays(package.folder, next(iter(sample.inputs.values())), {"pixels": small, **header})
    said = classifier.classify(sample_radiographs(package, sample)).probabilities
    answer = np.array([said[each.number] for each in package.manifest.classes])
    write_arrays(package.folder, sample.answer, {"probabilities": answer})
