"""Our WebVTT parser against the standard's own test data, and each deviation with its reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from speechpipe.formats.reading import cue_text, webvtt
from speechpipe.formats.reading.cue_text import Node

SUITE = Path(__file__).resolve().parents[1] / "data" / "webvtt"
#: Of vtt.js, which is older than the standard: file → what it expects that the standard does not.
DEVIATIONS = {
    "cue-times/min-top-digits.vtt": "takes 000:00.000; a part of more than two digits is hours, which need three parts",
    "cue-times/minimum-spots-over-sixty.vtt": "takes 120:00.000 for 120 hours; the standard wants three parts then",
    "file-layout/header-no-new-line.vtt": "wants a blank line behind the header; the standard does not",
    "integration/id.vtt": "drops the cue behind a line that is only an arrow; the standard takes it",
}


def text_of(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")


def cues_of(text: str) -> list[tuple[str, float, float, str]]:
    try:
        return [(cue.id, cue.start_ms / 1000, cue.end_ms / 1000, cue.text) for cue in webvtt.parse(text).cues]
    except ValueError:
        return []


def test_every_file_of_the_web_platform_tests_is_read_as_expected() -> None:
    folder = SUITE / "file-parsing"
    expected = json.loads((folder / "expected.json").read_text())
    assert len(expected) == 30
    for name, wanted in expected.items():
        cues = [(cue["id"], cue["start"], cue["end"], cue["text"]) for cue in wanted["cues"]]
        assert cues_of(text_of(folder / name)) == cues, name


def test_text_that_the_standard_drops_is_told_of() -> None:
    """Where a file has no cue for a block that is no comment, style or region, ``dropped`` has its text."""
    folder = SUITE / "file-parsing"
    file = webvtt.parse(text_of(folder / "timings-garbage.vtt"))
    assert file.cues == [] and len(file.dropped) > 10
    assert [webvtt.parse(text_of(folder / name)).dropped for name in ("ids.vtt", "newlines.vtt")] == [[], []]


@pytest.mark.parametrize("name", ["entities", "tags", "text", "timestamps", "tree-building"])
def test_every_text_of_a_cue_becomes_the_expected_tree(name: str) -> None:
    folder = SUITE / "cue-parsing"
    cues = webvtt.parse(text_of(folder / f"{name}.vtt")).cues
    expected = json.loads((folder / f"{name}.json").read_text())
    assert len(cues) == len(expected) > 0
    for cue, wanted in zip(cues, expected, strict=True):
        assert dump(cue_text.tree(cue.text)) == wanted["expectedTree"], cue.text


def test_the_files_of_vtt_js_are_read_as_expected_or_the_deviation_has_a_reason(formats_suite: Path) -> None:
    folder = formats_suite / "webvtt-suite" / "vttjs"
    rows = [line.split("\t") for line in (folder / "pairs.tsv").read_text().splitlines()[1:]]
    compared = [(vtt, wanted) for vtt, wanted, mode, *_ in rows if mode != "jsonEqualParsing"]  # that one lays out
    assert len(compared) > 190
    differing = set()
    for vtt, wanted in compared:
        data = json.loads((folder / wanted).read_text())
        cues = data["cues"] if isinstance(data, dict) else data
        if cues_of(text_of(folder / vtt)) != [(c["id"], c["startTime"], c["endTime"], c["text"]) for c in cues]:
            differing.add(vtt)
    assert differing == DEVIATIONS.keys()


def dump(node: Node, depth: int = 0) -> str:
    """The tree as html5lib's tests write it."""
    lines, indent = "", "| " + "  " * depth
    for child in node.children:
        if isinstance(child, str):
            lines += f'{indent}"{child}"\n'
        elif isinstance(child, int):
            seconds = child // 1000
            clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{child % 1000:03d}"
            lines += f"{indent}<?timestamp {clock}>\n"
        else:
            lines += f"{indent}<{'span' if child.tag in {'c', 'v', 'lang'} else child.tag}>\n"
            attributes = {"class": " ".join(child.classes) or None}
            attributes |= {"title": child.annotation} if child.tag == "v" else {}
            attributes |= {"lang": child.annotation} if child.tag == "lang" else {}
            lines += "".join(f'{indent}  {name}="{value}"\n' for name, value in attributes.items() if value is not None)
            lines += dump(child, depth + 1)
    return lines
