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


def test_the_image_holds_what_it_starts() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE)
    names = {name for line in copied for name in line.split()}
    assert {"gunicorn.conf.py", "wsgi.py", "app", "migrations", "alembic.ini"} <= names
    assert all((ROOT / name).exists() for name in names)
