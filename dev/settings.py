"""The developer's settings of the stack, from the environment and `.env`."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

from dev import ports
from dev.errors import DevError

PROJECT = Path(__file__).resolve().parents[1]
DEFAULT_DATA_DIR = PROJECT / ".recado"


@dataclass(frozen=True)
class StackSettings:
    """Port 0 means any free one. `environ` is what the processes inherit, before our own
    variables."""

    data_dir: Path
    environ: Mapping[str, str]
    web_port: int
    simulator_port: int
    postgres_port: int = 0
    redis_port: int = 0

    @property
    def starts_postgres(self) -> bool:
        return not self.environ.get("DATABASE_URL")

    @property
    def starts_valkey(self) -> bool:
        return not self.environ.get("REDIS_URL")

    @property
    def web_url(self) -> str:
        return f"http://{ports.HOST}:{self.web_port}"

    @property
    def public_base_url(self) -> str:
        """The address that the service gives to providers."""
        return self.environ.get("PUBLIC_BASE_URL") or self.web_url

    @property
    def simulator_url(self) -> str:
        return f"http://{ports.HOST}:{self.simulator_port}"

    @property
    def real_provider(self) -> str | None:
        """The address of the provider if it is not the simulator."""
        chosen = self.environ.get("TWILIO_API_BASE_URL", "").rstrip("/")
        return chosen if chosen not in {"", self.simulator_url} else None


def from_environment(
    environ: Mapping[str, str] | None = None, env_file: Path = PROJECT / ".env"
) -> StackSettings:
    """Return the settings of `make run`. The process environment takes precedence over `.env`.

    Raises DevError if a port is not a port number.
    """
    from_file = {name: value for name, value in dotenv_values(env_file).items() if value}
    merged = {**from_file, **(os.environ if environ is None else environ)}
    return StackSettings(
        data_dir=DEFAULT_DATA_DIR,
        environ=merged,
        web_port=_port(merged, "WEB_PORT", 8000),
        simulator_port=_port(merged, "SIMULATOR_PORT", 8001),
        postgres_port=_port(merged, "POSTGRES_PORT", 0),
        redis_port=_port(merged, "REDIS_PORT", 0),
    )


def temporary(data_dir: Path) -> StackSettings:
    """Return the settings of a stack that shares nothing with the developer's: free ports, no
    outside settings."""
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH")
    return StackSettings(
        data_dir=data_dir,
        environ={name: os.environ[name] for name in kept if name in os.environ},
        web_port=ports.free_port(),
        simulator_port=ports.free_port(),
    )


def refuse_taken_ports(settings: StackSettings) -> None:
    """Raise DevError, naming port and variable, if a port that the stack needs is in use."""
    if settings.web_port == settings.simulator_port:
        raise DevError(
            f"WEB_PORT and SIMULATOR_PORT are both {settings.web_port}: choose two different ports."
        )
    for name, port in (
        ("WEB_PORT", settings.web_port),
        ("SIMULATOR_PORT", settings.simulator_port),
        ("POSTGRES_PORT", settings.postgres_port if settings.starts_postgres else 0),
        ("REDIS_PORT", settings.redis_port if settings.starts_valkey else 0),
    ):
        if port and not ports.is_free(port):
            raise DevError(
                f"Port {port} is already in use on {ports.HOST}: stop the program that holds it, "
                f"or choose another port, e.g. {name}={port + 10} make run."
            )


def _port(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name, "").strip()
    if not text:
        return default
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise DevError(f"{name} must be a port from 1 to 65535, not {text!r}.")
    return int(text)
