"""How a code block is checked without a running service, by its language."""

import json
import re
import subprocess
import textwrap
from collections.abc import Callable

from app import config
from app.common.schema import ErrorSchema
from app.config import SettingsError, load
from tests.architecture.source import ROOT
from tests.architecture.test_settings import OTHERS
from tests.docs import commands
from tests.docs.commands import Wrong
from tests.docs.pages import Block
from tests.test_config import GOOD

GAP = "…"
"""It stands for something that the reader has to fill in."""

SETTING = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)")
FOLDER = re.compile(r"(?:^| {2,})([a-z_]+/)(?= )", re.MULTILINE)
REQUEST = re.compile(r"(GET|POST|PUT|PATCH|DELETE) (/\S*)\n(.*)", re.DOTALL)
PLACE = re.compile(r"# (\S+\.py)(?:, in (\w+))?\n(.*)", re.DOTALL)


def check(block: Block) -> None:
    """Raises Wrong with the reason."""
    known = LANGUAGES.get(block.language)
    if known is None:
        raise Wrong(f"the language {block.language!r} is none of {', '.join(LANGUAGES)}")
    known(block.text)


def check_script(text: str) -> None:
    """The shell can read it, and the commands that are not run are right."""
    done = subprocess.run(["sh", "-n"], input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Wrong(done.stderr)
    for line in text.splitlines():
        if commands.is_not_run(line):
            commands.check(commands.words_of(line))


def request_of(text: str) -> tuple[str, str, str]:
    """Return method, path and body. Raises Wrong."""
    match = REQUEST.fullmatch(text)
    if match is None:
        raise Wrong("the first line has to be a method and a path")
    method, path, body = match.groups()
    return method, path, body.strip()


def check_request(text: str) -> None:
    body = request_of(text)[2]
    if body:
        check_json(body)


def check_json(text: str) -> None:
    """It is JSON; an error has the form of all errors."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise Wrong(f"this is no JSON: {error}") from error
    if found.get("success") is False and (problems := ErrorSchema().validate(found)):
        raise Wrong(f"this is no error of ours: {problems}")


def settings_of(text: str) -> dict[str, str]:
    """Return the settings of a block. Raises Wrong."""
    found = {}
    for line in text.splitlines():
        match = SETTING.fullmatch(line)
        if match is None:
            raise Wrong(f"this is no setting: {line}")
        found[match[1]] = match[2]
    return found


def check_settings(text: str) -> None:
    """Every setting exists, and a service accepts all of them."""
    settings = settings_of(text)
    known = {name for names in config.variables().values() for name in names} | OTHERS.keys()
    if unknown := settings.keys() - known:
        raise Wrong(f"nobody reads {', '.join(unknown)}")
    try:
        load({**GOOD, **{name: value for name, value in settings.items() if GAP not in value}})
    except SettingsError as error:
        raise Wrong(str(error)) from error


def check_text(text: str) -> None:
    """The folders in it exist."""
    if missing := [name for name in FOLDER.findall(text) if not (ROOT / name).is_dir()]:
        raise Wrong(f"there is no {', '.join(missing)}")


def place_of(text: str) -> tuple[str, str | None, str]:
    """Return the file into which the code of a guide belongs, the class or constant at whose end
    (None: the file's), and the code. Raises Wrong."""
    match = PLACE.fullmatch(text)
    if match is None:
        raise Wrong("the first line has to be a comment that names the file: `# app/….py`")
    path, name, code = match.groups()
    return path, name, code


def check_code(text: str) -> None:
    """It is Python that belongs into a file. tests/docs/live follows the guides."""
    _, name, code = place_of(text)
    if name is None:
        compile(textwrap.dedent(code), "the documentation", "exec")


LANGUAGES: dict[str, Callable[[str], None]] = {
    "sh": check_script,
    "http": check_request,
    "json": check_json,
    "ini": check_settings,
    "python": check_code,
    "text": check_text,
}
