"""Where a classifier looked, as pictures with a label burnt in."""

from collections.abc import Iterable

import numpy as np
from ainode_models.cxr.overlay import overlay
from numpy.typing import NDArray

from ainode_models.findings import Algorithm, ClassFinding, Decision, Findings, Heatmap
from ainode_models.radiograph import Radiograph


def heat_maps(findings: Findings, radiograph: Radiograph) -> Iterable[tuple[ClassFinding, NDArray[np.uint8]]]:
    """Each class that is present or undetermined and has a heat map, with that map over the radiograph.

    A map of a class that is absent would draw the eye to where nothing is. Pictures are ``(rows, columns, 3)``, RGB.
    """
    maps = {heatmap.number: heatmap for heatmap in findings.heatmaps}
    for item in findings.classes:
        if item.number in maps and item.decision is not Decision.ABSENT:
            heatmap = maps[item.number]
            yield item, overlay(radiograph, heatmap, title=_title(findings.algorithm, item, heatmap))


def _title(algorithm: Algorithm, item: ClassFinding, heatmap: Heatmap) -> str:
    undecided = ", a human must decide" if item.decision is Decision.UNCERTAIN else ""
    what = f"{heatmap.method}: {item.label}, probability {100 * item.probability:.0f} %{undecided}"
    return f"{what}\n{algorithm.name} {algorithm.version}\n{algorithm.disclaimer}"
