"""The key by which this node shows an authorization server who it is (SMART: client-confidential-asymmetric)."""

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from ainode_fhir.datatypes import Json
from ainode_models.errors import SettingsError

_LIFETIME_S = 240
"""From now to ``exp``; SMART allows 300, and clocks differ."""
_SHORTEST_RSA = 2048
"""Bits (RFC 7518 3.3)."""


@dataclass(frozen=True)
class SigningKey:
    """A private key and what it signs with."""

    key_id: str
    """``kid`` of the key in the client's JWK Set."""
    algorithm: str
    """``RS384`` or ``ES384``, by the kind of the key."""
    _key: RSAKey | ECKey = field(repr=False)

    @classmethod
    def read(cls, path: Path, *, password: str = "", key_id: str = "") -> "SigningKey":
        """The key of a PEM file, RSA or P-384; ``key_id`` is its thumbprint (RFC 7638) unless given.

        Raises SettingsError when there is none that can be used.
        """
        try:
            raw = load_pem_private_key(path.read_bytes(), password.encode() or None)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as exc:
            raise SettingsError(f"{path} cannot be used as oauth_key ({exc}); give a private key as PEM") from exc
        key: RSAKey | ECKey
        if isinstance(raw, RSAPrivateKey) and raw.key_size >= _SHORTEST_RSA:
            algorithm, key = "RS384", RSAKey.import_key(raw)
        elif isinstance(raw, EllipticCurvePrivateKey) and isinstance(raw.curve, SECP384R1):
            algorithm, key = "ES384", ECKey.import_key(raw)
        else:
            raise SettingsError(
                f"{path} cannot be used as oauth_key; give an RSA key of 2048 bits or more, or one on P-384"
            )
        return cls(key_id or key.thumbprint(), algorithm, key)

    def assertion(self, client_id: str, audience: str, now: float) -> str:
        """A JWT that says that we are ``client_id``, for the token endpoint ``audience``; no two are alike."""
        claims: dict[str, Any] = {
            "iss": client_id,
            "sub": client_id,
            "aud": audience,
            "iat": int(now),
            "exp": int(now) + _LIFETIME_S,
            "jti": secrets.token_urlsafe(32),
        }
        header = {"alg": self.algorithm, "kid": self.key_id, "typ": "JWT"}
        return jwt.encode(header, claims, self._key, algorithms=[self.algorithm])

    def public(self) -> Json:
        """The public half as a JWK (RFC 7517), for those who register this node."""
        jwk: Json = self._key.as_dict(private=False)
        return {**jwk, "kid": self.key_id, "alg": self.algorithm, "use": "sig"}
