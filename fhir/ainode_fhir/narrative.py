"""The report as XHTML (https://hl7.org/fhir/R4/narrative.html), for readers that show nothing but the text."""

from html import escape

from ainode_fhir.datatypes import Json
from ainode_fhir.wording import percent
from ainode_models.digits import reported
from ainode_models.findings import ClassFinding, Decision, Findings, Segment

_HEADER = "<tr><th>Label</th><th>Volume (mL)</th><th>Longest diameter (mm)</th><th>Confidence</th></tr>"
_CLASS_HEADER = "<tr><th>Class</th><th>Decision</th><th>Probability</th><th>By each net</th></tr>"


def narrative(findings: Findings, words: str) -> Json:
    """``words``, the conclusion, and, where the run finished, one row per label or class; everything is escaped."""
    rows = "".join([*map(_row, findings.segments), *map(_class_row, findings.classes)])
    header = _CLASS_HEADER if findings.classes else _HEADER
    table = f"<table><thead>{header}</thead><tbody>{rows}</tbody></table>" if rows else ""
    text = f"<p>{escape(words)}</p>"
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{text}{table}</div>'}


def _row(segment: Segment) -> str:
    if not segment.voxels:
        return f'<tr><td>{escape(segment.label)}</td><td colspan="3">looked for and not found</td></tr>'
    diameter, confidence = segment.longest_diameter, segment.confidence
    cells = (
        escape(segment.label),
        f"{reported(segment.volume_ml):.1f}",
        f"{reported(diameter.length_mm):.1f}" if diameter else "not measured",
        "not given" if confidence is None else f"{reported(100 * confidence):.0f} %",
    )
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _class_row(item: ClassFinding) -> str:
    decision = "not decided, a human must" if item.decision is Decision.UNCERTAIN else item.decision
    members = ", ".join(f"{name} {percent(share)}" for name, share in item.members.items())
    cells = (item.label, decision, percent(item.probability), members or "a single net")
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
