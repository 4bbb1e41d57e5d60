"""From the hub into the store: whole or not at all, whatever happens on the way."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from speechpipe import installed, registry
from speechpipe.errors import (
    BrokenModel,
    DependencyError,
    HubError,
    LicenceNotAccepted,
    OutputError,
    UnknownModel,
    UsageError,
)
from speechpipe.pipeline import model_fetching
from speechpipe.registry.fetching import conversion
from speechpipe.registry.fetching.fetch import fetch, source_of
from speechpipe.registry.storing import store as stores
from speechpipe.registry.storing.locks import LOCK
from speechpipe.registry.storing.store import Store
from speechpipe.settings import Settings
from tests import hub as stand_in
from tests.hub import LARGE, TOKEN, Hub, national_models

NB = "NbAiLab/nb-whisper-tiny"
KB = "KBLab/kb-whisper-tiny"
ET = "TalTechNLP/whisper-large-v3-turbo-et-verbatim"
WEIGHTS = "model.bin"


@pytest.fixture(scope="module")
def server() -> Iterator[Hub]:
    with stand_in.running() as hub:
        yield hub


@pytest.fixture
def hub(server: Hub, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """The stand-in with the national models and no faults."""
    fresh = Hub(url=server.url, cdn=server.cdn)
    server.__dict__.update(fresh.__dict__)
    national_models(server, installed.models_folder())
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("HF_TOKEN_PATH", "/nonexistent/token")
    return server


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def names(store: Store, name: str) -> set[str]:
    folder = store.folder(name)
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def no_leftovers(store: Store) -> bool:
    return not store.leftovers()


def test_ctranslate2_at_the_root_is_taken_as_it_is(hub: Hub, store: Store) -> None:
    lock = fetch(NB, store).lock
    expected = {"model.bin", "config.json", "vocabulary.json", "tokenizer.json", "preprocessor_config.json"}
    assert names(store, NB) == {*expected, LOCK}
    assert (lock.name, lock.form, lock.family, lock.licence) == (NB, "ct2", "whisper", "apache-2.0")
    assert lock.commit == hub.repositories[NB].revisions["main"]
    assert set(lock.files) == expected
    assert lock.conversion is None
    assert no_leftovers(store)


def test_ctranslate2_in_a_sub_folder_gets_the_tokenizer_from_the_root(hub: Hub, store: Store) -> None:
    fetch(ET, store)
    assert names(store, ET) == {
        LOCK,
        *(f"ct2/{n}" for n in ("model.bin", "config.json", "vocabulary.json", "tokenizer.json")),
        "ct2/preprocessor_config.json",
    }
    found = registry.find(ET, store.root)
    assert (found.path, found.weights) == (store.folder(ET), store.folder(ET) / "ct2")
    assert found.entry is not None
    assert "et" in (found.languages or ())


def test_a_fetched_model_is_found_with_its_commit(hub: Hub, store: Store) -> None:
    with pytest.raises(UnknownModel, match=f"models fetch {NB}"):
        registry.find(NB, store.root)
    lock = fetch(NB, store).lock
    found = registry.find(NB, store.root)
    assert (found.name, found.revision, found.licence) == (NB, lock.commit, "Apache-2.0")
    assert found.lock is not None


def test_what_is_here_is_not_fetched_again(hub: Hub, store: Store) -> None:
    assert fetch(NB, store).new
    hub.asked.clear()
    assert not fetch(NB, store).new
    assert hub.asked == []


def test_the_first_fetch_locks_the_revision_until_an_update(hub: Hub, store: Store) -> None:
    first = fetch(NB, store).lock
    newer = hub.add(NB, hub.repositories[NB].commits[first.commit] | {"new.txt": b""})
    assert newer != first.commit
    (store.folder(NB) / "config.json").unlink()  # so that it must be fetched again
    assert fetch(NB, store).lock.commit == first.commit
    assert fetch(NB, store, update=True).lock.commit == newer
    assert no_leftovers(store)


@pytest.mark.parametrize("how", ["@", "option"])
def test_a_revision_is_a_model_of_its_own(how: str, hub: Hub, store: Store) -> None:
    commit = hub.add(KB, hub.repositories[KB].commits[hub.repositories[KB].revisions["main"]], revision="subtitle")
    lock = fetch(f"{KB}@subtitle", store).lock if how == "@" else fetch(KB, store, revision="subtitle").lock
    assert (lock.name, lock.commit, lock.revision) == (f"{KB}@subtitle", commit, "subtitle")
    assert registry.find(f"{KB}@subtitle", store.root).revision == commit
    with pytest.raises(UnknownModel):
        registry.find(KB, store.root)


def test_large_files_come_without_the_token(hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    fetch(NB, store)
    assert any(path.startswith("/cdn/") for _, path, _ in hub.asked)
    assert hub.leaked == []


def test_a_line_that_is_cut_is_gone_on_with(hub: Hub, store: Store) -> None:
    hub.cuts[WEIGHTS] = 12_000_000
    fetch(NB, store)
    spans = hub.downloads(WEIGHTS)
    assert spans[0] is None
    assert spans[-1] is not None
    assert spans[-1] != "bytes=0-"
    store.verify(NB)


def test_a_later_fetch_goes_on_where_the_first_broke_off(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.cuts[WEIGHTS] = 11_000_000

    def gone(*_: object) -> None:
        hub.broken = 503

    # huggingface_hub sleeps before it tries again by itself: then the hub is gone.
    monkeypatch.setattr("time.sleep", gone)
    with pytest.raises(HubError, match="503"):
        fetch(NB, store)
    assert not store.folder(NB).exists()
    (part,) = store.root.rglob("*.part")
    begun = part.stat().st_size
    assert 0 < begun <= 11_000_000
    hub.broken = None
    hub.asked.clear()
    fetch(NB, store)
    assert hub.downloads(WEIGHTS)[-1] == f"bytes={begun}-"
    assert not any(path.endswith("tokenizer.json") for method, path, _ in hub.asked if method == "GET")
    store.verify(NB)
    assert no_leftovers(store)


def test_a_server_that_cannot_resume_sends_all_again(hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub.cuts[WEIGHTS], hub.ignores_range = 12_000_000, True
    fetch(NB, store)
    store.verify(NB)


def test_wrong_bytes_are_refused_and_not_kept(hub: Hub, store: Store) -> None:
    for spoiled in ("config.json", "tokenizer.json"):  # one outside LFS, one in it
        hub.spoiled = {spoiled}
        with pytest.raises(HubError, match=f"{spoiled}.*digest differs"):
            fetch(NB, store)
        assert store.installed() == []
        assert not list(store.root.rglob(spoiled + "*"))
    hub.spoiled = set()
    assert fetch(NB, store).new


def test_an_unknown_name_offers_near_ones(hub: Hub, store: Store) -> None:
    with pytest.raises(UnknownModel, match=NB):
        fetch("NbAiLab/nb-whisper-tinny", store)
    with pytest.raises(UnknownModel, match="whisper-tiny-archive"):
        fetch("whisper-tiny-archiv", store)
    with pytest.raises(UnknownModel, match="renamed or withdrawn.*private.*HF_TOKEN") as caught:
        fetch("syvai/hviske-v2", store)
    assert "Did you mean" not in str(caught.value)
    assert store.installed() == []
    assert store.leftovers() == []


def test_an_unknown_revision_is_said(hub: Hub, store: Store) -> None:
    with pytest.raises(UnknownModel, match="no revision nightly"):
        fetch(f"{NB}@nightly", store)


def test_an_embedded_model_is_not_fetched(store: Store) -> None:
    with pytest.raises(UsageError, match="travels with speechpipe"):
        fetch("whisper-tiny-archive", store)


@pytest.mark.parametrize("token", [None, "hf_of-somebody-else"])
def test_a_gated_repository_says_how_to_get_in(
    token: str | None, hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repositories[NB].gated = True
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(HubError, match=r"gated.*Accept its conditions at .*settings/tokens.*HF_TOKEN"):
        fetch(NB, store)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert fetch(NB, store).new


def test_a_hub_that_does_not_answer(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(HubError, match="cannot be reached.*HF_ENDPOINT"):
            fetch(NB, store)


@pytest.mark.parametrize("status", [500, 429])
def test_a_hub_in_trouble(status: int, hub: Hub, store: Store) -> None:
    hub.broken = status
    with pytest.raises(HubError, match=str(status)) as caught:
        fetch(NB, store)
    assert caught.value.curable


def test_offline_opens_no_socket(hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch(KB, store)

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", forbidden)
    monkeypatch.setattr(socket, "create_connection", forbidden)
    assert not fetch(KB, store, offline=True).new
    with pytest.raises(UsageError, match="network is forbidden.*models import"):
        fetch(NB, store, offline=True)
    with pytest.raises(UsageError, match="network is forbidden"):
        fetch(KB, store, offline=True, update=True)


def test_a_full_disk_is_said_before_anything_is_fetched(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")._replace(free=90 << 20)
    monkeypatch.setattr(stores.shutil, "disk_usage", lambda path: usage)
    assert fetch(NB, store).new  # 18 MB fit beside the reserve of 64 MB
    monkeypatch.setattr(stores.shutil, "disk_usage", lambda path: usage._replace(free=70 << 20))
    with pytest.raises(OutputError, match=r"needs .* MB .* 73\.4 MB are free.*models_folder"):
        fetch(KB, store)
    assert hub.downloads(WEIGHTS) == [None, None]  # once at the hub, once at its delivery network, for the first only


def test_a_disk_that_fills_up_on_the_way(hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def full(part: Path) -> Iterator[object]:
        with Path("/dev/full").open("wb", buffering=0) as file:
            yield file

    monkeypatch.setattr("speechpipe.registry.fetching.hub._open", full)
    with pytest.raises(OutputError, match="No space is left for"):
        fetch(NB, store)
    assert store.installed() == []
    monkeypatch.undo()
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    assert fetch(NB, store).new


def test_an_altered_file_is_named_and_fetched_again(hub: Hub, store: Store) -> None:
    fetch(NB, store)
    weights = store.folder(NB) / WEIGHTS
    state = weights.stat()
    weights.write_bytes(b"\0" * state.st_size)
    with pytest.raises(BrokenModel, match=rf"model\.bin.*altered.*models fetch {NB}"):
        store.verify(NB)
    with pytest.raises(BrokenModel, match=r"model\.bin"):
        registry.find(NB, store.root)
    assert fetch(NB, store).new
    assert registry.find(NB, store.root)


def test_a_file_altered_with_its_date_kept_is_found_by_the_fast_look_too(hub: Hub, store: Store) -> None:
    fetch(NB, store)
    tokenizer = store.folder(NB) / "tokenizer.json"
    state = tokenizer.stat()
    content = tokenizer.read_bytes()
    tokenizer.write_bytes(content.replace(b"a", b"b", 1))
    os.utime(tokenizer, ns=(state.st_atime_ns, state.st_mtime_ns))
    with pytest.raises(BrokenModel, match=r"tokenizer\.json.*altered"):
        registry.find(NB, store.root)
    with pytest.raises(BrokenModel, match=r"tokenizer\.json.*altered"):
        store.verify(NB)
    tokenizer.write_bytes(content)  # a new time, but whole: digested, and found so
    registry.find(NB, store.root)


@pytest.mark.parametrize("gone", ["tokenizer.json", "preprocessor_config.json", LOCK])
def test_a_missing_file_is_named(gone: str, hub: Hub, store: Store) -> None:
    fetch(NB, store)
    (store.folder(NB) / gone).unlink()
    if gone == LOCK:  # then it is a folder like any that a user brings
        assert store.installed() == []
        return
    with pytest.raises(BrokenModel, match=rf"{gone}.*missing"):
        registry.find(NB, store.root)


def test_a_repository_without_a_tokenizer_is_refused(hub: Hub, store: Store) -> None:
    files = dict(hub.repositories[NB].commits[hub.repositories[NB].revisions["main"]])
    del files["tokenizer.json"]
    hub.add("Org/no-tokenizer", files)
    with pytest.raises(BrokenModel, match=r"tokenizer\.json"):
        fetch("Org/no-tokenizer", store)
    assert store.installed() == []


def test_a_missing_preprocessor_configuration_is_made_from_the_weights(hub: Hub, store: Store) -> None:
    files = dict(hub.repositories[NB].commits[hub.repositories[NB].revisions["main"]])
    del files["preprocessor_config.json"]
    hub.add("Org/no-preprocessor", files)
    lock = fetch("Org/no-preprocessor", store).lock
    made = json.loads((store.folder("Org/no-preprocessor") / "preprocessor_config.json").read_text())
    assert made["feature_size"] == 80
    assert "preprocessor_config.json" in lock.files


def test_a_repository_with_nothing_of_use_says_what_there_is(hub: Hub, store: Store) -> None:
    hub.add("Org/ggml", {"ggml-model.bin": bytes(LARGE), "config.json": b"{}"})
    with pytest.raises(BrokenModel, match="GGML"):
        fetch("Org/ggml", store)


def test_a_model_without_a_head_is_refused_before_its_weights_are_fetched(hub: Hub, store: Store) -> None:
    config = {"model_type": "wav2vec2", "architectures": ["Wav2Vec2ForPreTraining"]}
    files = {"config.json": json.dumps(config).encode(), "model.safetensors": bytes(9 << 20), "vocab.json": b"{}"}
    hub.add("Org/pretrained", files)
    with pytest.raises(BrokenModel, match="no CTC head"):
        fetch("Org/pretrained", store)
    assert hub.downloads("model.safetensors") == []


def test_what_cannot_be_converted_here_is_said_before_the_weights_are_fetched(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion.util, "find_spec", lambda name: None)
    with pytest.raises(DependencyError, match=r"transformers and torch.*pip install 'speechpipe\[transformers\]'"):
        fetch(f"{KB}@strict", store)
    assert hub.downloads("model.safetensors") == []


def test_a_layout_that_ctranslate2_cannot_run_stays_as_it_is(hub: Hub, store: Store) -> None:
    config = {"model_type": "wav2vec2", "architectures": ["Wav2Vec2ForCTC"], "feat_extract_norm": "group"}
    files = {"config.json": json.dumps(config).encode(), "model.safetensors": bytes(9 << 20), "vocab.json": b"{}"}
    hub.add("facebook/wav2vec2-base-960h", {**files, "pytorch_model.bin": bytes(LARGE)})
    lock = fetch("facebook/wav2vec2-base-960h", store).lock
    assert (lock.form, lock.family) == ("transformers", "wav2vec2-ctc")
    assert set(lock.files) == {"config.json", "model.safetensors", "vocab.json"}


def test_names_that_lead_elsewhere_are_left_out(hub: Hub, store: Store) -> None:
    files = dict(hub.repositories[NB].commits[hub.repositories[NB].revisions["main"]])
    hub.add("Org/wicked", {**files, "../../outside.json": b"{}", "/etc/x.json": b"{}"})
    fetch("Org/wicked", store)
    assert not list(store.root.parent.rglob("outside.json"))


@pytest.mark.parametrize("name", ["../x/y", "Org/../y", "Org/x/y", "Org/", "/Org/x", "Org/x@../y", "-x/y"])
def test_a_name_cannot_lead_out_of_the_store(name: str, store: Store) -> None:
    with pytest.raises(UnknownModel):
        fetch(name, store)
    assert not list(store.root.parent.glob("[xy]*"))


def test_progress_is_told_in_bytes(hub: Hub, store: Store) -> None:
    told: list[tuple[str, int, int]] = []
    lock = fetch(NB, store, progress=lambda *report: told.append(report)).lock
    assert told[0] == ("fetch", 0, lock.size)
    assert told[-1] == ("fetch", lock.size, lock.size)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)


def fetcher(root: Path, hub: Hub) -> subprocess.Popen[str]:
    program = (
        "from pathlib import Path\n"
        "from speechpipe.registry.fetching.fetch import fetch\n"
        "from speechpipe.registry.storing.store import Store\n"
        f"print(fetch({NB!r}, Store(Path({str(root)!r}))).new)\n"
    )
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)


def test_killed_in_the_middle_nothing_is_taken_for_a_model_and_the_rest_is_resumed(hub: Hub, store: Store) -> None:
    hub.slowness = 0.02
    process = fetcher(store.root, hub)
    deadline = time.monotonic() + 240
    while not (parts := [p for p in store.root.rglob("model.bin.part") if p.stat().st_size]):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    hub.slowness = 1  # it is not at its end before the signal comes
    process.send_signal(signal.SIGKILL)
    process.communicate()
    begun = parts[0].stat().st_size
    assert 0 < begun < 15_000_000
    assert store.installed() == []
    with pytest.raises(UnknownModel):
        registry.find(NB, store.root)
    hub.slowness, _ = 0, hub.asked.clear()
    assert fetch(NB, store).new
    assert hub.downloads(WEIGHTS)[-1] == f"bytes={begun}-"
    store.verify(NB)


def test_two_processes_that_fetch_at_once_fetch_once(hub: Hub, store: Store) -> None:
    hub.slowness = 0.002
    processes = [fetcher(store.root, hub) for _ in range(2)]
    answers = sorted(process.communicate()[0].strip() for process in processes)
    assert answers == ["False", "True"]
    assert len(hub.downloads(WEIGHTS)) == 2  # at the hub, then at its delivery network
    store.verify(NB)


def test_who_waits_is_told(hub: Hub, store: Store) -> None:
    told: list[str] = []
    path = store.root / ".locks" / NB.replace("/", "%2F")
    path.parent.mkdir(parents=True)
    with path.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        threading.Timer(0.3, lambda: fcntl.flock(held, fcntl.LOCK_UN)).start()
        fetch(NB, store, progress=lambda stage, *_: told.append(stage))
        assert told[0] == "wait"


def test_the_registry_tells_repository_and_branch() -> None:
    assert (source_of(NB).repository, source_of(NB).revision) == (NB, None)
    subtitle = source_of("KBLab/kb-whisper-large@subtitle")
    assert (subtitle.repository, subtitle.revision) == ("KBLab/kb-whisper-large", "subtitle")
    assert subtitle.entry is not None
    unregistered = source_of("Somebody/model@v1.0")
    assert (unregistered.repository, unregistered.revision, unregistered.entry) == ("Somebody/model", "v1.0", None)


def ready(hub: Hub) -> dict[str, Path | bytes]:
    """The files of a repository that holds CTranslate2's form alone."""
    files = hub.repositories[NB].commits[hub.repositories[NB].revisions["main"]]
    names = ("model.bin", "config.json", "vocabulary.json", "tokenizer.json", "preprocessor_config.json")
    return {name: files[name] for name in names}


def test_a_publishers_other_repository_is_taken_where_the_registry_names_it(hub: Hub, store: Store) -> None:
    name = "Finnish-NLP/whisper-large-finnish-v3"
    commit = hub.add(f"{name}-ct2", ready(hub), licence="apache-2.0")
    lock = fetch(name, store).lock
    assert (lock.name, lock.repository, lock.commit) == (name, f"{name}-ct2", commit)
    assert registry.find(name, store.root).revision == commit
    (store.folder(name) / "config.json").unlink()
    assert fetch(name, store).lock.repository == f"{name}-ct2"


def test_a_third_partys_form_serves_only_where_nothing_converts(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, third = "openai/whisper-tiny", "Systran/faster-whisper-tiny"
    repository = hub.repositories[KB]
    hub.add(name, dict(repository.commits[repository.revisions["strict"]]))
    hub.add(third, ready(hub))
    monkeypatch.setattr(conversion, "missing_packages", lambda: ["torch"])
    lock = fetch(name, store).lock
    assert (lock.repository, lock.conversion) == (third, None)
    monkeypatch.setattr(conversion, "missing_packages", list)
    asked: list[str] = []

    def convert(source: Path, target: Path, kind: str) -> dict[str, str]:
        asked.append(kind)
        shutil.copytree(installed.models_folder() / "whisper-tiny-archive" / "ct2", target / "ct2")
        return {"ctranslate2": "4"}

    monkeypatch.setattr(conversion, "convert", convert)
    lock = fetch(name, store, update=True, device="cpu").lock
    assert lock.repository == name
    assert asked == ["int8"]
    assert lock.conversion is not None
    assert "model.safetensors" in lock.conversion.source
    assert "model.safetensors" not in lock.files
    store.verify(name)


def test_a_repository_that_holds_another_family_than_the_registry_says(hub: Hub, store: Store) -> None:
    hub.add("NbAiLab/nb-wav2vec2-300m-nynorsk", ready(hub))
    with pytest.raises(BrokenModel, match="holds a whisper model, not a wav2vec2-ctc one"):
        fetch("NbAiLab/nb-wav2vec2-300m-nynorsk", store)
    assert store.installed() == []


def test_what_nothing_runs_is_not_fetched(hub: Hub, store: Store) -> None:
    with pytest.raises(UsageError, match="cannot be used"):
        fetch("LeBenchmark/wav2vec2-FR-14K-large", store)
    assert hub.asked == []


@pytest.mark.parametrize("kind", ["html", "no commit", "no digests"])
def test_what_is_no_hub_is_said(kind: str, hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import HfApi, ModelInfo

    def answer(*_: object, **__: object) -> ModelInfo:
        if kind == "html":
            raise json.JSONDecodeError("Expecting value", "<html>", 0)
        siblings = [{"rfilename": "model.bin"}]
        return ModelInfo(id=NB, sha="a" * 40 if kind == "no digests" else None, siblings=siblings)

    monkeypatch.setattr(HfApi, "model_info", answer)
    with pytest.raises(HubError, match="HF_ENDPOINT"):
        fetch(NB, store)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (NB, True),
        ("Org/model@refs/pr/1", True),
        ("whisper-tiny-archive", False),
        ("./Org/model", False),
        ("../Org/model", False),
        ("~/model", False),
        ("/Org/model", False),
        ("a/b/c", False),
        ("here/model", False),
    ],
)
def test_what_may_be_a_path_is_no_id_of_the_hub(
    name: str, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    assert model_fetching.is_of_the_hub(name) is expected


def test_what_settings_name_is_fetched_and_nothing_else(hub: Hub, store: Store) -> None:
    told: list[str] = []
    settings = Settings(model=KB, aligner="auto", models={"et": ET}, models_folder=store.root)
    model_fetching.obtain(settings.with_(offline=True))
    assert hub.asked == []
    model_fetching.obtain(settings, lambda name, stage, done, total: told.append(name))
    assert [lock.name for lock in store.installed()] == [KB, ET]
    assert list(dict.fromkeys(told)) == [KB, ET]
    hub.asked.clear()
    model_fetching.obtain(settings)
    assert hub.asked == []


def test_what_states_no_licence_is_not_fetched_unasked_what_nobody_verified_is(hub: Hub, store: Store) -> None:
    """The card may tell what the registry does not know; of the other it is known that it tells nothing."""
    none, unverified = "FremyCompany/xls-r-2b-nl-v2_lm-5gram-os", "RASMUS/whisper-large-v3-turbo-finnish-ct2"
    hub.asked.clear()
    with pytest.raises(LicenceNotAccepted, match="comes without a licence"):
        model_fetching.obtain(Settings(model=none, models_folder=store.root))
    assert hub.asked == []
    hub.add(unverified, ready(hub), licence="mit")
    model_fetching.obtain(Settings(model=unverified, models_folder=store.root))
    assert [lock.licence for lock in store.installed()] == ["mit"]


def test_a_name_that_people_know_is_fetched_but_for_a_folder_of_that_name(
    hub: Hub, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "turbo").mkdir()
    (tmp_path / "turbo" / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    hub.asked.clear()
    model_fetching.obtain(Settings(model="turbo", models_folder=store.root))
    assert hub.asked == []
    hub.add("openai/whisper-small", ready(hub))
    model_fetching.obtain(Settings(model="small", models_folder=store.root))
    assert [lock.name for lock in store.installed()] == ["openai/whisper-small"]
