"""The conclusion of a report in plain words, for readers who see nothing else of it."""

from ainode_models.comparison import comparison
from ainode_models.digits import reported
from ainode_models.findings import Decision, Findings, Outcome, Segment

UNVERIFIED = "AI result, not verified by a physician"

_NOTHING_SAID = {
    Outcome.FAILED: "THE ANALYSIS FAILED AND SAYS NOTHING ABOUT THE PATIENT.",
    Outcome.REFUSED: "THE IMAGES WERE REFUSED AND NOT ANALYSED: NOTHING IS SAID ABOUT THE PATIENT.",
}


def conclusion(findings: Findings, *, head: str = UNVERIFIED) -> str:
    """What was found, what was looked for and not found, or why nothing can be said; always with the disclaimer.

    ``head`` says first what kind of statement it is.
    """
    algorithm = findings.algorithm
    return " ".join(
        part
        for part in (
            f"{head}: {algorithm.name} {algorithm.version}.",
            *lacking(findings),
            *_statements(findings),
            comparison(findings),
            *map(sentence, findings.remarks),
            sentence(algorithm.disclaimer),
        )
        if part
    )


def measurements(segment: Segment) -> str:
    """The measurements of a segment with their units, on one line."""
    parts = [f"volume {reported(segment.volume_ml):.1f} mL"]
    if segment.longest_diameter:
        parts.append(f"longest diameter {reported(segment.longest_diameter.length_mm):.1f} mm")
    if segment.confidence is not None:
        parts.append(f"confidence {reported(100 * segment.confidence):.0f} %")
    return ", ".join(parts)


def percent(share: float) -> str:
    """A probability for people to read; one decimal near the ends, where 0 % and 100 % would sound like certainty."""
    value = reported(100 * share)
    return f"{value:.0f} %" if 1 <= value < 99 else f"{value:.1f} %"


def failure(findings: Findings) -> str:
    """Why the run failed or was refused, as a sentence."""
    return sentence(findings.failure or "no reason was given")


def lacking(findings: Findings) -> tuple[str, ...]:
    """That not all is there that was asked for, one sentence for each; none of a whole result."""
    return tuple(f"PARTIAL RESULT: asked for, but not made: {sentence(each)}" for each in findings.lacking)


def _statements(findings: Findings) -> tuple[str, ...]:
    if not findings.analysed:
        return (
            _NOTHING_SAID[findings.outcome],
            f"Reason: {failure(findings)}",
            "This is not a negative result.",
        )
    if findings.classes:
        return _decisions(findings)
    found = tuple(f"{segment.label} ({measurements(segment)})" for segment in findings.present)
    absent = tuple(segment.label for segment in findings.segments if not segment.voxels)
    return (
        f"Found: {'; '.join(found)}." if found else "Nothing was found of what this algorithm looks for.",
        f"Looked for and not found: {', '.join(absent)}." if absent else "",
        "" if found else "This does not mean that the study is normal.",
    )


def _decisions(findings: Findings) -> tuple[str, ...]:
    """Each class by what the model makes of it. One may stand for normal images, so none is called a finding."""
    said = {decision: ", ".join(_probable(findings, decision)) for decision in Decision}
    return (
        f"Present according to this algorithm: {said[Decision.PRESENT]}." if said[Decision.PRESENT] else "",
        f"NOT DECIDED, a human must: {said[Decision.UNCERTAIN]}." if said[Decision.UNCERTAIN] else "",
        f"Not present according to it: {said[Decision.ABSENT]}." if said[Decision.ABSENT] else "",
        "" if findings.outcome is Outcome.FINDINGS else "This does not mean that the study is normal.",
    )


def _probable(findings: Findings, decision: Decision) -> tuple[str, ...]:
    chosen = (item for item in findings.classes if item.decision is decision)
    return tuple(f"{item.label} (probability {percent(item.probability)})" for item in chosen)


def sentence(text: str) -> str:
    """Text with a full stop at its end."""
    text = text.strip()
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."
