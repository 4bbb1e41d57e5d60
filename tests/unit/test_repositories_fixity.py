"""Checksums that an archive keeps: beside the file, in a bag's manifest, or in the metadata."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from speechpipe.errors import ChecksumMismatch, RepositoryError
from speechpipe.files import sha256_bytes
from speechpipe.repositories import FolderRepository, Item, Part
from speechpipe.repositories.metadata.fixity import normal, supplied

SOUND = b"sound of a"
DIGESTS = {name: hashlib.new(name, SOUND).hexdigest() for name in ("md5", "sha1", "sha256", "sha512")}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "box").mkdir()
    (tmp_path / "box" / "a.wav").write_bytes(SOUND)
    return tmp_path


def fetch(source: Path, location: str = "box/a.wav", checksum: str | None = None) -> str:
    return FolderRepository(source).fetch(Item(location, (Part(location, checksum=checksum),))).sha256


@pytest.mark.parametrize("algorithm", DIGESTS)
@pytest.mark.parametrize("line", ["{}", "{}\n", "{}  a.wav\n", "{} *a.wav", "{}  ./a.wav", "{}  /mnt/x/a.wav\n"])
def test_a_checksum_beside_the_file_is_checked(algorithm: str, line: str, source: Path) -> None:
    record = source / "box" / f"a.wav.{algorithm}"
    record.write_text(line.format(DIGESTS[algorithm].upper()))
    assert supplied(source / "box" / "a.wav", source) == f"{algorithm}:{DIGESTS[algorithm]}"
    assert fetch(source) == DIGESTS["sha256"]
    record.write_text(line.format("0" * len(DIGESTS[algorithm])))
    with pytest.raises(ChecksumMismatch, match=rf"a\.wav is not what its checksum says.*{algorithm} 0000") as caught:
        fetch(source)
    assert caught.value.exit_code == 3 and not caught.value.curable


def test_a_list_of_one_folder_names_its_files(source: Path) -> None:
    record = source / "box" / "a.md5"
    record.write_text(f"{'0' * 32}  other.wav\n{DIGESTS['md5']}  a.wav\n")
    assert supplied(source / "box" / "a.wav", source) == f"md5:{DIGESTS['md5']}"
    record.write_text(DIGESTS["md5"])
    assert supplied(source / "box" / "a.wav", source) is None, "of a.wav or of a.mp3? it does not say"


def test_the_strongest_of_several_is_checked(source: Path) -> None:
    (source / "box" / "a.wav.md5").write_text("0" * 32)
    (source / "box" / "a.wav.sha256").write_text(DIGESTS["sha256"])
    assert fetch(source) == DIGESTS["sha256"]


@pytest.mark.parametrize("algorithm", DIGESTS)
def test_the_manifest_of_a_bag_is_checked(algorithm: str, source: Path) -> None:
    bag = source / "bag"
    (bag / "data" / "side").mkdir(parents=True)
    (bag / "bagit.txt").write_text("BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")
    (bag / "data" / "side" / "a%\n.wav").write_bytes(SOUND)
    manifest = bag / f"manifest-{algorithm}.txt"
    manifest.write_text(f"{DIGESTS[algorithm]}  data/side/a%25%0A.wav\n")
    assert fetch(source, "bag/data/side/a%\n.wav") == DIGESTS["sha256"]
    manifest.write_text(f"{'0' * len(DIGESTS[algorithm])}  data/side/a%25%0a.wav\n# a line longer\n".split("#")[0])
    with pytest.raises(ChecksumMismatch):
        fetch(source, "bag/data/side/a%\n.wav")
    assert supplied(bag / "data" / "other.wav", source) is None


def test_a_bag_above_the_repository_is_not_looked_for(source: Path) -> None:
    (source / "bagit.txt").touch()
    (source / "manifest-md5.txt").write_text(f"{'0' * 32}  box/a.wav\n")
    assert supplied(source / "box" / "a.wav", source / "box") is None
    assert supplied(source / "box" / "a.wav", source) == "md5:" + "0" * 32


def test_what_the_metadata_says_comes_first(source: Path) -> None:
    (source / "box" / "a.wav.md5").write_text("0" * 32)
    assert fetch(source, checksum=f"sha1:{DIGESTS['sha1']}") == DIGESTS["sha256"]
    with pytest.raises(ChecksumMismatch):
        fetch(source, checksum="sha256:" + "0" * 64)


@pytest.mark.parametrize("content", ["no digest", "ab" * 16 + "x  a.wav", "<html>", "0" * 31])
def test_a_record_that_is_none_is_told_and_not_passed_over(content: str, source: Path) -> None:
    (source / "box" / "a.wav.md5").write_text(content)
    with pytest.raises(RepositoryError, match=r"checksums in .*a\.wav\.md5 cannot be read"):
        fetch(source)


def test_without_a_checksum_nothing_is_compared(source: Path) -> None:
    fetched = FolderRepository(source).fetch(Item("a", (Part("box/a.wav"),)))
    assert (fetched.sha256, fetched.checksum, fetched.stat.size) == (sha256_bytes(SOUND), None, len(SOUND))


@pytest.mark.parametrize("digest", ["", "0", "g" * 32, "md5:" + "0" * 40, "sha256:" + "0" * 32])
def test_what_is_no_digest_is_refused(digest: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        normal(digest)


def test_a_digest_is_known_by_its_length() -> None:
    for algorithm, digest in DIGESTS.items():
        assert normal(f" {digest.upper()} ") == f"{algorithm}:{digest}" == normal(digest, algorithm)
        assert normal(f"{algorithm}:{digest}") == f"{algorithm}:{digest}"


@pytest.mark.parametrize("line", ["Secret name.wav", "Secret name.wav  abc", "SHA256 (Secret name.wav) = abc"])
def test_what_cannot_be_understood_is_told_by_its_line_not_by_what_stands_there(line: str, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"sound")
    (tmp_path / "a.sha256").write_text(f"\n{line}\n")
    with pytest.raises(RepositoryError, match=r"a\.sha256.*line 2") as caught:
        FolderRepository(tmp_path).checksum(Item("a", (Part("a.wav"),)))
    assert "Secret" not in str(caught.value)
