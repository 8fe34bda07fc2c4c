"""What was read of an object, as one row of a table for people."""

from collections.abc import Iterable

from ainode_dicom_sr.reader_concepts import is_private, key
from ainode_dicom_sr.reader_model import (
    Group,
    ReadAlgorithm,
    ReadImage,
    ReadObject,
    ReadReport,
    ReadSegmentation,
)
from ainode_models.findings import Code

COLUMNS = (
    "what it is",
    "title (template)",
    "state",
    "algorithm",
    "groups",
    "findings, absent",
    "measurements",
    "evaluations",
    "regions",
    "references",
    "private names",
    "not understood",
)

_OTHER_PURPOSES = frozenset({"109101", "109103", "109104", "109105"})
"""CID 7005: acquisition, modifying, de-identifying and frame-extracting equipment found nothing."""


def row(reading: ReadObject) -> tuple[str, ...]:
    """Cells of `COLUMNS`; nothing of the patient is in them."""
    if isinstance(reading, ReadReport):
        return (_kind(reading), _title(reading), _state(reading), _algorithms(reading), *map(str, _counts(reading)))
    said = _segments(reading) if isinstance(reading, ReadSegmentation) else _size(reading)
    return (_kind(reading), said, "", _algorithms(reading), *[""] * 8)


def notes(reading: ReadObject) -> tuple[str, ...]:
    """What was not understood, a line for each content item."""
    if not isinstance(reading, ReadReport):
        return ()
    return tuple(
        f"{note.path} {note.value_type or '?'} {_coded(note.concept)}: {note.reason}" for note in reading.notes
    )


def _kind(reading: ReadObject) -> str:
    return reading.kind.removesuffix(" Storage")


def _title(report: ReadReport) -> str:
    title = (report.title.meaning or report.title.value) if report.title else "no title"
    return f"{title} ({report.template or 'no template'})"


def _state(report: ReadReport) -> str:
    flags = [each for each in (report.completion, report.verification, report.preliminary) if each]
    summaries = [f"{code.value}" for code in report.summaries]
    return ", ".join([*map(str.lower, flags), *summaries]) or "not said"


def _algorithms(reading: ReadObject) -> str:
    """Of the equipment that contributed, else of the content tree or the segments, else the device that observed."""
    equipment = [
        _named(item.model, " ".join(item.software_versions))
        for item in reading.equipment
        if item.model and key(item.purpose) not in _OTHER_PURPOSES
    ]
    return "; ".join(dict.fromkeys(equipment or _in_content(reading))) or "not named"


def _in_content(reading: ReadObject) -> Iterable[str]:
    if isinstance(reading, ReadReport):
        named = [_algorithm(each) for each in reading.algorithms if each.name]
        return named or [_named(each.model, "") for each in reading.observers if each.model]
    segments = reading.segments if isinstance(reading, ReadSegmentation) else ()
    return [_algorithm(each.algorithm) for each in segments if each.algorithm]


def _algorithm(algorithm: ReadAlgorithm) -> str:
    return _named(algorithm.name, algorithm.version or "")


def _named(name: str | None, version: str) -> str:
    short = version if len(version) <= 16 else f"{version[:15]}…"
    return f"{name} {short}".strip()


def _counts(report: ReadReport) -> Iterable[int | str]:
    every = (report.general, *report.groups)
    yield len(report.groups)
    found = sum(group.finding is not None for group in report.groups)
    yield f"{found}, {sum(len(group.absent) for group in report.groups)}"
    yield sum(len(group.measurements) for group in every)
    yield sum(len(group.evaluations) for group in every)
    yield sum(len(group.regions) + sum(len(each.regions) for each in group.measurements) for group in every)
    yield sum(len(group.references) for group in every)
    yield sum(map(_private, every))
    yield len(report.notes)


def _private(group: Group) -> int:
    """Measurements and statements whose name no standard has: read, but only a person knows what they mean."""
    named = [each.concept for each in group.measurements] + [each.concept for each in group.evaluations]
    return sum(map(is_private, named))


def _segments(seg: ReadSegmentation) -> str:
    listed = ", ".join(f"{each.label} ({_coded(each.type)})" for each in seg.segments)
    tracked = sum(each.tracking_uid is not None for each in seg.segments)
    return f"{seg.segmentation_type}, {seg.frames} frames, {len(seg.segments)} segments, {tracked} tracked: {listed}"


def _size(reading: ReadObject) -> str:
    if not isinstance(reading, ReadImage):
        return ""
    return f"image, {reading.rows} x {reading.columns}" + (f", {reading.frames} frames" if reading.frames > 1 else "")


def _coded(code: Code | None) -> str:
    return f"{code.meaning or 'without meaning'} {code.scheme} {code.value}" if code else "no concept"
