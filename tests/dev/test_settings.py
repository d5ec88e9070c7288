import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.__main__ import panel
from dev.errors import DevError
from dev.ports import free_port
from dev.processes import recado
from dev.settings import StackSettings, from_environment, refuse_taken_ports

NO_FILE = Path("/nonexistent/.env")


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def free_ports() -> dict[str, str]:
    return {"WEB_PORT": str(free_port()), "SIMULATOR_PORT": str(free_port())}


def settings_of(environ: dict[str, str], data_dir: Path = NO_FILE) -> StackSettings:
    chosen = from_environment({"WEB_PORT": "58000", "SIMULATOR_PORT": "58001", **environ}, NO_FILE)
    return StackSettings(data_dir, chosen.environ, chosen.web_port, chosen.simulator_port)


@pytest.mark.parametrize("variable", ["WEB_PORT", "SIMULATOR_PORT", "POSTGRES_PORT", "REDIS_PORT"])
def test_a_taken_port_is_refused_with_its_number_and_its_variable(
    variable: str, taken_port: int
) -> None:
    environ = {**free_ports(), variable: str(taken_port)}

    with pytest.raises(DevError, match=rf"Port {taken_port} is already in use .*{variable}="):
        refuse_taken_ports(from_environment(environ, NO_FILE))


def test_the_port_of_a_database_that_we_do_not_start_may_be_taken(taken_port: int) -> None:
    environ = {
        **free_ports(),
        "POSTGRES_PORT": str(taken_port),
        "DATABASE_URL": "postgresql://elsewhere/recado",
    }

    refuse_taken_ports(from_environment(environ, NO_FILE))


def test_one_port_cannot_serve_two(taken_port: int) -> None:
    environ = {"WEB_PORT": str(taken_port), "SIMULATOR_PORT": str(taken_port)}

    with pytest.raises(DevError, match=f"both {taken_port}"):
        refuse_taken_ports(from_environment(environ, NO_FILE))


@pytest.mark.parametrize("text", ["web", "0", "65536", "-1", "8000.5"])
def test_what_is_no_port_is_named(text: str) -> None:
    with pytest.raises(DevError, match="WEB_PORT must be a port from 1 to 65535"):
        from_environment({"WEB_PORT": text}, NO_FILE)


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("WEB_PORT=58100\nSIMULATOR_PORT=58101\n")

    chosen = from_environment({"WEB_PORT": "58200"}, env_file)

    assert (chosen.web_port, chosen.simulator_port) == (58200, 58101)


def test_the_developers_choices_win_over_our_defaults(tmp_path: Path) -> None:
    chosen = {"PUBLIC_BASE_URL": "https://me.example", "TWILIO_API_BASE_URL": "https://t.example"}

    env = recado(settings_of(chosen, tmp_path), "postgresql://db", "redis://cache").env

    assert env["PUBLIC_BASE_URL"] == "https://me.example"
    assert env["TWILIO_API_BASE_URL"] == "https://t.example"
    assert env["META_GRAPH_BASE_URL"] == "http://127.0.0.1:58001"


def test_the_simulators_media_may_be_sent_beside_the_developers_own_hosts(tmp_path: Path) -> None:
    plain = recado(settings_of({}, tmp_path), "postgresql://db", "redis://cache").env
    chosen = {"ALLOWED_PRIVATE_HOSTS": "erp.internal"}
    own = recado(settings_of(chosen, tmp_path), "postgresql://db", "redis://cache").env

    assert plain["ALLOWED_PRIVATE_HOSTS"] == "127.0.0.1:58001,localhost:58001"
    assert own["ALLOWED_PRIVATE_HOSTS"] == "erp.internal,127.0.0.1:58001,localhost:58001"


def test_migrations_never_follow_a_direct_url_of_another_database(tmp_path: Path) -> None:
    stale = {"DIRECT_URL": "postgresql://production"}

    assert recado(settings_of(stale, tmp_path), "postgresql://db", "redis://c").env[
        "DIRECT_URL"
    ] == ("postgresql://db")


def test_the_secrets_are_made_once_and_stay_private(tmp_path: Path) -> None:
    first = recado(settings_of({}, tmp_path), "postgresql://db", "redis://c").env
    second = recado(settings_of({}, tmp_path), "postgresql://db", "redis://c").env

    assert len(first["SECRET_KEY"]) >= 32
    assert first["ENCRYPTION_KEYS"] == second["ENCRYPTION_KEYS"]
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_the_simulator_knows_the_demonstration_accounts_and_the_developers_own(
    tmp_path: Path,
) -> None:
    own = {
        "TWILIO_ACCOUNT_SID": "AC1",
        "TWILIO_AUTH_TOKEN": "token",
        "TWILIO_WHATSAPP_FROM": "+34600000001",
    }
    table = recado(settings_of(own, tmp_path), "postgresql://db", "redis://c")
    simulator = next(command for command in table.services if command.name == "simulator")

    accounts = json.loads(simulator.env["SIMULATOR_ACCOUNTS"])

    assert [account["sid"][:3] for account in accounts] == ["AC0", "AC0", "AC1"]
    assert accounts[2]["senders"] == [
        {
            "number": "whatsapp:+34600000001",
            "inbound_url": "http://127.0.0.1:58000/webhook/twilio",
        }
    ]


def test_the_start_says_which_provider_gets_the_messages(tmp_path: Path) -> None:
    simulated = settings_of({"TWILIO_API_BASE_URL": "http://127.0.0.1:58001/"}, tmp_path)
    real = settings_of({"TWILIO_API_BASE_URL": "https://api.twilio.com"}, tmp_path)

    assert "Phone to type on   http://127.0.0.1:58001/" in panel(simulated)
    assert "Provider           https://api.twilio.com" in panel(real)
    assert "Phone to type on" not in panel(real)
    assert "whatsapp:NUMBER" in panel(real)


def test_models_are_simulated_unless_the_developer_has_a_key(tmp_path: Path) -> None:
    def chosen(**environ: str) -> tuple[str | None, str | None]:
        env = recado(settings_of(environ, tmp_path), "postgresql://db", "redis://cache").env
        return env.get("OPENAI_BASE_URL"), env.get("OPENAI_API_KEY")

    base_url, key = chosen()
    assert str(base_url).endswith("/openai/v1")
    assert key == "sk-simulator-demo"
    assert chosen(OPENAI_API_KEY="sk-own") == (None, "sk-own")
    assert chosen(OPENAI_BASE_URL="https://llm.example/v1") == ("https://llm.example/v1", None)
