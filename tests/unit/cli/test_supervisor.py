"""The supervisor against real child processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from cli import supervisor
from cli.supervisor import Component, Restarts, Supervisor, outcome
from tests.components.process import Process, wait_until

# Ends in order on SIGTERM and says when; `exit N` ends by itself.
CHILD = """
import pathlib, signal, sys, time
name, place = sys.argv[1], pathlib.Path(sys.argv[2])
def end(number, frame):
    with (place / "order").open("a") as f: f.write(name + "\\n")
    print("drained", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
(place / f"{name}.up").touch()
print("hello", flush=True)
while True: time.sleep(0.02)
"""


def python(code: str, *arguments: object) -> list[str]:
    """The arguments of a child that runs `code`."""
    return [sys.executable, "-c", code, *map(str, arguments)]


def touched(path: Path):
    """Ready once that file is there."""

    async def ready() -> bool:
        return path.exists()

    return ready


class Screen:
    """Keeps what would be printed."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, name: str, line: str) -> None:
        """Print."""
        self.lines.append((name, line))

    def text(self) -> str:
        """Everything so far."""
        return "\n".join(f"{name}: {line}" for name, line in self.lines)


async def run(components: list[Component], on_ready, screen: Screen | None = None) -> tuple[int, Screen]:
    """Supervise until the end."""
    screen = screen or Screen()
    watched = Supervisor(components, screen)
    code = await asyncio.wait_for(watched.run(lambda: on_ready(watched)), 30)
    return code, screen


def stop(watched: Supervisor) -> None:
    """As SIGTERM does."""
    watched.signalled(signal.SIGTERM)


async def test_components_end_in_the_order_of_the_table(tmp_path: Path) -> None:
    """The gateway drains before the sidecar is told to end, and all is well."""
    components = [
        Component(name, python(CHILD, name, tmp_path), ready=touched(tmp_path / f"{name}.up"))
        for name in ("gateway", "sidecar")
    ]
    code, screen = await run(components, stop)
    assert code == 0
    assert (tmp_path / "order").read_text().split() == ["gateway", "sidecar"]
    assert ("gateway", "hello") in screen.lines
    assert ("sidecar", "drained") in screen.lines


async def test_a_signal_before_all_are_ready_ends_the_greeting_too(tmp_path: Path) -> None:
    """What is never ready is not asked for ever, nor greeted: nothing is left of the supervisor when it has ended."""
    asked = 0

    async def never() -> bool:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return False

    components = [
        Component("gateway", python(CHILD, "gateway", tmp_path)),
        Component("sidecar", python(CHILD, "sidecar", tmp_path), ready=never),
    ]
    screen, greeted = Screen(), []
    watched = Supervisor(components, screen)
    running = asyncio.create_task(watched.run(lambda: greeted.append(True)))
    while not asked or not all((tmp_path / f"{name}.up").exists() for name in ("gateway", "sidecar")):
        await asyncio.sleep(0.01)
    stop(watched)
    assert await asyncio.wait_for(running, 30) == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert greeted == []


async def test_a_crashed_component_is_started_again_and_that_is_said(tmp_path: Path) -> None:
    """A component that dies once runs again afterwards."""
    code_text = (
        "import pathlib, sys, time; p = pathlib.Path(sys.argv[1])\n"
        "if not p.exists(): p.touch(); sys.exit(7)\n"
        "pathlib.Path(sys.argv[2]).touch(); time.sleep(60)"
    )
    second = tmp_path / "second"
    component = Component("sidecar", python(code_text, tmp_path / "first", second), ready=touched(second))
    code, screen = await run([component], stop)
    assert code == 0
    assert "sidecar ended unasked (exit code 7); starting it again in 0.5 s" in screen.text()


async def test_the_others_go_on_without_one_that_is_not_vital(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A notary that refuses must not become a gateway that is gone: it is said, and told by the exit code."""
    monkeypatch.setattr(supervisor, "FIRST_DELAY", 0.01)
    healthy = Component("gateway", python(CHILD, "gateway", tmp_path))
    broken = Component("notary", python("import sys; sys.exit(1)"), vital=False)
    screen = Screen()
    running = Supervisor([healthy, broken], screen)
    task = asyncio.create_task(running.run(lambda: None))
    while "GIVING UP: notary" not in screen.text():
        await asyncio.sleep(0.02)
    assert "THE OTHERS GO ON" in screen.text()
    assert not task.done()
    running.signalled(signal.SIGTERM)
    assert await task == 3
    assert "gateway has ended" in screen.text()


async def test_a_component_that_cannot_be_kept_up_ends_them_all_loudly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the last allowed crash the supervisor ends the others in order, and says so by its code."""
    monkeypatch.setattr(supervisor, "FIRST_DELAY", 0.01)
    healthy = Component("gateway", python(CHILD, "gateway", tmp_path))
    broken = Component("sidecar", python("import sys; sys.exit(1)"))
    code, screen = await run([healthy, broken], lambda _: None)
    assert code == 3
    assert "GIVING UP: sidecar" in screen.text()
    assert ("gateway", "drained") in screen.lines or not (tmp_path / "gateway.up").exists()


async def test_refused_settings_are_not_tried_again() -> None:
    """Exit code 2 means that the same settings would be refused again: no restart."""
    code, screen = await run([Component("gateway", python("import sys; sys.exit(2)"))], lambda _: None)
    assert code == 2
    assert "starting it again in" not in screen.text()


async def test_a_component_that_has_only_just_started_may_settle_first(tmp_path: Path) -> None:
    """What was told to end before it can act would not have shipped: it gets the time to become ready."""
    slow = f"import time; time.sleep(1)\n{CHILD}"
    quick = Component("gateway", python(CHILD, "gateway", tmp_path), ready=touched(tmp_path / "gateway.up"))
    sidecar = Component(
        "sidecar", python(slow, "sidecar", tmp_path), ready=touched(tmp_path / "sidecar.up"), settle=20
    )
    screen = Screen()
    watched = Supervisor([quick, sidecar], screen)
    running = asyncio.create_task(watched.run(lambda: None))
    while not (tmp_path / "gateway.up").exists():
        await asyncio.sleep(0.01)
    stop(watched)
    assert await asyncio.wait_for(running, 30) == 0
    assert (tmp_path / "order").read_text().split() == ["gateway", "sidecar"]


async def test_a_component_that_ignores_sigterm_is_killed_and_told(tmp_path: Path) -> None:
    """What does not end within its grace is killed, and the exit code is not 0."""
    up = tmp_path / "up"
    code_text = (
        "import pathlib, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "pathlib.Path(sys.argv[1]).touch(); time.sleep(60)"
    )
    component = Component("gateway", python(code_text, up), ready=touched(up), grace=0.2)
    code, screen = await run([component], stop)
    assert code == 3
    assert "did not end within 0.2 s" in screen.text()


async def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    """Whoever presses Ctrl-C twice does not wait for a drain of a minute."""
    up = tmp_path / "up"
    code_text = (
        "import pathlib, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "pathlib.Path(sys.argv[1]).touch(); time.sleep(60)"
    )

    def twice(watched: Supervisor) -> None:
        stop(watched)
        stop(watched)

    code, screen = await run([Component("gateway", python(code_text, up), ready=touched(up))], twice)
    assert code == 3
    assert "ending at once" in screen.text()


async def test_workers_of_a_dead_component_are_ended_before_it_starts_again(tmp_path: Path) -> None:
    """A worker that outlives its parent would hold the journal's lock: it gets SIGTERM first."""
    parent = (
        "import pathlib, subprocess, sys, time; place = pathlib.Path(sys.argv[2])\n"
        "if (place / 'worker.up').exists(): (place / 'again').touch(); time.sleep(60)\n"
        "command = [sys.executable, '-c', sys.argv[1], 'worker', str(place)]\n"
        "subprocess.Popen(command, start_new_session=True)\n"
        "while not (place / 'worker.up').exists(): time.sleep(0.02)\n"
        "sys.exit(5)"
    )
    component = Component("gateway", python(parent, CHILD, tmp_path), ready=touched(tmp_path / "again"))
    code, _ = await run([component], stop)
    assert code == 0
    assert (tmp_path / "order").read_text().split() == ["worker"]


async def test_a_line_without_an_end_is_cut() -> None:
    """A component cannot fill the supervisor's memory with one line."""
    size = 5 * supervisor.MAX_LINE
    _, screen = await run(
        [Component("gateway", python(f"import sys; print('x' * {size}); sys.exit(2)"))], lambda _: None
    )
    printed = [line for name, line in screen.lines if name == "gateway"]
    assert sum(map(len, printed)) == size
    assert max(map(len, printed)) <= 2 * supervisor.MAX_LINE


async def test_a_program_that_is_not_there_ends_the_run() -> None:
    """A wrong program is an error at once, not a silent wait."""
    with pytest.raises(FileNotFoundError):
        await run([Component("gateway", ["/nonexistent/affiant"])], lambda _: None)


def test_children_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    """SIGKILL of the supervisor: the kernel tells the children to drain."""
    code = (
        "import asyncio, sys\n"
        "from cli.supervisor import Component, Supervisor\n"
        "c = Component('gateway', [sys.executable, '-c', sys.argv[1], 'gateway', sys.argv[2]])\n"
        "asyncio.run(Supervisor([c], lambda *a: print(*a, flush=True)).run(lambda: None))"
    )
    with Process(python(code, CHILD, tmp_path), log=tmp_path / "log", cwd=Path.cwd()) as process:
        process.wait_until((tmp_path / "gateway.up").exists, what="the child")
        os.kill(process.pid, signal.SIGKILL)
        wait_until((tmp_path / "order").exists, what="the child's drain")


def test_back_off_doubles_and_ends() -> None:
    """The pauses double up to a bound; crashes far apart never end it."""
    restarts = Restarts()
    assert [restarts.after(float(n)) for n in range(7)] == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, None]
    patient = Restarts()
    assert {patient.after(n * 200.0) for n in range(20)} == {0.5}


def test_outcomes_are_told_in_words() -> None:
    """A signal by its name, a code by its number."""
    assert outcome(-9) == "SIGKILL"
    assert outcome(3) == "exit code 3"
