"""Which files are fetched of repositories laid out in many ways."""

from __future__ import annotations

import pytest

from speechpipe.errors import BrokenModel
from speechpipe.registry.fetching.layouts import Remote, plan

CT2 = ("model.bin", "config.json", "vocabulary.json")
HF = ("config.json", "generation_config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json")


def remotes(*names: str, **sizes: int) -> list[Remote]:
    return [Remote(name, sizes.get(name.replace("/", "_").replace(".", "_"), 100)) for name in names]


def fetched(*names: str, hint: str | None = None, **sizes: int) -> dict[str, str]:
    """Where each file goes → what is fetched for it."""
    return {target: remote.path for target, remote in plan("Org/m", remotes(*names, **sizes), hint).files.items()}


def test_ctranslate2_at_the_root() -> None:
    names = (*CT2, *HF, "model.safetensors", "pytorch_model.bin", "ggml-model.bin", "README.md", ".gitattributes")
    expected = {*CT2, "tokenizer.json", "preprocessor_config.json"}
    assert fetched(*names) == {name: name for name in expected}


def test_ctranslate2_in_a_folder_of_any_name_goes_to_ct2() -> None:
    names = [f"ct2-int8/{name}" for name in CT2]
    assert fetched(*names, *HF, "model.safetensors") == {
        **{f"ct2/{name}": f"ct2-int8/{name}" for name in CT2},
        "ct2/tokenizer.json": "tokenizer.json",
        "ct2/preprocessor_config.json": "preprocessor_config.json",
    }


def test_of_two_forms_the_smaller_unless_the_registry_says() -> None:
    names = (*CT2, "tokenizer.json", *(f"ct2/{name}" for name in CT2))
    assert fetched(*names, model_bin=6000, ct2_model_bin=3000)["ct2/model.bin"] == "ct2/model.bin"
    assert fetched(*names, model_bin=3000, ct2_model_bin=6000)["model.bin"] == "model.bin"
    assert fetched(*names, hint=".", model_bin=6000, ct2_model_bin=3000)["model.bin"] == "model.bin"
    assert "ct2/model.bin" in fetched(*names, hint="nowhere", model_bin=6000, ct2_model_bin=3000)


def test_weights_without_a_tokenizer_are_not_fetched() -> None:
    for names in (
        ("config.json", "model.bin", "vocabulary.txt"),
        (*(f"ct2/{name}" for name in CT2), "model.safetensors"),
    ):
        with pytest.raises(BrokenModel, match=r"Org/m holds CTranslate2 weights, but no tokenizer: .*tokenizer\.json"):
            fetched(*names)


def test_letters_of_a_ctc_model_lie_at_the_root() -> None:
    names = [f"ct2/{name}" for name in CT2]
    assert fetched(*names, "vocab.json")["vocab.json"] == "vocab.json"
    assert fetched(*names, "ct2/vocab.json")["vocab.json"] == "ct2/vocab.json"


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        (["model.safetensors", "pytorch_model.bin"], ["model.safetensors"]),
        (
            ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"],
            ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"],
        ),
        (["model.fp32-00001-of-00002.safetensors", "model.safetensors"], ["model.safetensors"]),
        (["pytorch_model.bin", "training_args.bin", "optimizer.pt"], ["pytorch_model.bin"]),
        (
            ["pytorch_model-00001-of-00001.bin", "pytorch_model.bin.index.json"],
            ["pytorch_model-00001-of-00001.bin", "pytorch_model.bin.index.json"],
        ),
        (["model-00001-of-00002.safetensors", "pytorch_model.bin"], ["pytorch_model.bin"]),  # shards without index
    ],
)
def test_transformers_weights_safe_ones_first(weights: list[str], expected: list[str]) -> None:
    planned = plan("Org/m", remotes(*HF, *weights, "merges.txt", "README.md", "modeling_evil.py"))
    assert planned.form == "transformers"
    assert set(planned.files) == {*HF, *expected, "merges.txt"}


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["ggml-model.bin"], "only GGML"),
        (["encoder.onnx", "x.gguf"], "only GGUF, ONNX"),
        (["adapter_model.safetensors"], "an adapter without its model"),
        (["model.nemo"], "NeMo"),
        (["README.md"], "no weights of any kind"),
        (["model.bin", "config.json"], "no weights of any kind"),  # a model.bin without a vocabulary is another's
        (["a/b/model.bin", "a/b/vocabulary.json"], "no weights of any kind"),
        ([], "no weights of any kind"),
    ],
)
def test_nothing_of_use_says_what_there_is(names: list[str], said: str) -> None:
    with pytest.raises(BrokenModel, match=said):
        plan("Org/m", remotes(*names))


def test_small_files_come_first() -> None:
    planned = plan("Org/m", remotes(*CT2, "tokenizer.json", model_bin=1000, config_json=10))
    assert [name for name, _ in planned.in_order] == ["config.json", "vocabulary.json", "tokenizer.json", "model.bin"]
    assert planned.size == 1210
