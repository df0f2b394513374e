"""How users log in: passwords, and JSON Web Tokens signed with the key whose public half a user has.

Source: docs.snowflake.com/en/user-guide/key-pair-auth, .../developer-guide/sql-api/authenticating (the claims).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import time
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from local_snowflake.errors import invalid

_ITERATIONS = 100_000
_KEYS = ("RSA_PUBLIC_KEY", "RSA_PUBLIC_KEY_2")
_CLOCK_SECONDS = 60
"""By how much the clock of a client may be ahead."""


def settled(properties: dict[str, str]) -> dict[str, str]:
    """The properties of a user as they are kept: a password only as its hash, a key with its fingerprint.

    Raises:
        SnowflakeError: 001008, a key that is not an RSA public key.
    """
    kept = dict(properties)
    if "PASSWORD" in kept:
        kept["PASSWORD"] = _hashed(kept["PASSWORD"], secrets.token_bytes(16))
    for key in _KEYS:
        if kept.get(key):
            kept[key] = "".join(line for line in kept[key].split() if not line.startswith("-----"))
            kept[f"{key}_FP"] = fingerprint(kept[key], key)
    return kept


def _hashed(password: str, salt: bytes) -> str:
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    return f"{salt.hex()}:{digest.hex()}"


def has_password(properties: dict[str, Any], password: str) -> bool:
    kept = str(properties.get("PASSWORD", ""))
    salt = bytes.fromhex(kept.partition(":")[0])
    return bool(kept) and hmac.compare_digest(kept, _hashed(password, salt))


def _key(text: str, name: str) -> rsa.RSAPublicKey:
    try:
        key = serialization.load_der_public_key(base64.b64decode(text, validate=True))
    except (ValueError, binascii.Error, UnsupportedAlgorithm) as error:
        raise invalid(f"New public key rejected by current policy. Reason: '{name} is not a public key'") from error
    if not isinstance(key, rsa.RSAPublicKey):
        raise invalid(f"New public key rejected by current policy. Reason: '{name} is not an RSA key'")
    return key


def fingerprint(text: str, name: str = "RSA_PUBLIC_KEY") -> str:
    """SHA256: and the digest of the key's DER form in base64, as DESCRIBE USER has it."""
    der = _key(text, name).public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return f"SHA256:{base64.b64encode(hashlib.sha256(der).digest()).decode()}"


def _part(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def has_token(properties: dict[str, Any], token: str, account: str, user: str) -> bool:
    """Whether a token is signed with one of the user's keys, for this account and user, and good now."""
    try:
        head, body, signature = token.split(".")
        header, claims = json.loads(_part(head)), json.loads(_part(body))
        signed = _part(signature)
    except (ValueError, binascii.Error):
        return False
    if not isinstance(claims, dict) or not isinstance(header, dict) or header.get("alg") != "RS256":
        return False
    now = time.time()
    subject = f"{account.upper()}.{user}"
    for name in _KEYS:
        text = properties.get(name)
        if not text or claims.get("sub") != subject or claims.get("iss") != f"{subject}.{fingerprint(text)}":
            continue
        if not claims.get("iat", 0) - _CLOCK_SECONDS <= now < claims.get("exp", 0):
            continue
        try:
            _key(text, name).verify(signed, f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            continue
        return True
    return False
