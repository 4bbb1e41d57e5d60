"""The recipe of the embedded models is whole: domain, one command, held-out voices (training itself needs torch)."""

from __future__ import annotations

import ast
import importlib.util
import random
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def recipes(root: Path) -> Path:
    return root / "models" / "recipes"


@pytest.fixture(scope="module")
def domain(recipes: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("recipe_domain", recipes / "domain.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = writes
    return module


@pytest.mark.parametrize("language", ["en", "no"])
def test_every_sentence_is_made_of_the_vocabulary(domain: ModuleType, language: str) -> None:
    rng, known = random.Random(7), set(domain.vocabulary(language))
    for _ in range(3000):
        words = domain.sentence(rng, language).split()
        assert words
        assert set(words) <= known


@pytest.mark.parametrize(
    ("language", "count", "card_line"), [("en", 156, "156 words of English"), ("no", 67, "67 words of")]
)
def test_the_cards_state_the_vocabulary_that_training_has(
    domain: ModuleType, root: Path, language: str, count: int, card_line: str
) -> None:
    words = domain.vocabulary(language)
    longer = {word for word in words if len(word) > 1}
    assert len(words) == count
    for model in ("whisper-tiny-archive", "wav2vec2-tiny-archive"):
        card = (root / "models" / model / "README.md").read_text(encoding="utf-8")
        assert card_line in card
        assert longer <= set(re.findall(r"\w+", card))


def test_sentences_of_a_seed_are_the_same_every_time(domain: ModuleType) -> None:
    first, second = ([domain.sentence(random.Random(3), "en") for _ in range(50)] for _ in range(2))
    assert first == second


def test_the_one_command_calls_scripts_that_exist_with_options_that_they_have(recipes: Path) -> None:
    command = (recipes / "run.sh").read_text(encoding="utf-8").replace("\\\n", " ")
    say = next(line for line in command.splitlines() if line.startswith("say()"))
    calls = re.findall(r"(?:\$PY|say)( \w+\.py)?( [^\n]*)", command)
    assert len(calls) > 15
    for script, rest in calls:
        name = script.strip() or re.search(r"(\w+\.py)", say)[1]  # type: ignore[index]
        source = (recipes / name).read_text(encoding="utf-8")
        for option in re.findall(r"(?<!\S)(--[a-z0-9-]+)", rest):
            assert f'"{option}"' in source, (name, option)


def test_the_scripts_compile_and_import_only_one_another_and_named_packages(recipes: Path) -> None:
    own = {path.stem for path in recipes.glob("*.py")}
    stated = {
        "torch",
        "transformers",
        "tokenizers",
        "ctranslate2",
        "faster_whisper",
        "jiwer",
        "numpy",
        "scipy",
        "numba",
        "whisper",
        "av",
    }
    for path in sorted(recipes.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), path.name)):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            for name in names:
                top = name.split(".")[0]
                assert top in own | stated | sys.stdlib_module_names, (path.name, name)


def test_no_checkpoint_lies_in_the_repository(recipes: Path) -> None:
    assert not [path.name for path in recipes.rglob("*") if path.suffix in {".pt", ".npy", ".bin"}]


def test_what_is_tested_on_is_held_out_of_training(recipes: Path) -> None:
    corpus = (recipes / "corpus.py").read_text(encoding="utf-8")
    assert 'FSDD_HELD_OUT = ("theo", "yweweler")' in corpus
    assert '"set=an4" in r["note"] and "split=train" in r["note"]' in corpus
    synth = ast.parse((recipes / "synth.py").read_text(encoding="utf-8"))
    values = {
        target.id: node.value
        for node in synth.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    assert "rms" not in ast.literal_eval(values["FLITE_VOICES"])
    call = values["ESPEAK_VARIANTS"]
    assert isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
    trained = ast.literal_eval(call.func.value).split()
    assert not set(trained) & set(ast.literal_eval(values["ESPEAK_HELD_OUT"]))
    assert len(trained) > 70


def test_only_held_out_voices_are_test_sets(recipes: Path) -> None:
    for line in (recipes / "run.sh").read_text(encoding="utf-8").splitlines():
        if line.startswith("say --"):
            assert ("--held-out" in line) == ("--name test_" in line), line
