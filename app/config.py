"""One typed settings object, read once from the environment (and `.env`)."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from dotenv import dotenv_values

from app.config_parsers import (
    days,
    flag,
    key_ring,
    names,
    one_of,
    origins,
    positive_number,
    postgres_url,
    public_url,
    rate,
    redis_url,
    web_url,
    whole_number,
    with_password,
)

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
LOG_FORMATS = ("json", "text")

DEMO_SECRETS = frozenset({"", "change-me", "changeme", "secret", "development", "recado"})
"""Words found in examples; production refuses them as a SECRET_KEY."""

PLACEHOLDERS = ("change-me", "changeme", "change_me", "placeholder", "your-secret", "example")
MOST_EQUAL = 8
"""A random secret has at least so many different characters, or bytes."""

SHORTEST_METRICS_TOKEN = 16
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


def environment(text: str) -> Environment:
    if text not in set(Environment):
        raise ValueError(f"this must be one of {', '.join(Environment)}, not {text!r}.")
    return Environment(text)


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
    require_tls: bool = env("REQUIRE_TLS", False, parse=flag)
    cors_origins: tuple[str, ...] = env("CORS_ORIGINS", (), parse=origins)
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
    openai_api_key: str = env("OPENAI_API_KEY", "")
    openai_base_url: str = env("OPENAI_BASE_URL", "https://api.openai.com/v1", parse=web_url)
    model_timeout_seconds: int = env("MODEL_TIMEOUT_SECONDS", 30, parse=positive_number)
    turn_seconds: int = env("TURN_SECONDS", 45, parse=positive_number)
    provider_timeout_seconds: int = env("PROVIDER_TIMEOUT_SECONDS", 15, parse=positive_number)
    claim_lease_seconds: int = env("CLAIM_LEASE_SECONDS", 45, parse=whole_number)
    settle_after_seconds: int = env("SETTLE_AFTER_SECONDS", 20, parse=whole_number)
    settle_again_seconds: int = env("SETTLE_AGAIN_SECONDS", 15, parse=whole_number)
    message_validity_hours: int = env("MESSAGE_VALIDITY_HOURS", 168, parse=positive_number)
    uncertain_max_seconds: int = env("UNCERTAIN_MAX_SECONDS", 900, parse=whole_number)
    message_retention_days: int = env("MESSAGE_RETENTION_DAYS", 730, parse=days)
    event_retention_days: int = env("EVENT_RETENTION_DAYS", 90, parse=days)
    audit_retention_days: int = env("AUDIT_RETENTION_DAYS", 730, parse=days)
    turn_retention_days: int = env("TURN_RETENTION_DAYS", 90, parse=positive_number)
    inbox_retention_days: int = env("INBOX_RETENTION_DAYS", 30, parse=positive_number)
    bot_replies_per_hour: int = env("BOT_REPLIES_PER_HOUR", 60, parse=positive_number)
    bot_tokens_per_day: int = env("BOT_TOKENS_PER_DAY", 50_000_000, parse=positive_number)
    bot_dollars_per_day: int = env("BOT_DOLLARS_PER_DAY", 20, parse=positive_number)
    bot_contact_tokens_per_day: int = env(
        "BOT_CONTACT_TOKENS_PER_DAY", 1_000_000, parse=positive_number
    )
    human_idle_hours: int = env("HUMAN_IDLE_HOURS", 24, parse=positive_number)
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
    if settings.require_tls:
        found += _unencrypted(settings)
    if settings.is_production:
        found += _unsafe_in_production(settings)
    return found


def _unencrypted(settings: Settings) -> list[str]:
    """Return the connections that REQUIRE_TLS refuses: without TLS, or to an unverified server."""
    found = []
    for name, url in (("DATABASE_URL", settings.database_url), ("DIRECT_URL", settings.direct_url)):
        if url and dict(parse_qsl(urlsplit(url).query)).get("sslmode") != "verify-full":
            found.append(
                f"{name} must end with ?sslmode=verify-full while REQUIRE_TLS is set; add "
                "&sslrootcert=FILE for the certificate of an authority of your own."
            )
    redis = urlsplit(settings.redis_url)
    options = parse_qs(redis.query)
    if (
        redis.scheme != "rediss"
        or options.get("ssl_cert_reqs", ["required"]) != ["required"]
        or "ssl_check_hostname" in options
    ):
        found.append(
            "REDIS_URL must begin with rediss:// while REQUIRE_TLS is set, and must not switch "
            "ssl_cert_reqs or ssl_check_hostname off: leave both out."
        )
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
