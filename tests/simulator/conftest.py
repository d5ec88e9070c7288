"""One simulator for the whole run, reset before each test."""

from collections.abc import Iterator

import pytest
from twilio.rest import Client

from tests.simulator.harness import Receiver, Simulator, running


@pytest.fixture(scope="session")
def receiver_of_session() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="session")
def simulator_of_session(receiver_of_session: Receiver) -> Iterator[Simulator]:
    with running(receiver_of_session) as simulator:
        yield simulator


@pytest.fixture
def receiver(receiver_of_session: Receiver) -> Receiver:
    receiver_of_session.clear()
    return receiver_of_session


@pytest.fixture
def simulator(simulator_of_session: Simulator, receiver: Receiver) -> Simulator:
    simulator_of_session.control("POST", "/reset")
    return simulator_of_session


@pytest.fixture
def client(simulator: Simulator) -> Client:
    return simulator.client()
