"""Who may ask, and how often."""

from dataclasses import dataclass

from starlette.requests import Request

from ainode.api.keys import ApiKeys
from ainode.api.rate_limit import RateLimit
from ainode.dicomweb.problem import WebProblem


@dataclass(frozen=True)
class Guard:
    """Lets requests through; WebProblem 401 or 429 for the others."""

    keys: ApiKeys
    always: bool
    """Whether a key is asked for although none was made."""
    limit: RateLimit

    def check(self, request: Request) -> None:
        """Count the request, then look at its key; failed tries count for the address, too."""
        self._count(("address", request.client.host if request.client else ""))
        if not self.always and not self.keys.any():
            return
        owner = self.keys.owner(_key(request))
        if owner is None:
            raise WebProblem(
                401,
                "needs an API key in X-API-Key or Authorization: Bearer; ainode keys add makes one",
                headers={"www-authenticate": 'Bearer realm="ainode"'},
            )
        self._count(("key", owner))

    def _count(self, caller: tuple[str, str]) -> None:
        seconds = self.limit.take(caller)
        if seconds is not None:
            problem = f"too many requests from one {caller[0]}; try again in {seconds} s"
            raise WebProblem(429, problem, headers={"retry-after": str(seconds)})


def _key(request: Request) -> str:
    if given := request.headers.get("x-api-key"):
        return given
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""
