"""One typed settings object, read once from the environment (and `.env`)."""

import base64
import binascii
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any
from urllib.parse import quote, urlsplit

import limits
from dotenv import dotenv_values

POSTGRES_SCHEMES = ("postgresql", "postgres", "postgresql+psycopg2")
REDIS_SCHEMES = ("redis", "rediss", "unix")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
LOG_FORMATS = ("json", "text")

DEMO_SECRETS = frozenset({"", "change-me", "changeme", "secret", "development", "recado"})
"""Words found in examples; production refuses them as a SECRET_KEY."""

PLACEHOLDERS = ("change-me", "changeme", "change_me", "placeholder", "your-secret", "example")
MOST_EQUAL = 8
"""A random secret has at least so many different characters, or bytes."""

SHORTEST_METRICS_TOKEN = 16
LONGEST_KEPT_DAYS = 36_500
LONGEST_ACCESS_TOKEN = 86_400
LONGEST_REFRESH_TOKEN = 90 * 86_400
"""Seconds that production allows: somebody who steals a token has it for as long."""


class Environment(StrEnum):
    DEVELOPMENT = "development"
    TEST = "test"
    PRODUCTION = "production"


class SettingsError(Exception):
    """The environment does not describe a service that may start. Says what is wrong and how to fix
    it."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("Recado cannot start:\n" + "\n".join(f"  - {line}" for line in problems))
        self.problems = problems


def whole_number(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"this must be a whole number, not {text!r}.")
    return int(text)


def positive_number(text: str) -> int:
    number = whole_number(text)
    if number == 0:
        raise ValueError("must be 1 or more.")
    return number


def days(text: str) -> int:
    number = whole_number(text)
    if number > LONGEST_KEPT_DAYS:
        raise ValueError(f"at most {LONGEST_KEPT_DAYS} days; 0 keeps forever.")
    return number


def flag(text: str) -> bool:
    return text.lower() not in {"0", "false", "no", "off"}


def one_of(*words: str) -> Callable[[str], str]:
    """Return a parser that accepts these words in any case."""

    def parse(text: str) -> str:
        for word in words:
            if text.lower() == word.lower():
                return word
        raise ValueError(f"this must be one of {', '.join(words)}, not {text!r}.")

    return parse


def rate(text: str) -> str:
    """Check a rate limit such as `10 per minute`."""
    try:
        limits.parse_many(text)
    except ValueError as error:
        raise ValueError(f"this must be a rate such as '10 per minute', not {text!r}.") from error
    return text


def server_url(what: str, *schemes: str) -> Callable[[str], str]:
    """Return a parser of the URL of a server. Its errors do not repeat the URL's password."""

    def parse(text: str) -> str:
        scheme, separator, _ = text.partition("://")
        if not separator or scheme not in schemes:
            raise ValueError(f"this must be the URL of {what} and begin with {schemes[0]}://.")
        try:
            parts = urlsplit(text)
            _ = parts.port
        except ValueError as error:
            raise ValueError(
                "this is not a valid URL: the port must be a number, and a password with special "
                "characters must be percent-encoded (%40 for @, %2F for /)."
            ) from error
        if not parts.hostname and scheme != "unix":
            raise ValueError(f"this names no host: {schemes[0]}://user:password@host:port/…")
        return text

    return parse


def with_password(url: str, password: str) -> str:
    """Return the URL with this password, unless it has one. The password may hold any character."""
    parts = urlsplit(url)
    if parts.password is not None:
        return url
    user, _, server = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user}:{quote(password, safe='')}@{server}").geturl()


def web_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"this must be a URL that begins with https://, not {text!r}.")
    return text.rstrip("/")


def environment(text: str) -> Environment:
    if text not in set(Environment):
        raise ValueError(f"this must be one of {', '.join(Environment)}, not {text!r}.")
    return Environment(text)


def names(text: str) -> tuple[str, ...]:
    """Parse `a, b` to ("a", "b")."""
    return tuple(filter(None, (piece.strip() for piece in text.split(","))))


def public_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(
            "this must be the public URL of the service, e.g. https://recado.example.com."
        )
    return text.rstrip("/")


def key_ring(text: str) -> dict[str, bytes]:
    """Parse `id:base64,id:base64` to key id → 32 bytes, the primary key first."""
    ring: dict[str, bytes] = {}
    for entry in names(text):
        key_id, _, encoded = entry.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            raise ValueError(f"the key {key_id!r} is not base64.") from error
        if not 1 <= len(key_id) <= 32 or len(key) != 32:
            raise ValueError("each entry must be id:<base64 of 32 bytes>, separated by commas.")
        if key_id in ring:
            raise ValueError(f"the key id {key_id!r} appears twice.")
        ring[key_id] = key
    return ring


postgres_url = server_url("a Postgres", *POSTGRES_SCHEMES)
redis_url = server_url("a Redis", *REDIS_SCHEMES)


def env(name: str, default: Any, *aliases: str, parse: Callable[[str], Any] = str) -> Any:
    """A settings field that is read from the variable `name`, or from one of the aliases."""
    return field(default=default, metadata={"names": (name, *aliases), "parse": parse})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The operator's settings. `docs/configuration.md` explains each variable."""

    app_env: Environment = env("APP_ENV", Environment.PRODUCTION, parse=environment)
    debug: bool = env("FLASK_DEBUG", False, parse=flag)
    database_url: str = env("DATABASE_URL", "", parse=postgres_url)
    database_password: str = env("DATABASE_PASSWORD", "")
    direct_url: str = env("DIRECT_URL", "", parse=postgres_url)
    direct_password: str = env("DIRECT_PASSWORD", "")
    database_pool_size: int = env("DATABASE_POOL_SIZE", 10, parse=positive_number)
    redis_url: str = env("REDIS_URL", "", parse=redis_url)
    redis_password: str = env("REDIS_PASSWORD", "")
    secret_key: str = env("SECRET_KEY", "", "FLASK_SECRET_KEY")
    secret_key_previous: str = env("SECRET_KEY_PREVIOUS", "")
    encryption_keys: Mapping[str, bytes] = env("ENCRYPTION_KEYS", None, parse=key_ring)
    public_base_url: str = env("PUBLIC_BASE_URL", "http://127.0.0.1:8000", parse=public_url)
    trusted_proxies: int | None = env("TRUSTED_PROXIES", None, parse=whole_number)
    allowed_private_hosts: tuple[str, ...] = env("ALLOWED_PRIVATE_HOSTS", (), parse=names)
    access_token_seconds: int = env("ACCESS_TOKEN_SECONDS", 900, parse=positive_number)
    refresh_token_seconds: int = env("REFRESH_TOKEN_SECONDS", 2_592_000, parse=positive_number)
    sign_in_max_seconds: int = env("SIGN_IN_MAX_SECONDS", 7_776_000, parse=positive_number)
    platform_second_factor: bool = env("PLATFORM_SECOND_FACTOR", False, parse=flag)
    refresh_grace_seconds: int = env("REFRESH_GRACE_SECONDS", 10, parse=whole_number)
    login_rate_limit: str = env("LOGIN_RATE_LIMIT", "10 per minute", parse=rate)
    login_address_rate_limit: str = env("LOGIN_ADDRESS_RATE_LIMIT", "60 per minute", parse=rate)
    anonymous_rate_limit: str = env("ANONYMOUS_RATE_LIMIT", "300 per minute", parse=rate)
    tenant_rate_limit: str = env("TENANT_RATE_LIMIT", "30000 per minute", parse=rate)
    web_threads: int = env("WEB_THREADS", 32, parse=positive_number)
    max_body_bytes: int = env("MAX_BODY_BYTES", 1_048_576, parse=positive_number)
    twilio_account_sid: str = env("TWILIO_ACCOUNT_SID", "")
    twilio_auth_token: str = env("TWILIO_AUTH_TOKEN", "")
    twilio_whatsapp_from: str = env("TWILIO_WHATSAPP_FROM", "")
    twilio_api_base_url: str = env("TWILIO_API_BASE_URL", "", parse=web_url)
    meta_graph_base_url: str = env(
        "META_GRAPH_BASE_URL", "https://graph.facebook.com", parse=web_url
    )
    openai_base_url: str = env("OPENAI_BASE_URL", "https://api.openai.com/v1", parse=web_url)
    provider_timeout_seconds: int = env("PROVIDER_TIMEOUT_SECONDS", 15, parse=positive_number)
    claim_lease_seconds: int = env("CLAIM_LEASE_SECONDS", 45, parse=whole_number)
    settle_after_seconds: int = env("SETTLE_AFTER_SECONDS", 20, parse=whole_number)
    settle_again_seconds: int = env("SETTLE_AGAIN_SECONDS", 15, parse=whole_number)
    message_validity_hours: int = env("MESSAGE_VALIDITY_HOURS", 168, parse=positive_number)
    uncertain_max_seconds: int = env("UNCERTAIN_MAX_SECONDS", 900, parse=whole_number)
    message_retention_days: int = env("MESSAGE_RETENTION_DAYS", 730, parse=days)
    event_retention_days: int = env("EVENT_RETENTION_DAYS", 90, parse=days)
    audit_retention_days: int = env("AUDIT_RETENTION_DAYS", 730, parse=days)
    inbox_retention_days: int = env("INBOX_RETENTION_DAYS", 30, parse=positive_number)
    auto_replies_per_hour: int = env("AUTO_REPLIES_PER_HOUR", 6, parse=positive_number)
    inbox_lanes: int = env("INBOX_LANES", 1, parse=positive_number)
    metrics_token: str = env("METRICS_TOKEN", "")
    metrics_folder: str = env("PROMETHEUS_MULTIPROC_DIR", "")
    worker_metrics_port: int = env("WORKER_METRICS_PORT", 0, parse=whole_number)
    log_level: str = env("LOG_LEVEL", "INFO", parse=one_of(*LOG_LEVELS))
    log_format: str = env("LOG_FORMAT", "json", parse=one_of(*LOG_FORMATS))

    @property
    def is_production(self) -> bool:
        return self.app_env is Environment.PRODUCTION

    @property
    def migration_url(self) -> str:
        return self.direct_url or self.database_url


def variables() -> dict[str, tuple[str, ...]]:
    """Return settings field → the environment variables that set it, the preferred one first."""
    return {item.name: item.metadata["names"] for item in fields(Settings)}


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings; the process environment takes precedence over `.env`.

    Raises SettingsError naming every problem at once.
    """
    if environ is None:
        from_file = {key: value for key, value in dotenv_values().items() if value is not None}
        environ = {**from_file, **os.environ}
    values: dict[str, Any] = {}
    malformed: dict[str, str] = {}
    for item in fields(Settings):
        name, text = _find(environ, item.metadata["names"])
        if text:
            try:
                values[item.name] = item.metadata["parse"](text)
            except ValueError as error:
                malformed[name] = f"{name}: {error}"
    for name in ("database", "direct", "redis"):
        url, password = values.get(f"{name}_url"), values.get(f"{name}_password")
        if url and password:
            values[f"{name}_url"] = with_password(url, password)
    settings = Settings(**values)
    others = [each for each in problems(settings) if each.split(" ")[0] not in malformed]
    if malformed or others:
        raise SettingsError([*malformed.values(), *others])
    return settings


def _find(environ: Mapping[str, str], candidates: tuple[str, ...]) -> tuple[str, str]:
    """Return the first candidate that is set, with its text; ("…", "") when none is."""
    for name in candidates:
        if text := environ.get(name, "").strip():
            return name, text
    return candidates[0], ""


def problems(settings: Settings) -> list[str]:
    """Return every reason why a service with these settings must not start, each with its
    remedy."""
    found = _missing(settings)
    if settings.claim_lease_seconds < 3 * settings.provider_timeout_seconds:
        found.append(
            "CLAIM_LEASE_SECONDS must be at least three times PROVIDER_TIMEOUT_SECONDS: a third "
            "of it may pass before the call, one during the call, one while it is recorded."
        )
    if settings.uncertain_max_seconds < settings.settle_after_seconds + (
        2 * settings.settle_again_seconds
    ):
        found.append(
            "UNCERTAIN_MAX_SECONDS must be at least SETTLE_AFTER_SECONDS and twice "
            "SETTLE_AGAIN_SECONDS: before, the provider's list could not have been read twice."
        )
    if settings.is_production:
        found += _unsafe_in_production(settings)
    return found


def _missing(settings: Settings) -> list[str]:
    needed = {
        "database_url": "a Postgres URL, e.g. postgresql://user:password@host:5432/postgres",
        "redis_url": "a Redis URL, e.g. redis://:password@host:6379/0",
        "secret_key": "32 or more random characters: python -c 'import secrets; "
        "print(secrets.token_urlsafe(48))'",
        "encryption_keys": "id:key pairs: python -c 'import base64,os; "
        'print("k1:"+base64.b64encode(os.urandom(32)).decode())\'',
    }
    return [
        f"{variables()[name][0]} is not set. Set it to {remedy}."
        for name, remedy in needed.items()
        if not getattr(settings, name)
    ]


def _unsafe_in_production(settings: Settings) -> list[str]:
    found = []
    for name in ("secret_key", "secret_key_previous"):
        secret = getattr(settings, name)
        if secret and is_weak(secret, 32):
            variable = variables()[name][0]
            found.append(
                f"{variable} is too weak for production: use 32 or more random characters."
            )
    for key_id, key in settings.encryption_keys.items() if settings.encryption_keys else ():
        if len(set(key)) < MOST_EQUAL:
            found.append(
                f"ENCRYPTION_KEYS has a key that is not random: {key_id}. Make one with python -c "
                "'import base64,os; print(\"k1:\"+base64.b64encode(os.urandom(32)).decode())'."
            )
    if settings.trusted_proxies is None:
        found.append(
            "TRUSTED_PROXIES is not set. Set it to the number of proxies in front of the service, "
            "or to 0: the limits of sign-ins need the caller's real address."
        )
    found += _too_long_or_plain(settings)
    if settings.metrics_token and len(settings.metrics_token) < SHORTEST_METRICS_TOKEN:
        found.append("METRICS_TOKEN is too weak for production: use 16 or more random characters.")
    if settings.debug:
        found.append("FLASK_DEBUG is on. In debug mode strangers can run code: unset it.")
    if urlsplit(settings.public_base_url).scheme != "https":
        found.append(
            "PUBLIC_BASE_URL must start with https:// in production; webhook signatures and "
            "sign-ins travel over it. Put a TLS proxy in front and set its address."
        )
    return found


def is_weak(secret: str, shortest: int) -> bool:
    """Return whether a secret is short, repeats itself, or is a placeholder from an example."""
    lower = secret.lower()
    return (
        len(secret) < shortest
        or len(set(secret)) < MOST_EQUAL
        or lower in DEMO_SECRETS
        or any(word in lower for word in PLACEHOLDERS)
    )


def _too_long_or_plain(settings: Settings) -> list[str]:
    """Return problems of token lifetimes, and of providers that are reached without TLS."""
    found = [
        f"{name} is too long for production: use {most} or fewer."
        for name, seconds, most in (
            ("ACCESS_TOKEN_SECONDS", settings.access_token_seconds, LONGEST_ACCESS_TOKEN),
            ("REFRESH_TOKEN_SECONDS", settings.refresh_token_seconds, LONGEST_REFRESH_TOKEN),
        )
        if seconds > most
    ]
    found += [
        f"{name} must begin with https:// in production: credentials are sent to it."
        for name, url in (
            ("TWILIO_API_BASE_URL", settings.twilio_api_base_url),
            ("META_GRAPH_BASE_URL", settings.meta_graph_base_url),
            ("OPENAI_BASE_URL", settings.openai_base_url),
        )
        if urlsplit(url).scheme == "http"
    ]
    return found


class InForce:
    settings: Settings | None = None


def use(settings: Settings) -> None:
    """Make these the settings of this process."""
    InForce.settings = settings


def current() -> Settings:
    """Return the settings of this process, read from the environment at the first call."""
    if InForce.settings is None:
        InForce.settings = load()
    return InForce.settings
