"""The documentation against the code: links, commands, settings, files and Python that it names."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from speechpipe import cli as program
from speechpipe import installed
from speechpipe.errors import SpeechpipeError
from speechpipe.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")])
NAMED = [page.relative_to(ROOT).as_posix() for page in PAGES]
pages = pytest.mark.parametrize("page", PAGES, ids=NAMED)


def blocks(text: str) -> Iterator[str]:
    """Lines that are set apart to be typed."""
    for line in text.splitlines():
        if line.startswith("    ") and not line.startswith("     "):
            yield line.strip()


def anchors(text: str) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pages
def test_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    dead = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and anchor not in anchors(there.read_text(encoding="utf-8"))):
            dead.append(target)
    assert dead == []


@pages
def test_every_command_that_is_shown_can_be_parsed(page: Path) -> None:
    for line in blocks(page.read_text(encoding="utf-8")):
        line = re.sub(r"^(\w+=\S+ )+", "", line.split(" #")[0]).removeprefix(".venv/bin/")
        if not line.startswith("speechpipe ") or re.search(r"\[|…|COMMAND|MEDIA|NAME$", line):
            continue
        words = shlex.split(line)[1:]
        command: click.Command = program.cli
        context = click.Context(command)
        while isinstance(command, click.Group):
            found = command.get_command(context, words.pop(0))
            assert found is not None, line
            command = found
        command.make_context(command.name, words)


@pages
def test_every_target_of_make_that_is_named_is_there(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"`make ([a-z-]+)", text)) | set(re.findall(r"^    make ([a-z-]+)", text, re.M))
    assert named - targets == set()


@pages
def test_every_file_of_the_project_that_is_named_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`((?:speechpipe|flows|models|tests|sample_audio|requirements|docs)/[\w./-]*)`", text)
    assert [name for name in named if not (ROOT / name).exists()] == []


@pages
def test_no_path_of_a_machine_and_no_package_host(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w.])/(?:work|root|home|tmp)/", text)
    assert "pypi" not in text.lower()


@pages
def test_python_that_is_shown_is_python_and_its_names_exist(page: Path) -> None:
    import speechpipe

    for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module == "speechpipe":
                assert [alias.name for alias in node.names if alias.name not in speechpipe.__all__] == []


def test_every_setting_is_explained_and_none_that_is_not_there() -> None:
    text = (ROOT / "docs" / "operator.md").read_text(encoding="utf-8")
    table = text.split("| setting |")[1].split("\n\n")[0]
    explained = {name for line in table.splitlines()[2:] for name in re.findall(r"`([\w.]+)`", line.split("|")[1])}
    known = set()
    for name, field in Settings.model_fields.items():
        inner = getattr(field.annotation, "model_fields", None)
        known |= {f"{name}.{part}" for part in inner} if inner else {name}
    assert explained == known


def test_the_defaults_that_are_told_are_those() -> None:
    text = (ROOT / "docs" / "operator.md").read_text(encoding="utf-8")
    settings = Settings()
    for section in ("decoding", "chunking", "captions"):
        for line in re.findall(rf"^\| (`{section}\..+)$", text, re.M):
            names, told = (cell.strip() for cell in line.split("|")[:2])
            values = [getattr(getattr(settings, section), name) for name in re.findall(r"\.(\w+)`", names)]
            stated = ["" if value in (None, ()) else str(value).lower().removesuffix(".0") for value in values]
            assert stated == told.replace("`", "").split(", ")


def test_every_exit_code_is_explained() -> None:
    def codes(kind: type[SpeechpipeError]) -> set[int]:
        return {kind.exit_code}.union(*(codes(below) for below in kind.__subclasses__()))

    table = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8").split("## Exit codes")[1].split("\n## ")[0]
    explained = {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.M)}
    assert explained == codes(SpeechpipeError) | {0, 141}


def test_every_embedded_model_is_told_of() -> None:
    text = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    registry = yaml.safe_load((installed.models_folder() / "registry.yaml").read_text(encoding="utf-8"))
    names = [model["name"] for model in registry["models"] if "hub" not in model]
    assert [name for name in names if f"| `{name}` |" not in text] == []


def test_every_page_stands_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    names = [page.name for page in (ROOT / "docs").glob("*.md") if page.name != "README.md"]
    assert [name for name in names if f"]({name})" not in index] == []


def test_the_order_of_imports_is_the_one_that_is_enforced() -> None:
    import tomllib

    layers = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawn = text.split("Imports point one way")[1].split("```")[1]
    lines = [line.replace("└►", "").strip() for line in drawn.strip().splitlines()]
    enforced = [layer.replace("speechpipe.", "").replace("|", "│") for layer in layers["contracts"][0]["layers"]]
    assert lines == enforced


def test_the_picture_is_well_formed_and_described() -> None:
    from lxml import etree

    picture = etree.parse(str(ROOT / "docs" / "way-of-a-recording.svg"))
    names = {etree.QName(element).localname for element in picture.getroot().iterfind("*")}
    assert {"title", "desc"} <= names
