"""The table of provider codes: complete, in plain words, with codes of our own."""

import re

import pytest

from app.channels.providers.twilio.errors import TABLE, describe, entry_for

EVERY_CODE_OF_THE_REFERENCE = """
20003 20249 20404 20429 20500 20503 21211 21408 21606 21212 21610 21611 21612 21614 21617 21658
21619 21655 21656 92007 92002 21910 30001 30002 30003 30005 30006 30007 30450 30008 30036 30500
35111 35117 35118 35125 35126 63001 63003 63005 63006 63007 63008 63009 63012 63010 63011 63023
63013 63015 63016 63018 63019 63020 63021 63022 63024 63025 63027 63028 63029 63030 63031 63032
63033 63038 63040 63041 63042 63049 63051 63062 63112
"""


@pytest.mark.parametrize("code", EVERY_CODE_OF_THE_REFERENCE.split())
def test_every_known_code_has_words(code: str) -> None:
    error = describe(int(code))
    assert int(code) in TABLE
    assert error.provider_code == code


@pytest.mark.parametrize("code", TABLE)
def test_words_are_sentences_that_a_person_can_act_on(code: int) -> None:
    entry = entry_for(code)
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", entry.code)
    for sentence in (entry.cause, entry.remedy):
        assert sentence[0].isupper()
        assert sentence.endswith(".")


def test_a_closed_window_is_told_apart() -> None:
    assert [code for code in TABLE if describe(code).closes_window] == [63016]


def test_a_code_that_we_do_not_know_is_still_passed_on() -> None:
    error = describe(12345)
    assert (error.code, error.provider_code) == ("provider_refused", "12345")


def test_no_code_at_all_has_words_too() -> None:
    assert describe(None).code == "delivery_failed"
    assert describe(None, 503).code == "provider_error"
    assert describe(None, 401).code == "credentials_rejected"
    assert describe(None, 429).code == "rate_limited"
