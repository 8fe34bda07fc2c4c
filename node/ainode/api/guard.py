"""Who may ask, and how often."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request

from ainode.api.keys import ApiKey, ApiKeys
from ainode.api.rate_limit import RateLimit
from ainode.dicomweb.problem import WebProblem


@dataclass(frozen=True)
class Guard:
    """Lets requests through; WebProblem 401, 403 or 429 for the others."""

    keys: ApiKeys
    always: bool
    """Whether a key is asked for although none was made."""
    hosts: frozenset[str]
    """Names of this node, by which it may be called without a key."""
    limit: RateLimit

    def check(self, request: Request) -> None:
        """Count the request, then look at its key; failed tries count for the address, too."""
        self._count(("address", request.client.host if request.client else ""))
        if not self.always and not self.keys.any():
            self._refuse_pages(request)
            return
        key = self.key(request)
        if key is None:
            raise WebProblem(
                401,
                "needs an API key in X-API-Key or Authorization: Bearer; ainode keys add makes one",
                headers={"www-authenticate": 'Bearer realm="ainode"'},
            )
        self._count(("key", key.name))

    def key(self, request: Request) -> ApiKey | None:
        """What is known of the key for REST that a request shows."""
        found = self.keys.find(_key(request))
        return None if found and found.fhir else found

    def _refuse_pages(self, request: Request) -> None:
        if is_foreign_page(request, self.hosts):
            raise WebProblem(403, "called by another name, or from a page of another site: make a key")

    def _count(self, caller: tuple[str, str]) -> None:
        seconds = self.limit.take(caller)
        if seconds is not None:
            problem = f"too many requests from one {caller[0]}; try again in {seconds} s"
            raise WebProblem(429, problem, headers={"retry-after": str(seconds)})


def is_foreign_page(request: Request, hosts: frozenset[str]) -> bool:
    """Whether it comes from a page of somebody else's, open in a browser on this machine: no caller on this machine.

    It says where it is from (Origin), or calls the node by a name of its own (DNS rebinding).
    """
    named = [request.url.hostname]
    if (origin := request.headers.get("origin")) is not None:
        named.append(urlsplit(origin).hostname)
    return not hosts.issuperset(named)


def _key(request: Request) -> str:
    if given := request.headers.get("x-api-key"):
        return given
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""
