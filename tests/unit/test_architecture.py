"""The rooms of the house: no circle of files, no arrow upwards, none too full to see at a glance."""

from __future__ import annotations

import shutil
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from tests.imports import Graph, circles, graph, modules, upward

MOST = 15


@pytest.fixture(scope="module")
def edges(root: Path) -> Graph:
    return graph(root)


@pytest.fixture(scope="module")
def layers(root: Path) -> list[list[str]]:
    """As import-linter holds them; what stands in brackets is a room to come."""
    contracts = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (contract,) = [contract for contract in contracts if contract["type"] == "layers"]
    return [[room.strip(" ()") for room in layer.split("|")] for layer in contract["layers"]]


def test_no_files_import_each_other_in_a_circle(edges: Graph) -> None:
    assert circles(edges) == []


def test_no_arrow_points_upwards(edges: Graph, layers: list[list[str]]) -> None:
    assert upward(edges, layers) == []


def test_every_room_and_file_has_its_layer(edges: Graph, layers: list[list[str]]) -> None:
    placed = {room for layer in layers for room in layer}
    tops = {
        ".".join(module.split(".")[:2]) if module.startswith("speechpipe.") else module.split(".")[0]
        for module in edges
    }
    assert tops - placed == {"speechpipe"}


def test_no_room_is_too_full(root: Path) -> None:
    rooms = Counter(path.parent for path in modules(root).values() if path.name != "__init__.py")
    crowded = {str(room.relative_to(root)): count for room, count in rooms.items() if count > MOST}
    assert crowded == {}


def test_a_room_below_the_pipeline_knows_the_settings_of_its_own_alone(edges: Graph) -> None:
    own = {"chunking": "chunking", "engines": "decoding", "formats": "captions", "repositories": "repositories"}
    known = {
        (room, other)
        for room in ("chunking", "engines", "alignment", "quality", "formats", "repositories", "registry", "audio")
        for module, others in edges.items()
        for other in others
        if module.startswith(f"speechpipe.{room}") and other.startswith("speechpipe.settings")
    }
    assert known == {(room, f"speechpipe.settings.{name}") for room, name in own.items()}


def test_every_room_says_what_it_is_for(root: Path) -> None:
    silent = [name for name, path in modules(root).items() if not path.read_text(encoding="utf-8").startswith('"""')]
    assert silent == []


@pytest.mark.parametrize(
    "line",
    [
        "from speechpipe.formats import save",
        "def late():\n    from speechpipe import formats\n    return formats",
        "def late():\n    from importlib import import_module\n    return import_module('speechpipe.formats')",
        "from importlib import import_module\nHERE = 'speechpipe.formats'\nvtt = import_module(f'{HERE}.captions.vtt')",
    ],
)
def test_a_circle_that_is_put_in_is_found(line: str, root: Path, tmp_path: Path, layers: list[list[str]]) -> None:
    for top in ("speechpipe", "flows"):
        shutil.copytree(root / top, tmp_path / top, ignore=lambda _, names: [n for n in names if n == "__pycache__"])
    data = tmp_path / "speechpipe" / "transcript_data.py"
    data.write_text(data.read_text(encoding="utf-8") + f"\n\n{line}\n", encoding="utf-8")
    bent = graph(tmp_path)
    assert any("speechpipe.transcript_data" in circle for circle in circles(bent))
    assert any(module == "speechpipe.transcript_data" for module, _ in upward(bent, layers))


def test_what_a_lower_room_runs_by_name_counts(root: Path, edges: Graph) -> None:
    assert "speechpipe.audio.reader.worker" in edges["speechpipe.audio.reader.isolated"]
    assert "speechpipe.engines.whisper.faster_whisper" in edges["speechpipe.engines"]
    assert "flows.serve" in edges["speechpipe.cli.serve"]
