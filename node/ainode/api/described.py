"""Findings and packages in the words of the REST interface."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ainode.api import answers, node_answers
from ainode_models.findings import ClassFinding, Code, Findings, Segment
from ainode_models.manifest import Manifest
from ainode_models.package import ModelPackage


def model_info(package: ModelPackage, findings: Findings) -> answers.ModelInfo:
    """The model behind a result."""
    manifest = package.manifest
    return answers.ModelInfo(
        title=manifest.title,
        manufacturer=manifest.manufacturer,
        inputs=[item.name for item in manifest.inputs],
        classes=class_names(manifest),
        output_shape=None if findings.label_map is None else list(findings.label_map.shape),
        parameters=findings.algorithm.parameters,
        weights_sha256=package.weights_sha256,
        intended_use=manifest.intended_use,
        limits=manifest.limits,
    )


def class_names(manifest: Manifest) -> dict[str, str]:
    """Number to name, with the background of a model that segments."""
    if manifest.classes:
        return {str(item.number): item.name for item in manifest.classes}
    return {"0": "Background"} | {str(item.value): item.name for item in manifest.labels}


def model_answer(package: ModelPackage, aliases: Mapping[str, str], *, root: str) -> node_answers.ModelAnswer:
    """A model in the list of models; ``root`` is the address of the interface."""
    manifest = package.manifest
    reference = f"{manifest.name}@{manifest.version}"
    return node_answers.ModelAnswer(
        name=manifest.name,
        version=manifest.version,
        title=manifest.title,
        manufacturer=manifest.manufacturer,
        kind="classification" if manifest.classes else "segmentation",
        runtime=manifest.runtime,
        inputs=[
            node_answers.ModelInput(name=item.name, modality=item.modality, description=item.description)
            for item in manifest.inputs
        ],
        classes=class_names(manifest),
        intended_use=manifest.intended_use,
        limits=manifest.limits,
        disclaimer=manifest.disclaimer,
        aliases=sorted(name for name, model in aliases.items() if model in (manifest.name, reference)),
        profiles=[_profile(package.by(name), root) for name in manifest.profiles],
        predict=f"{root}/predict/{reference}",
    )


def _profile(package: ModelPackage, root: str) -> node_answers.ModelProfile:
    profile = package.profile
    return node_answers.ModelProfile(
        name=profile.name,
        precision=profile.precision,
        mirroring=profile.mirroring,
        step_size=profile.step_size,
        cases=profile.cases,
        dice=dict(profile.dice),
        predict=f"{root}/predict/{package.reference}",
    )


def segmentation_fields(findings: Findings) -> dict[str, Any]:
    """What an answer says of a label map."""
    assert findings.label_map is not None
    total = findings.label_map.size
    unique = np.unique(findings.label_map).tolist()
    found = len(findings.present)
    background = total - sum(segment.voxels for segment in findings.segments)
    details = [_background(background, total), *(_segment(segment, total) for segment in findings.segments)]
    return {
        "message": f"{found} of {len(findings.segments)} classes found",
        "unique_classes": unique,
        "num_classes_detected": len(unique),
        "class_details": details,
    }


def classification_fields(findings: Findings) -> dict[str, Any]:
    """What an answer says of the classes of an image."""
    assert findings.agreement is not None
    best = max(findings.classes, key=lambda item: item.probability)
    present = [item.number for item in findings.classes if item.decision == "present"]
    nets = {net: {item.label: item.members[net] for item in findings.classes} for net in best.members}
    return {
        "message": f"{best.label} is the most probable class",
        "unique_classes": present,
        "num_classes_detected": len(present),
        "class_details": [_class(item) for item in findings.classes],
        "predicted_class": best.label,
        "predictions": {item.label: item.probability for item in findings.classes},
        "confidence": findings.agreement.confidence,
        "margin_top2": findings.agreement.margin,
        "model_disagreement": findings.agreement.disagreement,
        "members": nets,
    }


def _background(voxels: int, total: int) -> answers.ClassDetail:
    return answers.ClassDetail(
        number=0,
        name="Background",
        short_name="BG",
        color=None,
        description="None of the classes",
        codes=None,
        voxels=voxels,
        percent=_percent(voxels, total),
    )


def _segment(segment: Segment, total: int) -> answers.ClassDetail:
    diameter = segment.longest_diameter
    return answers.ClassDetail(
        number=segment.number,
        name=segment.label,
        short_name=_short(segment.label),
        color="#{:02x}{:02x}{:02x}".format(*segment.color),
        description=f"{segment.type.meaning}, {segment.anatomy.meaning}",
        codes=_codes(segment.category, segment.type, segment.anatomy),
        voxels=segment.voxels,
        percent=_percent(segment.voxels, total),
        volume_ml=round(segment.volume_ml, 6),
        longest_diameter_mm=None if diameter is None else round(diameter.length_mm, 3),
        confidence=segment.confidence,
    )


def _class(item: ClassFinding) -> answers.ClassDetail:
    return answers.ClassDetail(
        number=item.number,
        name=item.label,
        short_name=_short(item.label),
        color=None,
        description=f"{item.type.meaning}, {item.anatomy.meaning}",
        codes=_codes(None, item.type, item.anatomy),
        probability=item.probability,
        decision=item.decision.value,
    )


def _codes(category: Code | None, kind: Code, anatomy: Code) -> answers.Codes:
    return answers.Codes(
        category=None if category is None else _concept(category), type=_concept(kind), anatomy=_concept(anatomy)
    )


def _concept(code: Code) -> answers.Concept:
    return answers.Concept(value=code.value, scheme=code.scheme, meaning=code.meaning)


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 4)


def _short(name: str) -> str:
    """Initials of several words, else the first three letters."""
    words = name.split()
    return "".join(word[0] for word in words).upper() if len(words) > 1 else name[:3].upper()
