"""A service does not start with keys that cannot decrypt the secrets of its database."""

import base64
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from app import config
from app.common import vault
from app.config import Settings, SettingsError
from app.models import Tenant

ROOT = Path(__file__).resolve().parents[2]


def use_keys(monkeypatch: pytest.MonkeyPatch, **keys: bytes) -> None:
    changed = replace(config.current(), encryption_keys=keys)
    monkeypatch.setattr(config.InForce, "settings", changed)


@pytest.mark.usefixtures("tenant")
def test_the_keys_of_before_are_accepted(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.refuse_wrong_keys()
    use_keys(monkeypatch, k2=os.urandom(32), **settings.encryption_keys)
    vault.refuse_wrong_keys()


@pytest.mark.usefixtures("tenant")
@pytest.mark.parametrize(
    ("key_id", "word"), [("k1", "'k1' has another value"), ("k9", "lacks the key 'k1'")]
)
def test_other_keys_are_refused(key_id: str, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use_keys(monkeypatch, **{key_id: os.urandom(32)})
    with pytest.raises(SettingsError, match=word) as caught:
        vault.refuse_wrong_keys()
    assert "use another database" in caught.value.problems[0]


@pytest.mark.parametrize("module", ["wsgi", "app.tasks.worker"])
def test_a_process_with_other_keys_ends_with_one_sentence(
    tenant: Tenant, settings: Settings, module: str
) -> None:
    key = base64.b64encode(os.urandom(32)).decode()
    environment = {
        "PATH": os.environ["PATH"],
        "APP_ENV": "development",
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "SECRET_KEY": settings.secret_key,
        "ENCRYPTION_KEYS": f"k1:{key}",
    }
    done = subprocess.run(  # our own program
        [sys.executable, "-c", f"import {module}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert done.stderr.startswith("Recado cannot start:\n  - ENCRYPTION_KEYS cannot decrypt")
    assert "Traceback" not in done.stderr
