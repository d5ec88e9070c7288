"""Follows a page: runs its commands and sends its requests, in the order of the page."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import requests

from tests.architecture.source import ROOT
from tests.docs import commands, languages
from tests.docs.pages import Block


class Failed(Exception):
    """What the page says does not work."""


@dataclass
class Reader:
    """One person who follows one page. What a block sets, the next ones find.

    `knows` is what this person puts in the place of a text of the page: an address, a password.
    `types` is what this person types when a block that holds the key asks for something.
    """

    folder: Path
    environ: dict[str, str]
    service: requests.Session = field(default_factory=requests.Session)
    knows: Mapping[str, str] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Without it, curl counts an error as a success.
        (self.folder / ".curlrc").write_text("fail-with-body\nshow-error\n", encoding="utf-8")
        self.environ = {**self.environ, "CURL_HOME": str(self.folder)}

    def follow(self, block: Block) -> None:
        """Raises Failed, naming the block, with what was answered."""
        text = block.text
        for words, mine in self.knows.items():
            text = text.replace(words, mine)
        try:
            if block.language == "sh":
                self._run(text)
            if block.language == "http":
                self._send(text)
            if block.language == "ini":
                self.environ |= languages.settings_of(text)
        except Failed as error:
            raise Failed(f"{block}: {error}\n\n{text}") from error

    def _run(self, text: str) -> None:
        """Run a script as `sh -eu` does, and keep its variables."""
        script = "".join(
            line for line in text.splitlines(keepends=True) if not commands.is_not_run(line)
        )
        self._refuse_open(script)
        kept = self.folder / "variables"
        done = subprocess.run(
            ["sh", "-eu", "-c", f"set -a\n{script}\nenv -0 > {kept}"],
            input="".join(answer for asked, answer in self.types.items() if asked in script),
            env=self.environ,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            # Without a terminal, passwords are read from the input.
            start_new_session=True,
            timeout=60,
        )
        if done.returncode:
            raise Failed(f"exit code {done.returncode}\n{done.stdout}{done.stderr}")
        pairs = kept.read_text(encoding="utf-8").split("\0")
        self.environ = dict(pair.split("=", 1) for pair in pairs if pair)

    def _send(self, text: str) -> None:
        """Send a request as the business; requests to /control/ go to the simulator."""
        self._refuse_open(text)
        method, path, body = languages.request_of(text)
        is_control = path.startswith("/control/")
        base = os.environ["SIMULATOR_URL" if is_control else "PUBLIC_BASE_URL"]
        answer = self.service.request(
            method, f"{base}{path}", json=json.loads(body) if body else None, timeout=30
        )
        if not answer.ok:
            raise Failed(f"{answer.status_code} {answer.text}")

    def _refuse_open(self, text: str) -> None:
        if languages.GAP in text:
            raise Failed(f"the test does not know what to put in the place of {languages.GAP}")
