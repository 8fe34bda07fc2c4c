"""Tracking identifiers that people can read (``TrackingID``, 0062,0020): what is followed, and by which model."""


def tracking_id(label: str, model: str, version: str) -> str:
    """Identifier of a segment or class of a model."""
    return f"{label}, {model} {version}"


def label_in(identifier: str, model: str) -> str | None:
    """The label that `tracking_id` was given, for any version of the model; None for another's identifier."""
    label, separator, version = identifier.rpartition(f", {model} ")
    return label if separator and label and version else None
