"""What the token endpoint refuses (RFC 6749 5.2)."""

from typing import Literal

from ainode_models.errors import AinodeError

Code = Literal[
    "invalid_request", "invalid_client", "unsupported_grant_type", "invalid_scope", "temporarily_unavailable"
]


class OAuthProblem(AinodeError):  # noqa: N818 - reads as what it becomes
    """A request that is answered with an error of OAuth; ``client`` is set once it is known who asked, or claims to."""

    def __init__(self, code: Code, description: str, *, client: str = "") -> None:
        super().__init__(description)
        self.code: Code = code
        self.client = client

    @property
    def status(self) -> int:
        """401 for a client that is not known by what it showed, 503 when nobody could be asked, else 400."""
        return {"invalid_client": 401, "temporarily_unavailable": 503}.get(self.code, 400)
