"""What a DICOMweb request can be refused with."""

from collections.abc import Mapping


class WebProblem(Exception):  # noqa: N818 - reads as the state that it names
    """An HTTP status, and a line that says what is wrong and what to do, without patient data."""

    def __init__(self, status: int, message: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
