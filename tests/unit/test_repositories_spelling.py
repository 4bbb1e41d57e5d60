"""A row that fits no file, but may mean one, never opens it."""

from __future__ import annotations

from pathlib import Path

import pytest

from speechpipe.repositories import FolderRepository, Item, LeftOut
from speechpipe.repositories.metadata.spelling import Rows
from speechpipe.repositories.rights import public_name

OTHERWISE = [
    "SUB/B\u00c5nd 1.WAV",
    "sub\\b\u00e5nd 1.wav",
    "C:\\archive\\sub\\b\u00e5nd 1.wav",
    "/sub/b\u00e5nd 1.wav",
    "source/sub/b\u00e5nd 1.wav",
    "file:///mnt/archive/sub/b\u00e5nd%201.wav",
    "sub/b\u00e5nd%201.wav",
    "sub/b\u00e5nd\u00a01.wav",
    "sub/b\u00e5nd  1.wav",
    "sub/b\u00e5nd 1 .wav",
    "sub/\ufeffb\u00e5nd\u200b 1.wav",
    "'sub/b\u00e5nd 1.wav'",
    "sub/b\u00e5nd 1",
    "sub/b\u00e5nd 1.mp3",
    "b\u00e5nd 1.wav",
    "sub",
    "sub/",
    "SUB",
    "sub/*",
    "*.wav",
    "sub/b\u00e5nd ?.wav",
    "sub/band 1.wav",
]


def collection(tmp_path: Path, row: str, rights: str, unknown: str = "open") -> FolderRepository:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "b\u00e5nd 1.wav").write_bytes(b"sound")
    (source / "metadata.csv").write_text(f'path,may_transcribe,may_publish\n"{row}",{rights}\n')
    return FolderRepository(source, tmp_path / "results", unknown_rights=unknown)


def found(repository: FolderRepository) -> tuple[Item, list[LeftOut]]:
    left_out: list[LeftOut] = []
    (item,) = repository.discover(left_out)
    return item, left_out


@pytest.mark.parametrize("unknown", ["open", "restrict", "skip"])
@pytest.mark.parametrize(
    ("rights", "standing"), [("yes,yes", "restricted"), ("yes,no", "restricted"), ("no,", "forbidden")]
)
@pytest.mark.parametrize("row", OTHERWISE)
def test_a_row_that_may_mean_a_file_restricts_it_and_never_opens(
    row: str, rights: str, standing: str, unknown: str, tmp_path: Path
) -> None:
    item, (left,) = found(collection(tmp_path, row, rights, unknown))
    assert item.standing == standing
    assert public_name(item) in left.reason and "may be meant" in left.reason, "people are told which"
    assert public_name(item).startswith("restricted-") and "nd 1" not in left.reason


@pytest.mark.parametrize(
    "row", ["sub/b\u00e5nd 1.wav", "./sub/ba\u030and 1.wav", "sub//b\u00e5nd 1.wav", " sub/./b\u00e5nd 1.wav "]
)
def test_what_is_the_same_path_however_it_is_written_is_its_row(row: str, tmp_path: Path) -> None:
    item, left_out = found(collection(tmp_path, row, "yes,yes"))
    assert (item.standing, left_out) == ("open", [])


@pytest.mark.parametrize("row", ["sub/b\u00e5nd 2.wav", "other/b\u00e5nd 1.wav", "su", "nd 1.wav"])
def test_another_recording_is_not_meant(row: str, tmp_path: Path) -> None:
    item, (left,) = found(collection(tmp_path, row, "yes,no"))
    assert item.standing == "open" and left.reason.endswith("there is no such file.")


def test_a_row_with_a_file_of_its_own_means_no_other(tmp_path: Path) -> None:
    repository = collection(tmp_path, "x.wav", "yes,no")
    for name in ("x.wav", "X.wav", "sub/x.wav"):
        (repository.source / name).write_bytes(b"sound")
    standing = {item.location: item.standing for item in repository.discover()}
    assert standing == {"x.wav": "restricted", "X.wav": "open", "sub/x.wav": "open", "sub/b\u00e5nd 1.wav": "open"}


def test_of_several_rows_the_strictest_counts(tmp_path: Path) -> None:
    repository = collection(tmp_path, "SUB/B\u00c5ND 1.WAV", "yes,yes")
    with (repository.source / "metadata.csv").open("a") as table:
        table.write("b\u00e5nd 1.mp3,no,no\n/sub,yes,no\n")
    item, left_out = found(repository)
    assert item.standing == "forbidden" and len(left_out) == 3


@pytest.mark.parametrize("row", ["", ".", "/", "//", "%", "..", "*", "[", "\\", "C:", "\u200b", ".wav"])
def test_odd_rows_are_compared_with_everything_without_a_fault(row: str) -> None:
    rows = Rows([row])
    for location in ("a.wav", "[a]*.wav", "\udce5.wav", "l\nn.wav", ".wav", "b/c d/e.f.wav"):
        assert set(rows.like(location)) <= {row}
