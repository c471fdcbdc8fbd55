"""Signed tokens (RFC 7519) from a private key that a setting holds or names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from tidings.errors import SetupError


def key_text(secret: SecretStr, begins: str, setting: str) -> str:
    """The key itself, if the setting's value begins with `begins`, else what is in the file it names.

    Raises SetupError if that file cannot be read.
    """
    value = secret.get_secret_value().strip()
    if value.startswith(begins):
        return value
    try:
        return Path(value).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        # The value may be a key with a fault at its beginning: it is not repeated here.
        reason = error.strerror if isinstance(error, OSError) else "no such name"
        raise SetupError(f"{setting}: neither a key nor the path of a readable file ({reason}).") from None


class JwtSigner:
    """Signs claims by one algorithm with one key. Raises SetupError, naming `setting`, if it cannot."""

    def __init__(self, key: str, algorithm: str, key_id: str | None, setting: str) -> None:
        try:
            import jwt
        except ModuleNotFoundError as error:
            raise SetupError(f"{setting}: needs {error.name}: pip install 'tidings[push]'.") from error
        # In an environment variable a line end is often written as \n.
        self._key = key.replace("\\n", "\n")
        self._algorithm = algorithm
        self._headers = {"kid": key_id} if key_id else None
        self._encode = jwt.encode
        try:
            self.sign({})
        except NotImplementedError as error:
            raise SetupError(f"{setting}: needs cryptography: pip install 'tidings[push]'.") from error
        except (ValueError, TypeError, jwt.PyJWTError):
            raise SetupError(f"{setting}: not a private key for {algorithm}.") from None

    def sign(self, claims: Mapping[str, Any]) -> str:
        """The token for these claims."""
        token: str = self._encode(dict(claims), self._key, algorithm=self._algorithm, headers=self._headers)
        return token
