"""What docker-compose.yml, the Dockerfile and the Caddyfile name exists, and every process has its
limits. No Docker engine runs here."""

import re
import shlex
from typing import Any

import pytest
import yaml

from tests.architecture.source import ROOT
from tests.architecture.test_settings import example_text, exampled

COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE)["services"]


def test_every_variable_is_in_the_example() -> None:
    used = set(re.findall(r"\$\{([A-Z_]+)", COMPOSE + (ROOT / "Caddyfile").read_text()))
    used |= set(re.findall(r"\{\$([A-Z_]+)\}", (ROOT / "Caddyfile").read_text()))
    assert used - set(exampled(example_text())) == set()


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_process_is_bounded(name: str) -> None:
    service = SERVICES[name]
    assert service.get("pids_limit"), "It may start any number of processes."
    assert service.get("mem_limit") or name == "postgres", "It may take all memory."
    assert service["read_only"]
    assert "no-new-privileges:true" in service["security_opt"]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_logs_are_rotated(name: str) -> None:
    assert SERVICES[name]["logging"]["options"]["max-size"]


def test_nothing_starts_before_the_settings_were_accepted() -> None:
    """`migrate` refuses them once; a service would be restarted for ever."""
    assert SERVICES["migrate"]["restart"] == "no"
    assert shlex.split(SERVICES["migrate"]["command"][2])[-2:] == ["python", "wsgi.py"]
    for name, service in SERVICES.items():
        if service.get("image", "").startswith("recado") and name != "migrate":
            condition = service["depends_on"]["migrate"]["condition"]
            assert condition == "service_completed_successfully", name


def test_only_the_proxy_is_published_to_the_world() -> None:
    for name, service in SERVICES.items():
        for port in service.get("ports", []):
            assert name == "proxy" or port.startswith("127.0.0.1:"), (name, port)


def test_the_proxy_refuses_a_call_by_http() -> None:
    """A redirect would hide that a token went over the wire unencrypted. People are redirected."""
    caddyfile = (ROOT / "Caddyfile").read_text(encoding="utf-8")
    assert "auto_https disable_redirects" in caddyfile
    plain = caddyfile.partition("http://{$PROXY_DOMAIN} {")[2].partition("\n}")[0]
    assert [line.strip() for line in plain.strip().splitlines()] == [
        "@pages path / /docs /docs/*",
        "redir @pages https://{host}{uri} 308",
        'respond "Use https." 403',
    ]


def test_a_container_has_no_privilege_that_it_does_not_need() -> None:
    for name, service in SERVICES.items():
        if service.get("image", "").startswith(("recado", "caddy")):
            assert service["cap_drop"] == ["ALL"], name
        assert not service.get("privileged"), name
    assert "docker.sock" not in COMPOSE
    assert DOCKERFILE.rindex("\nUSER 10001:10001") > DOCKERFILE.rindex("\nRUN ")


def test_no_secret_has_a_default() -> None:
    assert re.findall(r"\$\{[A-Z_]*(?:PASSWORD|SECRET|KEYS|TOKEN)[A-Z_]*:?[-=]", COMPOSE) == []
    words = r"(?i)^(?:ENV|ARG)\b.*(?:password|secret|token)"
    assert re.findall(words, DOCKERFILE, re.MULTILINE) == []


def test_the_image_holds_what_it_starts_and_nothing_else() -> None:
    """No history, no tests, no simulator."""
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    names = {name for line in copied for name in line.split()}
    runs = {"gunicorn.conf.py", "wsgi.py", "app", "migrations", "alembic.ini"}
    assert names == runs | {"requirements.txt"}
    assert all((ROOT / name).exists() for name in names)
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[1] == "*"
    sent = {line[1:].partition("/")[0] for line in ignored if line.startswith("!")}
    assert sent == names
