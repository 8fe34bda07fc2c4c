"""A client that the site has registered."""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass

from ainode_fhir.smart.jwks import Keys
from ainode_fhir.smart.scope import Scopes


@dataclass(frozen=True)
class Client:
    """A program that asks for access tokens."""

    id: str
    keys: Keys
    scopes: Scopes
    """The most that it may get."""
    patients: Callable[[], tuple[str, ...]] | None = None
    """Identifiers (``system|value``) of the patients that it is limited to; None for all."""
    network: str = ""
    """Address, or network in CIDR notation, that it must come from; empty for any."""

    def may_come_from(self, address: str) -> bool:
        """Whether a request of the client may have this address."""
        if not self.network:
            return True
        try:
            return ipaddress.ip_address(address) in ipaddress.ip_network(self.network)
        except ValueError:
            return False
