"""Who may use the fleet's page: names, roles, and passwords as Argon2id (RFC 9106), of which nobody can read them back.

STORE/users.json     readable by its owner alone
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from edgexai.errors import ConfigError, DataError
from edgexai.messaging.messages import name as checked

FILE = "users.json"
ROLES = ("viewer", "operator")
LEAST, MOST = 10, 1000
"""Characters of a password."""

_hasher = PasswordHasher()
_nobody = _hasher.hash(os.urandom(16).hex())


@dataclass(frozen=True)
class User:
    """``role`` is viewer (reads) or operator (decides, too)."""

    name: str
    role: str
    password: str

    def __repr__(self) -> str:
        return f"User({self.name!r}, {self.role!r})"  # a hash belongs into no log either


def users(store: Path) -> dict[str, User]:
    """Everybody by name; ConfigError on a file that is none."""
    path = store / FILE
    try:
        return {name: User(name, one["role"], one["password"]) for name, one in json.loads(path.read_text()).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path} is no list of users ({error}); remove it and add them again") from None


def add(store: Path, name: str, role: str, password: str) -> bool:
    """Add a user, or give him another role and password; whether he was new."""
    if role not in ROLES:
        raise ConfigError(f"a role is {' or '.join(ROLES)}, not {role!r}")
    if not LEAST <= len(password) <= MOST:
        raise DataError(f"a password has {LEAST} to {MOST} characters")
    known = users(store)
    is_new = checked(name, "user name") not in known
    _write(store, {**known, name: User(name, role, _hasher.hash(password))})
    return is_new


def remove(store: Path, name: str) -> None:
    """Take a user away; ConfigError if there is none of that name."""
    known = users(store)
    if known.pop(name, None) is None:
        raise ConfigError(f"there is no user {name!r} in {store}")
    _write(store, known)


def verified(store: Path, name: str, password: str) -> User | None:
    """The user whose password this is. Takes as long for names that are not known (some 50 ms of a processor)."""
    user = users(store).get(name)
    try:
        _hasher.verify(_nobody if user is None else user.password, password)
    except (VerificationError, InvalidHashError):
        return None
    return user


def _write(store: Path, known: dict[str, User]) -> None:
    path = store / FILE
    half = path.with_suffix(".new")
    handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump({u.name: {"role": u.role, "password": u.password} for u in known.values()}, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    half.replace(path)
