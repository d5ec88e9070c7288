import io
import os

from dev.log import MergedLog


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class ClosedTerminal(io.StringIO):
    def write(self, _text: str) -> int:
        raise OSError(5, "Input/output error")


def test_colours_are_for_terminals_only_and_never_with_no_color() -> None:
    terminal, without, file = Terminal(), Terminal(), io.StringIO()
    MergedLog(terminal, environ={}).line("web", "hello")
    MergedLog(without, environ={"NO_COLOR": "1"}).line("web", "hello")
    MergedLog(file, environ={}).line("web", "hello")

    assert terminal.getvalue() == "\x1b[36mweb       |\x1b[0m hello\n"
    assert without.getvalue() == file.getvalue() == "web       | hello\n"


def test_output_goes_on_being_drained_when_nobody_can_read_it() -> None:
    log = MergedLog(ClosedTerminal(), environ={})
    reading, writing = os.pipe()
    follower = log.follow("web", os.fdopen(reading, "rb"))
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(b"more than a pipe can hold\n" * 10_000)
    follower.join(5)

    assert not follower.is_alive()
    assert log.last_lines("web").count("more than a pipe can hold") == 20


def test_only_the_last_lines_of_each_process_are_remembered() -> None:
    log = MergedLog(io.StringIO(), environ={})
    for number in range(100):
        log.line("web", f"line {number}")
        log.line("beat", "tick")

    assert log.last_lines("web").splitlines()[0] == "  line 80"
    assert log.last_lines("web").splitlines()[-1] == "  line 99"
