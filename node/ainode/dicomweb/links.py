"""Addresses of what this node serves."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Links:
    """Resources below ``base``, the address of ``/dicom-web`` as clients see it (PS3.18 Table 10.1.1-1)."""

    base: str

    def resource(self, study_uid: str, series_uid: str | None = None, *, sop_instance_uid: str | None = None) -> str:
        """Address of a study, of a series in it, or of an instance in that."""
        series = f"/series/{series_uid}" if series_uid else ""
        instance = f"/instances/{sop_instance_uid}" if sop_instance_uid else ""
        return f"{self.base}/studies/{study_uid}{series}{instance}"
