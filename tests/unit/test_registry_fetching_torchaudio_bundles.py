"""What torchaudio publishes comes into the store by torchaudio's own code; only the network is a stand-in."""

from __future__ import annotations

import errno
import io
import pickle
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from speechpipe import Settings, Transcriber, registry, transcribe
from speechpipe.errors import BrokenModel, DependencyError, HubError, LicenceNotAccepted, OutputError, UsageError
from speechpipe.registry.fetching.fetch import fetch, source_of
from speechpipe.registry.storing import bundles
from speechpipe.registry.storing.folders import check
from speechpipe.registry.storing.store import Store
from tests import torchaudio_models
from tests.torchaudio_models import served

FRENCH = "torchaudio/VOXPOPULI_ASR_BASE_10K_FR"
FORBIDDEN = "CC-BY-NC-4.0"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def french(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The weights at torchaudio's address, of the size of the embedded model."""
    import torch
    import torchaudio

    state, bundle = torchaudio_models.translated(path="wav2vec2_voxpopuli_base_10k_asr_fr.pt")
    monkeypatch.setattr(torchaudio.pipelines, "VOXPOPULI_ASR_BASE_10K_FR", bundle)
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


@pytest.mark.extra
def test_it_is_fetched_locked_found_and_heard(french: bytes, store: Store, root: Path) -> None:
    told = list[tuple[str, int, int]]()
    with served(french) as asked:
        fetched = fetch(FRENCH, store, progress=lambda *news: told.append(news))
    assert [url.rsplit("/", 1)[1] for url in asked] == ["wav2vec2_voxpopuli_base_10k_asr_fr.pt"]
    lock = fetched.lock
    assert fetched.new and (lock.name, lock.form, lock.family) == (FRENCH, "torchaudio", "wav2vec2-ctc")
    assert set(lock.files) == {"bundle.json", "bundle.pt"}
    assert lock.commit == lock.files["bundle.pt"].sha256, "there is no commit: the weights stand for themselves"
    assert told[0][0] == "fetch" and not store.leftovers()
    with served(OSError("no network")) as asked:
        assert not fetch(FRENCH, store).new and not asked
    with pytest.raises(LicenceNotAccepted, match=FORBIDDEN):
        registry.find(FRENCH, store.root, accepted=())
    settings = Settings.load(
        model=FRENCH, models_folder=store.root, accepted_licences=[FORBIDDEN], workspace=store.root.parent / "work"
    )
    transcriber = Transcriber(settings)
    assert transcriber.engine_name == "torchaudio" and transcriber.aligner_model is not None
    said = " ".join(
        segment.text for segment in transcribe(root / "sample_audio" / "slate.wav", settings=settings).segments
    )
    assert "recorded in bergen" in said


@pytest.mark.extra
def test_it_is_carried_to_another_machine(french: bytes, store: Store, tmp_path: Path) -> None:
    with served(french):
        lock = fetch(FRENCH, store).lock
    bundles.export([FRENCH], store, tmp_path / "models.tar")
    (brought,) = bundles.import_(tmp_path / "models.tar", Store(tmp_path / "other"))
    assert brought.without_times().files == lock.without_times().files
    assert registry.find(FRENCH, tmp_path / "other", accepted=(FORBIDDEN,)).family == "wav2vec2-ctc"


@pytest.mark.extra
def test_what_lies_in_the_store_is_watched(french: bytes, store: Store) -> None:
    with served(french):
        fetch(FRENCH, store)
    weights = store.folder(FRENCH) / "bundle.pt"
    content = bytearray(weights.read_bytes())
    content[-100] ^= 1
    weights.write_bytes(content)
    with pytest.raises(BrokenModel, match="altered"):
        registry.find(FRENCH, store.root, accepted=(FORBIDDEN,))
    with served(french) as asked:
        assert fetch(FRENCH, store).new and asked, "fetched again"


def a_pickle(_: bytes) -> bytes:
    return pickle.dumps(print, protocol=2)


@pytest.mark.extra
@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (lambda good: urllib.error.URLError("no route"), HubError),
        (lambda good: OSError(errno.ECONNRESET, "reset"), HubError),
        (lambda good: OSError(errno.ENOSPC, "full"), OutputError),
        (lambda good: good[: len(good) // 2], BrokenModel),
        (lambda good: b"<html>moved</html>", BrokenModel),
        (lambda good: b"", BrokenModel),
        (a_pickle, BrokenModel),
    ],
    ids=["no network", "reset", "disk full", "cut short", "a page", "nothing", "code"],
)
def test_what_goes_wrong_is_said_and_leaves_nothing(
    french: bytes, store: Store, sent: Callable[[bytes], Any], error: type[Exception]
) -> None:
    with served(sent(french)), pytest.raises(error):
        fetch(FRENCH, store)
    assert not store.installed()
    with served(french):
        assert fetch(FRENCH, store).new, "what was left does no harm"


@pytest.mark.extra
def test_the_wrong_model_under_the_name_is_refused(
    french: bytes, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torchaudio

    _, other = torchaudio_models.translated(aligner=True)
    monkeypatch.setattr(torchaudio.pipelines, "VOXPOPULI_ASR_BASE_10K_FR", other)
    with served(french), pytest.raises(BrokenModel, match="not its weights"):
        fetch(FRENCH, store)


@pytest.mark.extra
def test_every_bundle_of_the_registry_is_one_that_torchaudio_has() -> None:
    import torchaudio

    named = {entry.bundle: entry for entry in registry.list_models() if entry.bundle}
    assert len(named) == 6
    for name, entry in named.items():
        bundle = getattr(torchaudio.pipelines, str(name))
        assert bundle.sample_rate == 16_000
        assert ("|" in bundle.get_labels()) == ("asr" in entry.roles), "without a sign between words it only aligns"
        parts = bundle._params
        million = parts["encoder_num_layers"] * parts["encoder_embed_dim"] ** 2 * 12 / 1e6
        assert entry.parameters is not None and million < entry.parameters / 1e6 < million + 20


def test_without_torchaudio_the_command_is_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torchaudio", None)
    with pytest.raises(DependencyError) as refused:
        fetch(FRENCH, store)
    assert 'pip install "speechpipe[torchaudio]"' in refused.value.advice


def test_there_are_no_revisions_of_it() -> None:
    assert source_of(FRENCH).entry is not None
    with pytest.raises(UsageError, match="no revisions"):
        source_of(FRENCH, "main")


@pytest.mark.parametrize("content", ['{"bundle": "X"}', '{"bundle": "X", "family": "whisper"}', "[]", "not json"])
def test_a_folder_that_does_not_say_what_it_is(tmp_path: Path, content: str) -> None:
    (tmp_path / "bundle.pt").write_bytes(b"x")
    with pytest.raises(BrokenModel, match=r"bundle\.json"):
        check(tmp_path)
    (tmp_path / "bundle.json").write_text(content)
    with pytest.raises(BrokenModel, match=r"bundle\.json"):
        check(tmp_path)
