"""The token that lets into a service: read here, and nowhere else known but by its digest.

What Ray keeps of a deployment, its arguments and environment, can be read by everybody who is on the
cluster, and stands in logs. A digest there lets nobody in.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path

from orchestrator.errors import WrongRequest

VARIABLE = "ENSEMBLE_SERVE_TOKEN"
_SHORTEST = 24  # characters; fewer could be found by trying, given the digest
_MAKE = "openssl rand -hex 32 > token && chmod 600 token"


def read_token(file: str | Path | None) -> tuple[str | None, str | None]:
    """The token of `--token-file`, else of ENSEMBLE_SERVE_TOKEN, None where neither is given; and a
    note where others of this machine can read its file.

    Raises WrongRequest where the file cannot be read, or the token is too short or no single word.
    """
    note = None
    if file is None:
        where, text = VARIABLE, os.environ.get(VARIABLE, "")
        if not text:
            return None, None
    else:
        where = f"--token-file {file}"
        try:
            with Path(file).open(encoding="utf-8") as stream:
                text = stream.read(10_000)
                mode = os.fstat(stream.fileno()).st_mode
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            raise WrongRequest(f"{where}: cannot be read: {why}. Make one: {_MAKE}") from None
        if stat.S_IMODE(mode) & 0o077:
            note = f"{file} can be read by others of this machine: chmod 600 {file}"
    token = text.strip()
    if len(token) < _SHORTEST or len(token.split()) != 1 or not token.isascii():
        raise WrongRequest(
            f"{where}: a token is one word of at least {_SHORTEST} letters and digits, and this has "
            f"{len(token)} characters. Make one: {_MAKE}"
        )
    return token, note


def digest_of(token: str, salt: str | None = None) -> str:
    """`salt:sha256`. salt: None makes one."""
    salt = secrets.token_hex(16) if salt is None else salt
    return f"{salt}:{hashlib.sha256(f'{salt}{token}'.encode()).hexdigest()}"


def lets_in(header: str | None, digest: str) -> bool:
    """Whether an `Authorization` header has the token of `digest`, in the same time for all others."""
    scheme, _, given = (header or "").partition(" ")
    right = hmac.compare_digest(digest_of(given.strip(), digest.partition(":")[0]), digest)
    return right and scheme.lower() == "bearer"
