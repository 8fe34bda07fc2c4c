"""The report as XHTML (https://hl7.org/fhir/R4/narrative.html), for readers that show nothing but the text."""

from html import escape

from ainode_fhir.datatypes import Json
from ainode_fhir.wording import conclusion
from ainode_models.findings import Findings, Segment


def narrative(findings: Findings) -> Json:
    """Narrative of the conclusion and, where the run finished, one row per label; everything in it is escaped."""
    rows = "".join(_row(segment) for segment in findings.segments)
    header = "<tr><th>Label</th><th>Volume (mL)</th><th>Longest diameter (mm)</th><th>Confidence</th></tr>"
    table = f"<table><thead>{header}</thead><tbody>{rows}</tbody></table>" if rows else ""
    text = f"<p>{escape(conclusion(findings))}</p>"
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{text}{table}</div>'}


def _row(segment: Segment) -> str:
    if not segment.voxels:
        return f'<tr><td>{escape(segment.label)}</td><td colspan="3">looked for and not found</td></tr>'
    diameter, confidence = segment.longest_diameter, segment.confidence
    cells = (
        escape(segment.label),
        f"{segment.volume_ml:.1f}",
        f"{diameter.length_mm:.1f}" if diameter else "not measured",
        "not given" if confidence is None else f"{100 * confidence:.0f} %",
    )
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
