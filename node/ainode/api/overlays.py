"""Heat maps over the image that was classified, as PNG files."""

from imagecodecs import png_encode

from ainode.encode.heat_map import heat_map
from ainode.encode.illustration import pictures
from ainode_models.findings import Findings
from ainode_models.radiograph import Radiograph

BEST_OVERLAY = "overlay.png"
"""That of the most probable class that has one."""


def overlay_name(number: int) -> str:
    """File of the heat map of one class."""
    return f"overlay-{number}.png"


def overlay_files(findings: Findings, image: Radiograph) -> dict[str, bytes]:
    """A file for each class with a heat map, and `BEST_OVERLAY`; none when no explanation was asked for."""
    if not findings.heatmaps:
        return {}
    classes = {item.number: item for item in findings.classes}
    drawn = [heat_map(classes[heatmap.number], heatmap, image) for heatmap in findings.heatmaps]
    files = {overlay_name(each.number): bytes(png_encode(each.pixels)) for each in pictures(findings, drawn)}
    best = max((heatmap.number for heatmap in findings.heatmaps), key=lambda number: classes[number].probability)
    return files | {BEST_OVERLAY: files[overlay_name(best)]}
