"""A fresh checkout: its tests need nothing beside it, and what needs the collections is left out aloud or fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

#: In place of make: says what it is asked for, where, with which collections, and what lies beside.
MAKE = '#!/bin/bash\necho "$*|$PWD|${SPEECHPIPE_SHARED-none}|$(ls ..)|$(git rev-parse HEAD)"\n'


def environment(**more: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("SPEECHPIPE_SHARED", "MAKEFLAGS")} | more


def planned(root: Path, target: str, **more: str) -> str:
    """The commands of a target of the Makefile, which are not run."""
    command = ["make", "--dry-run", "--no-print-directory", target]
    return subprocess.run(command, cwd=root, env=environment(**more), capture_output=True, text=True, check=True).stdout


def test_make_test_leaves_out_what_reads_the_collections(root: Path) -> None:
    assert '-m "not extra and not shared and not slow"' in planned(root, "test", SPEECHPIPE_SHARED="/collections")


def test_make_test_all_reads_them_where_they_are_named_and_says_so_where_they_are_not(
    root: Path, tmp_path: Path
) -> None:
    assert '-m "extra or shared or slow"' in planned(root, "test-all", SPEECHPIPE_SHARED="/collections")
    (tmp_path / "alone").mkdir()
    shutil.copy(root / "Makefile", tmp_path / "alone")
    shutil.copytree(root / "requirements", tmp_path / "alone" / "requirements")
    shutil.copy(root / "pyproject.toml", tmp_path / "alone")
    told = planned(tmp_path / "alone", "test-all")
    assert '-m "(extra or slow) and not shared"' in told
    assert told.count("Not run: the tests marked 'shared'") == 1
    (tmp_path / "shared").mkdir()
    assert '-m "extra or shared or slow"' in planned(tmp_path / "alone", "test-all")


def test_collections_that_are_named_and_out_of_reach_fail_the_tests(root: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-m", "shared", "tests/unit/test_formats_reading_webvtt_suite.py"]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider"], cwd=root, capture_output=True, text=True,
        env=environment(SPEECHPIPE_SHARED=str(tmp_path)),
    )  # fmt: skip
    assert done.returncode == 1
    assert f"no collections at {tmp_path}" in done.stdout
    assert "1 error" in done.stdout and "skipped" not in done.stdout


@pytest.mark.parametrize("named", [None, "/collections"])
def test_ci_takes_a_clone_with_nothing_beside_it(named: str | None, root: Path, tmp_path: Path) -> None:
    (tmp_path / "make").write_text(MAKE)
    (tmp_path / "make").chmod(0o755)
    (tmp_path / "temporary").mkdir()
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    env = environment(PATH=path, TMPDIR=str(tmp_path / "temporary"), **({"SPEECHPIPE_SHARED": named} if named else {}))
    done = subprocess.run(
        ["bash", ".ci/run"], cwd=root, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
    )
    rows = [line.split("|") for line in done.stdout.splitlines()]
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=True).stdout
    shared = named or str(root.parent / "shared")
    assert [(target, collections) for target, _, collections, *_ in rows] == [
        ("test", "none"),
        ("test-all", shared),
        ("lint", shared),
    ]
    for _, folder, _, beside, commit in rows:
        assert Path(folder).parent.parent == tmp_path / "temporary"
        assert (beside, commit) == (Path(folder).name, head.strip())
    assert list((tmp_path / "temporary").iterdir()) == []


def test_ci_fails_with_the_first_that_fails(root: Path, tmp_path: Path) -> None:
    (tmp_path / "make").write_text("#!/bin/bash\necho $*\nexit 2\n")
    (tmp_path / "make").chmod(0o755)
    (tmp_path / "temporary").mkdir()
    env = environment(PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}", TMPDIR=str(tmp_path / "temporary"))
    done = subprocess.run(["bash", ".ci/run"], cwd=root, env=env, stdin=subprocess.DEVNULL, capture_output=True)
    assert (done.returncode, done.stdout.split()) == (2, [b"test"])
    assert list((tmp_path / "temporary").iterdir()) == []
