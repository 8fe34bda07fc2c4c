"""Where a classifier looked, over the radiograph."""

from ainode.encode.caption import Line
from ainode.encode.illustration import Illustration
from ainode_models.cxr.overlay import overlay
from ainode_models.findings import ClassFinding, Decision, Findings, Heatmap
from ainode_models.radiograph import Radiograph


def heat_maps(findings: Findings, radiograph: Radiograph) -> list[Illustration]:
    """Each finding that is present or undetermined and has a heat map, with that map over the radiograph.

    A map of a class that is absent, or says that nothing was found, would draw the eye to where nothing is.
    """
    maps = {heatmap.number: heatmap for heatmap in findings.heatmaps}
    notable = (item for item in findings.classes if item.number in maps and item.notable)
    return [heat_map(item, maps[item.number], radiograph) for item in notable]


def heat_map(item: ClassFinding, heatmap: Heatmap, radiograph: Radiograph) -> Illustration:
    """The map of one class over the radiograph."""
    return Illustration(
        number=item.number,
        pixels=overlay(radiograph, heatmap, title=_title(item)),
        kind="heat map",
        titles=(f"Where the model looked for: {item.label}", f"Dónde miró el modelo para: {item.label}"),
        legend=(Line(f"Heat map by {heatmap.method}; the colours are no measurement"),),
        sources=(0,),
    )


def _title(item: ClassFinding) -> str:
    undecided = ", not decided: a human must" if item.decision is Decision.UNCERTAIN else ""
    return f"{item.label}: probability {100 * item.probability:.1f} %{undecided}"
