"""Every command: its help, its example, its place in docs/cli.md; and how the program ends."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from speechpipe.cli import COMMANDS, cli
from speechpipe.errors import BrokenModel, Interrupted, MediaNotFound, SpeechpipeError


def commands(group: click.Group = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


EVERY = list(commands())
NAMES = [" ".join(path) for path, _ in EVERY]


@pytest.mark.parametrize(("path", "command"), EVERY, ids=NAMES)
def test_every_command_has_help_and_an_example_that_calls_it(path: tuple[str, ...], command: click.Command) -> None:
    result = CliRunner().invoke(cli, [*path, "--help"])
    assert result.exit_code == 0
    assert re.search(r"Examples?:", result.output)
    assert (
        f"  speechpipe {' '.join(path)} " in result.output
        or isinstance(command, click.Group)
        or (f"  speechpipe {' '.join(path)}\n" in result.output)
    )
    assert command.help


@pytest.mark.parametrize(("path", "command"), EVERY, ids=NAMES)
def test_every_option_has_help(path: tuple[str, ...], command: click.Command) -> None:
    silent = [option.name for option in command.params if isinstance(option, click.Option) and not option.help]
    assert silent == []


@pytest.mark.parametrize(("path", "command"), EVERY, ids=NAMES)
def test_every_command_and_option_stands_in_the_documentation(
    path: tuple[str, ...], command: click.Command, root: Path
) -> None:
    text = (root / "docs" / "cli.md").read_text(encoding="utf-8")
    sections = {
        match[1]: match[2] for match in re.finditer(r"^##+ speechpipe (.+?)\n(.*?)(?=^##|\Z)", text, re.M | re.S)
    }
    assert " ".join(path) in sections
    section = sections[" ".join(path)]
    options = [name for option in command.params if isinstance(option, click.Option) for name in option.opts]
    assert [name for name in options if f"`{name}" not in section] == []


def test_the_documentation_names_no_command_that_is_not_there(root: Path) -> None:
    text = (root / "docs" / "cli.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^##+ speechpipe (.+)$", text, re.M)) == set(NAMES)


def test_the_table_says_what_the_commands_say() -> None:
    assert [path[0] for path, _ in EVERY if len(path) == 1] == list(COMMANDS)


def test_help_lists_all_commands_and_loads_none() -> None:
    program = (
        "import sys\n"
        "from speechpipe.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'av', 'ctranslate2', 'faster_whisper', 'onnxruntime', 'prefect', 'torch', 'lxml', 'numpy'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"
    assert all(f"  {name} " in result.stdout for name in COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["transcrbe"], "transcrbe"),
        (["transcribe"], "MEDIA"),
        (["transcribe", "--loud", "a.wav"], "--loud"),
        (["convert", "a.json"], "--format"),
        (["models", "show"], "NAME"),
        (["serve", "--port", "70000"], "70000"),
    ],
)
def test_wrong_usage_is_code_2_and_names_what_is_wrong(arguments: list[str], named: str) -> None:
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 2
    assert named in result.output
    assert "Traceback" not in result.output


def ends_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def examine() -> None:
        raise error

    monkeypatch.setattr("speechpipe.cli.doctor.version", examine)
    monkeypatch.setattr("speechpipe.cli.doctor.EXAMINATIONS", ())


@pytest.mark.parametrize("error", [MediaNotFound("Gone."), BrokenModel("Torn."), Interrupted("Stopped.")])
def test_an_error_is_one_line_and_its_code(error: SpeechpipeError, monkeypatch: pytest.MonkeyPatch) -> None:
    ends_with(monkeypatch, error)
    result = CliRunner().invoke(cli, ["doctor", "--json"])
    assert result.exit_code == error.exit_code
    assert result.output == f"speechpipe: {error}\n"


def test_ctrl_c_is_130_and_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    ends_with(monkeypatch, KeyboardInterrupt())
    result = CliRunner().invoke(cli, ["doctor", "--json"])
    assert result.exit_code == 130
    assert result.output.strip() == f"speechpipe: {Interrupted('Stopped.')}"


def test_a_fault_is_one_line_and_code_1(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SPEECHPIPE_WORKSPACE", str(tmp_path))
    ends_with(monkeypatch, RuntimeError("surprise"))
    result = CliRunner().invoke(cli, ["doctor", "--json"])
    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    assert "surprise" in result.output
    assert len(list((tmp_path / "faults").iterdir())) == 1


def test_debug_lets_a_fault_through(monkeypatch: pytest.MonkeyPatch) -> None:
    ends_with(monkeypatch, RuntimeError("surprise"))
    result = CliRunner().invoke(cli, ["--debug", "doctor", "--json"])
    assert isinstance(result.exception, RuntimeError)


def test_a_reader_that_went_away_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    ends_with(monkeypatch, BrokenPipeError())
    result = CliRunner().invoke(cli, ["doctor", "--json"])
    assert result.exit_code == 141
    assert result.output == ""


def test_the_version_is_the_installed_one() -> None:
    from speechpipe.installed import version

    assert CliRunner().invoke(cli, ["--version"]).output == f"speechpipe, version {version()}\n"
