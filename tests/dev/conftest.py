"""Folders for real servers."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.binaries import temporary_folder


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that the servers' account can reach, unlike pytest's own `tmp_path`."""
    folder = temporary_folder("dev-test")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
