"""Fault points: inactive unless named, and never in production."""

import pytest
from flask import Flask

from app.common.faultpoint import VARIABLE, InjectedFault, faultpoint
from app.config import Environment
from tests.world import settings_changed


@pytest.fixture(autouse=True)
def asked(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "claim_after_commit=error,send_after_commit=error:0")


def test_the_named_point_breaks_and_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InjectedFault):
        faultpoint("claim_after_commit")
    assert capfd.readouterr().err == "fault point claim_after_commit: error\n"


@pytest.mark.parametrize("name", ["send_after_commit", "record_after_commit"])
def test_others_do_nothing(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    faultpoint(name)
    assert capfd.readouterr().err == ""


def test_production_has_none() -> None:
    with settings_changed(app_env=Environment.PRODUCTION):
        faultpoint("claim_after_commit")
