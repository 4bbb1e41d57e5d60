"""The login: made once, secret from the first moment, and never taken from a file that others can read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from flows.running.login import GROUP, GROUPS, LETTERS, kept, made, read
from flows.serve import _asks_for
from speechpipe.errors import UsageError


def test_it_is_made_once_and_anew_where_that_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "login"
    first = kept(path)
    assert kept(path) == first == path.read_text().strip()
    second = kept(path, anew=True)
    assert second != first and kept(path) == second
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_it_cannot_be_guessed_and_can_be_read_out() -> None:
    logins = {made() for _ in range(50)}
    assert len(logins) == 50
    for login in logins:
        user, _, password = login.partition(":")
        assert user == "archive" and not set(password) - {*LETTERS, "-"}
        assert [len(group) for group in password.split("-")] == [GROUP] * GROUPS
    assert len(LETTERS) ** (GROUP * GROUPS) > 2**96


def test_a_new_one_never_lies_open_even_for_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes = []
    replace = Path.replace

    def watched(source: Path, target: Path) -> Path:
        modes.append(stat.S_IMODE(source.stat().st_mode))
        return replace(source, target)

    monkeypatch.setattr(Path, "replace", watched)
    before = os.umask(0)
    try:
        kept(tmp_path / "login")
    finally:
        os.umask(before)
    assert modes == [0o600]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o666, 0o610])
def test_a_file_that_others_can_read_or_change_is_refused(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("archive:secret\n")
    path.chmod(mode)
    with pytest.raises(UsageError, match="other users of this machine") as refused:
        read(path)
    assert f"chmod 600 {path}" in str(refused.value) and "secret\n" not in str(refused.value)
    with pytest.raises(UsageError, match="other users"):
        kept(path)
    path.chmod(0o400)
    assert read(path) == "archive:secret"


@pytest.mark.parametrize("text", ["", "\n", "no colon", ":secret", "archive:", "archive:one\narchive:two", "a:\0b"])
def test_a_file_without_a_login_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.touch(0o600)
    path.write_text(text)
    with pytest.raises(UsageError, match="holds no user:password"):
        read(path)


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(UsageError, match="no plain file"):
        read(tmp_path / "pipe")
    with pytest.raises(UsageError, match="Cannot read"):
        read(tmp_path / "nowhere")
    (tmp_path / "latin").write_bytes(b"archive:\xe5\n")
    (tmp_path / "latin").chmod(0o600)
    with pytest.raises(UsageError, match="Cannot read"):
        read(tmp_path / "latin")


def test_it_is_shown_at_a_terminal_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "login"
    monkeypatch.setattr("sys.stdout.isatty", lambda: False)
    assert "secret" not in _asks_for("archive:secret", file) and str(file) in _asks_for("archive:secret", file)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert "archive:secret" in _asks_for("archive:secret", file)
    assert _asks_for(None, file).startswith("NO LOGIN: whoever reaches this address")
