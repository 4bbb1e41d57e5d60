"""CTC models that nobody trained, in the form of those that people have: tiny, random, the same each time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from speechpipe.engines.contract import ModelFiles

ROOT = Path(__file__).resolve().parents[1]
TAUGHT = ROOT / "models" / "wav2vec2-tiny-archive"
_SIZE = {
    "vocab_size": 34,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def bert(folder: Path, *, adapter: bool = False) -> ModelFiles:
    """Wav2Vec2-BERT: hears log-mel features; with an adapter a frame each 40 ms instead of 20."""
    from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2BertConfig, Wav2Vec2BertForCTC

    config = Wav2Vec2BertConfig(
        **_SIZE, feature_projection_input_dim=160, add_adapter=adapter, output_hidden_size=32, num_adapter_layers=1
    )
    return _saved(folder, "wav2vec2-bert-ctc", lambda: Wav2Vec2BertForCTC(config), SeamlessM4TFeatureExtractor())


def hubert(folder: Path, *, norm: str = "group") -> ModelFiles:
    """HuBERT in the layout of its base model: group norm in front, trained without a mask."""
    from transformers import HubertConfig, HubertForCTC

    return _saved(folder, "hubert-ctc", lambda: HubertForCTC(HubertConfig(**_SIZE, **_samples(norm))), _normalised())


def wav2vec2(folder: Path, *, norm: str = "group", adapter: bool = False) -> ModelFiles:
    """wav2vec 2.0 in the layout of its base model, or with an adapter."""
    from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

    config = Wav2Vec2Config(**_SIZE, **_samples(norm), add_adapter=adapter, output_hidden_size=32, num_adapter_layers=1)
    return _saved(folder, "wav2vec2-ctc", lambda: Wav2Vec2ForCTC(config), _normalised())


def _samples(norm: str) -> dict[str, Any]:
    stable = norm == "layer"
    return {
        "conv_dim": (16,) * 7,
        "feat_extract_norm": norm,
        "do_stable_layer_norm": stable,
        "conv_bias": stable,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 4,
    }


def _normalised() -> Any:
    from transformers import Wav2Vec2FeatureExtractor

    return Wav2Vec2FeatureExtractor(return_attention_mask=False)


def _saved(folder: Path, family: str, build: Callable[[], Any], features: Any) -> ModelFiles:
    import torch

    folder.mkdir(parents=True)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = build()
        # Without training all letters are equally likely all the time: make it say something.
        model.lm_head.weight.data *= 100
    model.save_pretrained(folder)
    features.save_pretrained(folder)
    for name in ("vocab.json", "tokenizer_config.json"):
        shutil.copy(TAUGHT / name, folder)
    assert json.loads((folder / "vocab.json").read_text())["<pad>"] == 0
    return ModelFiles("tiny", folder, family, "r1", "abc", "CC0-1.0")
