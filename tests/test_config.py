"""Settings: read from the environment, refused with every reason and remedy at once."""

import base64

import pytest
from sqlalchemy import make_url

from app.config import Environment, SettingsError, load

GOOD = {
    "APP_ENV": "production",
    "DATABASE_URL": "postgresql://recado:secret@db.example.com:5432/postgres",
    "REDIS_URL": "redis://:secret@redis.example.com:6379/0",
    "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGH",
    "ENCRYPTION_KEYS": "k1:" + base64.b64encode(bytes(range(32))).decode(),
    "PUBLIC_BASE_URL": "https://recado.example.com/",
    "TRUSTED_PROXIES": "1",
}


def refused(**changes: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load({**GOOD, **changes})
    return caught.value.problems


def test_a_sound_production_environment_starts() -> None:
    settings = load(GOOD)
    assert settings.app_env is Environment.PRODUCTION
    assert settings.public_base_url == "https://recado.example.com"
    assert settings.encryption_keys == {"k1": bytes(range(32))}


def test_production_is_the_default() -> None:
    without = {name: value for name, value in GOOD.items() if name != "APP_ENV"}
    assert load(without).is_production


def test_migrations_use_the_direct_url_else_the_database_url() -> None:
    assert load(GOOD).migration_url == GOOD["DATABASE_URL"]
    direct = "postgresql://recado:secret@direct.example.com:5432/postgres"
    assert load({**GOOD, "DIRECT_URL": direct}).migration_url == direct


def test_the_old_name_of_the_secret_key_is_accepted() -> None:
    renamed = {name: value for name, value in GOOD.items() if name != "SECRET_KEY"}
    renamed["FLASK_SECRET_KEY"] = "a key under its old name, long enough as well"
    assert load(renamed).secret_key == renamed["FLASK_SECRET_KEY"]


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ENCRYPTION_KEYS"])
def test_what_is_missing_is_named_with_its_remedy(name: str) -> None:
    (problem,) = refused(**{name: ""})
    assert problem.startswith(f"{name} is not set. Set it to ")


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("SECRET_KEY", "short", "too weak"),
        ("FLASK_DEBUG", "1", "unset it"),
        ("PUBLIC_BASE_URL", "http://recado.example.com", "https://"),
        ("PUBLIC_BASE_URL", "recado.example.com", "the public URL of the service"),
        ("ENCRYPTION_KEYS", "k1:c2hvcnQ=", "base64 of 32 bytes"),
        ("ENCRYPTION_KEYS", f"{GOOD['ENCRYPTION_KEYS']},{GOOD['ENCRYPTION_KEYS']}", "twice"),
        ("APP_ENV", "staging", "one of development, test, production"),
        ("MAX_BODY_BYTES", "1MB", "whole number"),
        ("MAX_BODY_BYTES", "0", "1 or more"),
        ("DATABASE_URL", "mysql://recado@db/recado", "begin with postgresql://"),
        ("DATABASE_URL", "postgresql:///recado", "names no host"),
        ("DATABASE_URL", "postgresql://recado:a/b@db:5432/recado", "%2F for /"),
        ("DIRECT_URL", "db.example.com", "begin with postgresql://"),
        ("REDIS_URL", "foo", "begin with redis://"),
        ("REDIS_URL", "redis://redis:port/0", "port must be a number"),
        ("LOG_LEVEL", "verbose", "one of DEBUG, INFO, WARNING, ERROR"),
        ("LOG_FORMAT", "xml", "one of json, text"),
        ("LOGIN_RATE_LIMIT", "lots", "such as '10 per minute'"),
        ("TENANT_RATE_LIMIT", "10 per fortnight", "such as '10 per minute'"),
        ("OPENAI_BASE_URL", "api.openai.com", "https://"),
        ("TWILIO_API_BASE_URL", "http://twilio.example.com", "must begin with https://"),
        ("ENCRYPTION_KEYS", f"k1:{base64.b64encode(bytes(32)).decode()}", "not random: k1"),
        ("SECRET_KEY", "a" * 64, "too weak"),
        ("SECRET_KEY", "please-change-me-0123456789-abcdefgh", "too weak"),
        ("SECRET_KEY_PREVIOUS", "short", "too weak"),
        ("ACCESS_TOKEN_SECONDS", "315360000", "86400 or fewer"),
        ("REFRESH_TOKEN_SECONDS", "315360000", "7776000 or fewer"),
        ("TRUSTED_PROXIES", "", "number of proxies"),
    ],
)
def test_production_refuses_what_is_unsafe_or_malformed(name: str, value: str, word: str) -> None:
    (problem,) = refused(**{name: value})
    assert problem.startswith(name)
    assert word in problem


ENCRYPTED = {
    "REQUIRE_TLS": "1",
    "DATABASE_URL": "postgresql://recado:secret@db.example.com/postgres?sslmode=verify-full",
    "REDIS_URL": "rediss://:secret@redis.example.com:6379/0?ssl_ca_certs=authority.pem",
}


def test_encrypted_connections_are_accepted_where_they_are_demanded() -> None:
    assert load({**GOOD, **ENCRYPTED}).require_tls


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", GOOD["DATABASE_URL"]),
        ("DATABASE_URL", "postgresql://recado:secret@db.example.com/postgres?sslmode=require"),
        ("DATABASE_URL", "postgresql://recado:secret@db.example.com/postgres?sslmode=verify-ca"),
        ("DIRECT_URL", GOOD["DATABASE_URL"]),
        ("REDIS_URL", GOOD["REDIS_URL"]),
        ("REDIS_URL", "unix:///run/redis.sock"),
        ("REDIS_URL", "rediss://redis.example.com:6379/0?ssl_cert_reqs=none"),
        ("REDIS_URL", "rediss://redis.example.com:6379/0?ssl_cert_reqs=optional"),
        ("REDIS_URL", "rediss://redis.example.com:6379/0?ssl_check_hostname=false"),
    ],
)
def test_unencrypted_or_unverified_connections_are_refused_where_tls_is_demanded(
    name: str, value: str
) -> None:
    (problem,) = refused(**{**ENCRYPTED, name: value})
    assert problem.startswith(name)
    assert "REQUIRE_TLS" in problem


def test_a_password_of_its_own_may_hold_any_character() -> None:
    settings = load(
        {
            **GOOD,
            "DATABASE_URL": "postgresql://recado@db:5432/postgres",
            "DATABASE_PASSWORD": "a@b/c:d e%",
            "REDIS_URL": "redis://redis:6379/0",
            "REDIS_PASSWORD": "p@ss/word",
        }
    )
    assert settings.database_url == "postgresql://recado:a%40b%2Fc%3Ad%20e%25@db:5432/postgres"
    assert make_url(settings.database_url).password == "a@b/c:d e%"
    assert settings.redis_url == "redis://:p%40ss%2Fword@redis:6379/0"
    assert load({**GOOD, "DATABASE_PASSWORD": "other"}).database_url == GOOD["DATABASE_URL"]


def test_an_error_does_not_repeat_a_password() -> None:
    for name in ("DATABASE_URL", "REDIS_URL"):
        for value in ("mysql://u:hunter2@db/x", "postgresql://u:hunter2/@db:x/y", "redis:hunter2"):
            assert "hunter2" not in str(refused(**{name: value}))


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [("LOG_LEVEL", "debug", "DEBUG"), ("LOG_FORMAT", "TEXT", "text")],
)
def test_words_are_read_in_any_case(name: str, value: str, read: str) -> None:
    assert getattr(load({**GOOD, name: value}), name.lower()) == read


def test_all_problems_are_named_at_once() -> None:
    problems = refused(SECRET_KEY="", FLASK_DEBUG="true", MAX_BODY_BYTES="many")
    assert {problem.split(" ")[0].rstrip(":") for problem in problems} == {
        "SECRET_KEY",
        "FLASK_DEBUG",
        "MAX_BODY_BYTES",
    }


def test_development_may_use_http() -> None:
    settings = load({**GOOD, "APP_ENV": "development", "PUBLIC_BASE_URL": "http://127.0.0.1:8000"})
    assert settings.public_base_url == "http://127.0.0.1:8000"


def test_a_lease_must_leave_time_for_the_call_and_its_recording() -> None:
    (problem,) = refused(PROVIDER_TIMEOUT_SECONDS="20")
    assert problem.startswith("CLAIM_LEASE_SECONDS must be at least three times")
    times = {"PROVIDER_TIMEOUT_SECONDS": "20", "CLAIM_LEASE_SECONDS": "60"}
    assert load({**GOOD, **times}).claim_lease_seconds == 60


def test_a_doubt_may_last_until_the_list_can_have_been_read_twice() -> None:
    (problem,) = refused(UNCERTAIN_MAX_SECONDS="49")
    assert problem.startswith("UNCERTAIN_MAX_SECONDS must be at least SETTLE_AFTER_SECONDS")
    assert load({**GOOD, "UNCERTAIN_MAX_SECONDS": "50"}).uncertain_max_seconds == 50
