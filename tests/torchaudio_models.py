"""The embedded wav2vec 2.0 as torchaudio has it, and the place on the network where torchaudio would fetch it from."""

from __future__ import annotations

import io
import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.response import addinfourl

from speechpipe.engines.contract import ModelFiles
from tests.ctc_models import TAUGHT

#: Under this name torchaudio knows it while a test runs.
NAME = "WAV2VEC2_ARCHIVE"


def archive(folder: Path) -> ModelFiles:
    """A folder with the bundle, as a fetch leaves it; torchaudio is told of it for good."""
    import torch
    import torchaudio

    state, bundle = translated()
    setattr(torchaudio.pipelines, NAME, bundle)
    folder.mkdir(parents=True)
    torch.save(state, folder / "bundle.pt")
    (folder / "bundle.json").write_text(json.dumps({"bundle": NAME, "family": "wav2vec2-ctc"}))
    return ModelFiles("tiny", folder, "wav2vec2-ctc", "r1", "abc", "CC0-1.0")


def translated(*, aligner: bool = False, path: str = "archive.pt") -> tuple[dict[str, Any], Any]:
    """The weights under torchaudio's names, by its own import, and the bundle; ``aligner``: without a sign for words,
    of the kind of MMS_FA."""
    import torch
    import torchaudio
    from torchaudio.models.wav2vec2.utils import import_huggingface_model
    from transformers import Wav2Vec2ForCTC

    taught = Wav2Vec2ForCTC.from_pretrained(TAUGHT, local_files_only=True)
    state = import_huggingface_model(taught).state_dict()
    ids = json.loads((TAUGHT / "vocab.json").read_text())
    labels = sorted(ids, key=lambda token: int(ids[token]))
    assert labels[0] == "<pad>", "torchaudio's blank comes first"
    kept = [i for i, label in enumerate(labels) if not (aligner and (label == "|" or len(label) > 1)) or i == 0]
    for name in ("aux.weight", "aux.bias"):
        state[name] = state[name][torch.tensor(kept)].clone()
    config = taught.config
    layers = zip(config.conv_dim, config.conv_kernel, config.conv_stride, strict=True)
    params = {
        "extractor_mode": "layer_norm" if config.feat_extract_norm == "layer" else "group_norm",
        "extractor_conv_layer_config": list(layers),
        "extractor_conv_bias": config.conv_bias,
        "encoder_embed_dim": config.hidden_size,
        "encoder_projection_dropout": 0.0,
        "encoder_pos_conv_kernel": config.num_conv_pos_embeddings,
        "encoder_pos_conv_groups": config.num_conv_pos_embedding_groups,
        "encoder_num_layers": config.num_hidden_layers,
        "encoder_num_heads": config.num_attention_heads,
        "encoder_attention_dropout": 0.0,
        "encoder_ff_interm_features": config.intermediate_size,
        "encoder_ff_interm_dropout": 0.0,
        "encoder_dropout": 0.0,
        "encoder_layer_norm_first": config.do_stable_layer_norm,
        "encoder_layer_drop": 0.0,
        "aux_num_out": len(kept),
    }
    kind = torchaudio.pipelines.Wav2Vec2FABundle if aligner else torchaudio.pipelines.Wav2Vec2ASRBundle
    normalise = json.loads((TAUGHT / "preprocessor_config.json").read_text())["do_normalize"]
    names = tuple(labels[i] for i in kept[1:])
    return state, kind(path, params, 16_000, normalise, "Wav2Vec2", names, _remove_aux_axis=())


@contextmanager
def served(content: bytes | Exception) -> Iterator[list[str]]:
    """All that is fetched over https by urllib, as torch does it, is ``content``; gives the addresses asked for."""
    asked = list[str]()

    class Stand(urllib.request.HTTPSHandler):
        def https_open(self, request: urllib.request.Request) -> Any:
            asked.append(request.full_url)
            if isinstance(content, Exception):
                raise content
            headers = Message()
            headers["Content-Length"] = str(len(content))
            answer = addinfourl(io.BytesIO(content), headers, request.full_url, 200)
            answer.msg = "OK"
            return answer

    before = urllib.request._opener  # type: ignore[attr-defined]
    urllib.request.install_opener(urllib.request.build_opener(Stand))
    try:
        yield asked
    finally:
        urllib.request.install_opener(before)
