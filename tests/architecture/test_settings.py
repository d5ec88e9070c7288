"""Every setting is documented, and everything documented is a setting."""

import re
from dataclasses import fields

import pytest

from app import config
from app.config import SettingsError, load
from tests.architecture.source import ROOT

OTHERS = {
    "POSTGRES_PASSWORD": "Compose: the superuser of its Postgres",
    "PROXY_DOMAIN": "Compose: the domain of its proxy",
    "RECADO_VERSION": "Compose: the tag of the image",
    "RECADO_CPUS": "Compose: cores of each container",
    "WEB_PORT": "make run: the port of the web service",
    "SIMULATOR_PORT": "make run: the port of the simulator",
    "POSTGRES_PORT": "make run: the port of the embedded Postgres",
    "REDIS_PORT": "make run: the port of the embedded Valkey",
    "WEB_CONCURRENCY": "gunicorn: processes",
    "RECADO_FAULTS": "proofs: named points where a process breaks",
    "NO_COLOR": "make run: a log without colours",
}
"""Variables that are not read by app/config.py."""

NOT_CONSTANT = {
    "DIRECT_URL": "DATABASE_URL",
    "TRUSTED_PROXIES": "0 in development, required in production",
    "ENCRYPTION_KEYS": "its example has gaps",
}
"""Settings whose default, or example, is not a value."""

PARSERS = {name: item for item in fields(config.Settings) for name in item.metadata["names"]}
"""Variable → the field of app/config.py that reads it."""

EXAMPLE = re.compile(r"^#? ?([A-Z][A-Z0-9_]+)=", re.MULTILINE)


def settings_variables() -> list[str]:
    return [name for names in config.variables().values() for name in names]


def exampled(text: str) -> list[str]:
    """Return the variables of an .env file, commented out or not, in order."""
    return EXAMPLE.findall(text)


def documented(text: str) -> list[str]:
    """Return the variables that the headings of a guide name, in order."""
    lines = [line for line in text.splitlines() if line.startswith("### ")]
    return [name for line in lines for name in re.findall(r"`([A-Z][A-Z0-9_]+)`", line)]


def values_in_guide(word: str) -> dict[str, str]:
    """Return variable → the value in the line `- <word>: `, where it is one."""
    sections = re.split(r"^### `", guide_text(), flags=re.MULTILINE)[1:]
    found = {
        each.partition("`")[0]: re.search(rf"^- {word}: `(.+?)`", each, re.M) for each in sections
    }
    return {
        name: match[1]
        for name, match in found.items()
        if match and name in PARSERS and name not in NOT_CONSTANT
    }


def example_text() -> str:
    return (ROOT / ".env.example").read_text(encoding="utf-8")


def guide_text() -> str:
    return (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")


def test_every_setting_is_in_the_guide() -> None:
    assert set(settings_variables()) - set(documented(guide_text())) == set()


def test_every_setting_is_in_the_example() -> None:
    aliases = {name for names in config.variables().values() for name in names[1:]}
    assert set(settings_variables()) - aliases - set(exampled(example_text())) == set()


def test_nothing_is_documented_that_nobody_reads() -> None:
    known = {*settings_variables(), *OTHERS}
    assert set(documented(guide_text())) - known == set()
    assert set(exampled(example_text())) - known == set()


def test_guide_and_example_have_the_same_order() -> None:
    in_example = exampled(example_text())
    in_guide = [name for name in documented(guide_text()) if name in in_example]
    assert in_guide == in_example


def test_the_defaults_in_the_guide_are_those_of_the_code() -> None:
    for name, text in values_in_guide("Default").items():
        assert PARSERS[name].metadata["parse"](text) == PARSERS[name].default, name


def test_the_defaults_in_the_example_are_those_of_the_code() -> None:
    pairs = re.findall(r"^# ([A-Z][A-Z0-9_]+)=(.+)$", example_text(), re.MULTILINE)
    for name, text in pairs:
        if name in PARSERS and name not in NOT_CONSTANT:
            assert PARSERS[name].metadata["parse"](text) == PARSERS[name].default, name
    assert len(pairs) > 20


def test_the_examples_in_the_guide_are_accepted() -> None:
    examples = values_in_guide("Example")
    assert len(examples) > 30
    for name, text in examples.items():
        PARSERS[name].metadata["parse"](text)


def test_no_variable_is_documented_twice() -> None:
    for names in (documented(guide_text()), exampled(example_text())):
        assert len(names) == len(set(names))


def test_an_undocumented_or_invented_setting_is_noticed() -> None:
    assert documented("### `A_NAME`, `AN_ALIAS`\n`NOT_THIS`") == ["A_NAME", "AN_ALIAS"]
    assert exampled("AA=1\n# BB=2\n#CC=3\n# a sentence = no\n") == ["AA", "BB", "CC"]


@pytest.mark.parametrize("variable", ["DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ENCRYPTION_KEYS"])
def test_what_the_guide_calls_required_is_required(variable: str) -> None:
    with pytest.raises(SettingsError, match=f"{variable} is not set"):
        load({"APP_ENV": "development"})


def test_the_example_starts_no_service_by_itself() -> None:
    """An unchanged copy must not start a service with published secrets."""
    pairs = dict(re.findall(r"^([A-Z][A-Z0-9_]+)=(.*)$", example_text(), re.MULTILINE))
    with pytest.raises(SettingsError):
        load(pairs)
