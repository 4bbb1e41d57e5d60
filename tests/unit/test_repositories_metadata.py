"""The archive's own table of its recordings: read strictly, since rights hang on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from speechpipe.errors import RepositoryError
from speechpipe.repositories import FolderRepository, Item, LeftOut, Part, Rights
from speechpipe.repositories.metadata.reading import read

SHA, MD5 = "a" * 64, "b" * 32


def table(tmp_path: Path, content: str | bytes, name: str = "metadata.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_row_says_all_that_an_item_has(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "Path,Identifier,Title,Language,Channels,Role,SHA256,Statement,Access,May-Transcribe,may_publish,"
        f"may_train,Box\nbox/a.wav,A-1,En tittel,nb,split,preservation,{SHA},https://x.org/r,open,ja,no,,17\n",
    )
    assert read(path).items == {
        "box/a.wav": Item(
            "A-1",
            (Part("box/a.wav", "preservation", f"sha256:{SHA}"),),
            "En tittel",
            "nb",
            "split",
            Rights("https://x.org/r", "open", True, False, None),
        )
    }


def test_json_says_the_same(tmp_path: Path) -> None:
    entry: dict[str, Any] = {
        "identifier": "A-1",
        "title": "En tittel",
        "rights": {"access": "open", "may_publish": False},
        "parts": [{"path": "a.wav", "role": "access", "md5": MD5}],
    }
    for content in ({"items": [entry]}, [entry]):
        (item,) = read(table(tmp_path, json.dumps(content), "metadata.json")).items.values()
        assert item == Item(
            "A-1",
            (Part("a.wav", "access", f"md5:{MD5}"),),
            "En tittel",
            rights=Rights(access="open", may_publish=False),
        )


@pytest.mark.parametrize(
    "content",
    [
        "path;title\na.wav;En, to\n",
        "path\ttitle\r\na.wav\tEn, to\r\n",
        '\ufeffpath,title\n"a.wav","En, to"\n',
        'title,path\n"En, to",./a.wav\n\n  ,\n',
    ],
)
def test_the_tables_of_usual_programs_are_read(content: str, tmp_path: Path) -> None:
    assert read(table(tmp_path, content)).items == {"a.wav": Item("a.wav", (Part("a.wav"),), "En, to")}


def test_rows_of_one_identifier_are_numbered_parts(tmp_path: Path) -> None:
    path = table(tmp_path, "path,identifier,title\nb.wav,A-1,T\na.wav,A-1,\nc.wav,A-2,\n")
    items = read(path).items
    assert [(i.identifier, i.whole, i.location) for i in items.values()] == [
        ("A-1/1", "A-1", "b.wav"),
        ("A-1/2", "A-1", "a.wav"),
        ("A-2", None, "c.wav"),
    ]
    assert items["a.wav"].title == "T"


def test_an_access_copy_is_left_to_its_preservation_file(tmp_path: Path) -> None:
    path = table(tmp_path, "path,identifier,role\na.wav,A-1,preservation\na.mp3,A-1,access\nb.mp3,B-1,access\n")
    for name in ("a.wav", "a.mp3", "b.mp3"):
        (tmp_path / name).touch()
    assert {i.identifier for i in read(path).items.values()} == {"A-1", "B-1"}
    left_out: list[LeftOut] = []
    assert [i.identifier for i in FolderRepository(tmp_path).discover(left_out)] == ["A-1", "B-1"]
    (copy,) = left_out
    assert copy.name == copy.called == "a.mp3" and "access copy of A-1" in copy.reason


def test_what_is_left_out_of_a_restricted_recording_does_not_tell_its_name(tmp_path: Path) -> None:
    parts = [{"path": "Confession.wav", "role": "preservation"}, {"path": "Confession.mp3", "role": "access"}]
    closed = {"access": "closed"}
    items = [
        {"parts": parts, "rights": closed},
        {"parts": [{"path": "Lost confession.wav"}], "rights": closed},
        {"parts": [{"path": "Confession elsewhere.wav"}], "rights": closed},
    ]
    for name in ("Confession.wav", "Confession.mp3"):
        (tmp_path / name).touch()
    (tmp_path / "Confession elsewhere.wav").symlink_to("/etc/hostname")
    table(tmp_path, json.dumps(items), "metadata.json")
    left_out: list[LeftOut] = []
    (item,) = FolderRepository(tmp_path).discover(left_out)
    assert item.location == "Confession.wav"
    assert len(left_out) == 4, "the link is told twice: it leads out, and so there is no such file"
    for one in left_out:
        assert one.called.startswith("restricted-") and "onfession" not in one.reason and "onfession" in one.name


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "'path'"),
        ("title\nx\n", "'path'"),
        ("path,path\na,b\n", "'path'"),
        ("path,title\na.wav\n", "line 2 has 1 cells"),
        ("path\na.wav\na.wav\n", "line 3: its path stands in line 2 too"),
        ("path,identifier,title\na,A,T\nb,A,U\n", "differ in title"),
        ("path,identifier,may_publish\na,A,yes\nb,A,no\n", "differ in rights"),
        ("path,may_transcribe\na.wav,perhaps\n", "line 2: may_transcribe is 'perhaps'"),
        ("path,may_transcibe\na.wav,no\n", "no 'may_transcibe'"),
        ("path,role\na.wav,master\n", "role 'master'"),
        ("path,md5\na.wav,zzz\n", "line 2"),
        (f"path,sha256\na.wav,{MD5}\n", "is no sha256"),
        ('path\n"a.wav\n', ""),
        (b"path\n\xff\xfe.wav\n", "utf-8"),
        (",title\na.wav,x\n", "'path'"),
    ],
)
def test_a_table_that_cannot_be_trusted_stops_everything(content: str | bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    path = table(tmp_path, content)
    with pytest.raises(RepositoryError, match="cannot be used") as caught:
        list(FolderRepository(tmp_path).discover())
    assert told in caught.value.message and str(path) in caught.value.message
    assert "nothing is transcribed" in caught.value.advice


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        '{"items": 5}',
        '[{"parts": []}]',
        '[{"parts": [{}]}]',
        '[{"parts": [{"path": true}]}]',
        '[{"parts": [{"path": "a"}], "rights": []}, 5]',
        '[{"parts": [{"path": "a"}], "rights": "closed"}]',
        '[{"parts": [{"path": "a"}], "may-publish": "perhaps"}]',
        '[{"parts": [{"path": "a"}], "may_publish": false, "rights": {"may_publish": true}}]',
        '[{"parts": [{"path": "a", "may_publish": false}]}]',
        '{"restricted": true, "items": [{"parts": [{"path": "a"}]}]}',
        '[{"parts": [{"path": "a"}], "mayPublish": true, "may_publish": false}]',
        '[{"parts": [{"path": "a"}], "rights": {"may_publich": false}}]',
        '[{"parts": [{"path": "a"}], "title": ["x"]}]',
        "[" * 100_000,
    ],
)
def test_json_of_another_kind_is_refused(content: str, tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="cannot be used"):
        read(table(tmp_path, content, "metadata.json"))


def test_a_table_elsewhere_is_read_where_the_collection_names_it(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.wav").touch()
    path = table(tmp_path, "path,identifier\na.wav,A-1\n", "list.csv")
    repository = FolderRepository(source, metadata=path)
    assert [item.identifier for item in repository.discover()] == ["A-1"]
    assert repository.item("A-1") == repository.item("a.wav")
    path.unlink()
    with pytest.raises(RepositoryError, match=r"list\.csv"):
        list(repository.discover())


def test_a_listed_file_is_a_recording_whatever_its_ending(tmp_path: Path) -> None:
    for name in ("a.sound", "b.sound"):
        (tmp_path / name).touch()
    table(tmp_path, "path\na.sound\n")
    assert [item.identifier for item in FolderRepository(tmp_path).discover()] == ["a.sound"]


@pytest.mark.parametrize("path", ["../secret.wav", "/etc/passwd", "a/../../secret.wav"])
def test_a_row_that_leads_out_is_never_looked_at(path: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (tmp_path / "secret.wav").touch()
    table(source, f"path\n{path}\n")
    left_out: list[LeftOut] = []
    assert list(FolderRepository(source).discover(left_out)) == []
    assert [one.name for one in left_out] == [path]


def test_the_table_and_the_disk_may_spell_a_letter_differently(tmp_path: Path) -> None:
    composed, apart = "b\u00e5nd.wav", "ba\u030and.wav"
    (tmp_path / apart).touch()
    table(tmp_path, f"path,identifier\n{composed},A-1\n")
    (item,) = FolderRepository(tmp_path).discover()
    assert (item.identifier, item.location) == ("A-1", apart)
    (tmp_path / composed).touch()
    assert {(i.identifier, i.location) for i in FolderRepository(tmp_path).discover()} == {
        ("A-1", composed),
        (apart, apart),
    }


@pytest.mark.parametrize(
    "content",
    [
        "path,title\nSecret.wav,Secret\nb.wav,\nSecret.wav,Secret\n",
        "path,title\nSecret.wav,One\nSecret.wav,Two\n",
        "path,identifier,title\nSecret.wav,A,One Secret\nb.wav,A,Two Secrets\n",
        "path,may_publish,title\nSecret.wav,perhaps,Secret\n",
        "path,title\nSecret.wav,Secret,\n",
        '[{"parts": [{"path": "Secret.wav"}]}, {"parts": [{"path": "Secret.wav"}]}]',
        '[{"identifier": "A", "parts": [{"path": "Secret.wav"}]}, {"parts": [{"path": "Secret.wav"}]}]',
    ],
)
def test_what_is_wrong_with_a_table_is_told_without_names_since_all_read_it(content: str, tmp_path: Path) -> None:
    with pytest.raises(RepositoryError) as caught:
        read(table(tmp_path, content, "metadata.json" if content.startswith("[") else "metadata.csv"))
    assert "Secret" not in str(caught.value)
    assert any(word in caught.value.message for word in ("line ", "item ", "rows "))
