"""How much ``serve`` lets be in work at once: the models that are installed are counted, not those of the checkout."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows import serve
from speechpipe.registry.storing.store import Store
from tests.stored import put, whisper_files


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[int]:
    sizes: list[int] = []

    def at_once(model_bytes: int, threads: int, gpus: int) -> int:
        sizes.append(model_bytes)
        return 3

    monkeypatch.setattr(serve, "at_once", at_once)
    monkeypatch.setattr(serve, "LEAST_MODEL_BYTES", 1000)
    monkeypatch.setenv("SPEECHPIPE_MODELS_FOLDER", str(tmp_path))
    monkeypatch.setenv("SPEECHPIPE_DECODING__DEVICE", "cpu")
    return sizes


def test_without_fetched_models_a_small_one_is_reckoned_with(asked: list[int]) -> None:
    assert serve._bearable() == 3 and asked == [1000]


def test_the_largest_that_recognises_and_the_largest_that_aligns_are_in_memory_together(
    asked: list[int], tmp_path: Path
) -> None:
    store = Store(tmp_path)
    for name, octets in (("a/large", 50_000), ("b/small", 10_000), ("c/middle", 30_000)):
        put(store, name, whisper_files(**{"vocabulary.txt": bytes(octets)}))
    assert serve._bearable() == 3
    sizes = sorted(lock.size for lock in store.installed())
    assert asked == [sizes[-1] + sizes[-2]] and asked[0] > 80_000
