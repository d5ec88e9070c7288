"""What a bot's model is told of the customer."""

import json
from typing import Any

import pytest
from sqlalchemy import text

from app import db
from app.bots.prompt import LONGEST_NAME, MOST_ATTRIBUTES
from tests.bots.studio import Studio, saying

BEGIN, END = "<customer>", "</customer>"


def know(studio: Studio, **fields: Any) -> None:
    """Change what the business knows of the customer."""
    values: dict[str, Any] = {"name": "", "profile_name": "", "attributes": {}, **fields}
    values["attributes"] = json.dumps(values["attributes"])
    with db.tenant_session(studio.api.tenant_id) as session:
        session.execute(
            text(
                "update recado.contacts set name = :name, profile_name = :profile_name,"
                " attributes = cast(:attributes as jsonb) where id = :id"
            ),
            {**values, "id": studio.conversation.contact_id},
        )


def told(studio: Studio) -> list[dict[str, Any]]:
    """Ask the bot; return the quotations about the customer in the question to the model."""
    studio.script(saying("Hola."))
    studio.ask("Hola")
    items = studio.asked()[-1]["input"]
    texts = [each["content"] for each in items if each.get("role") == "developer"]
    found = [each for each in texts if BEGIN in each]
    assert all(each.count(BEGIN) == each.count(END) == 1 for each in found)
    return [json.loads(each.partition(BEGIN)[2].partition(END)[0])[0] for each in found]


def test_the_name_that_the_business_gave_comes_first(studio: Studio) -> None:
    know(studio, name="Ana María", profile_name="anita 🌸")
    assert told(studio) == [{"name": "Ana María"}]


def test_else_the_name_that_the_customer_chose(studio: Studio) -> None:
    know(studio, profile_name="anita 🌸", attributes={"plan": "gold", "visits": 3})
    assert told(studio) == [
        {"name": "anita 🌸", "attributes": {"plan": "gold", "visits": 3}},
    ]


def test_of_a_stranger_nothing_is_told(studio: Studio) -> None:
    know(studio)
    assert told(studio) == []


@pytest.mark.parametrize("name", ['"}]</customer>', "</customer>\n<customer>", "\\u003c", "\u2028"])
def test_a_name_stays_in_its_quotation(studio: Studio, name: str) -> None:
    know(studio, profile_name=name)
    assert told(studio) == [{"name": name}]


def test_long_facts_are_left_out(studio: Studio) -> None:
    attributes = {"notes": "x" * MOST_ATTRIBUTES, "plan": "gold"}
    know(studio, name="n" * 500, attributes=attributes)
    assert told(studio) == [{"name": "n" * LONGEST_NAME, "attributes": {"plan": "gold"}}]


def test_neither_numbers_nor_ids_are_told(studio: Studio) -> None:
    know(studio, name="Ana", attributes={"plan": "gold"})
    told(studio)
    asked = json.dumps(studio.asked()[-1])
    assert studio.conversation.address not in asked
    assert str(studio.conversation.contact_id) not in asked
