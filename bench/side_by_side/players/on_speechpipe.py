"""speechpipe by its command line, all formats and the receipt among it; words are read from its JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from handing_in import hand_in, task


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / 1000


asked = task()
folder, media = Path(asked["folder"]), Path(asked["media"])
decoding = {"device": "device", "compute_type": "compute_type", "threads": "threads", "beam_size": "beam"}
environment = {**os.environ, **{f"SPEECHPIPE_DECODING__{k.upper()}": str(asked[v]) for k, v in decoding.items()}}
if asked["batch"]:
    environment["SPEECHPIPE_DECODING__BATCH_SIZE"] = str(asked["batch"])
command = [sys.executable, "-m", "speechpipe", "transcribe", str(media), "--offline", "--language", "en"]
command += ["--model", asked["model"], "--aligner", asked["aligner"] or "none"]
subprocess.run(
    [*command, "--output", str(folder / "out"), "--workspace", str(folder / "work")], env=environment, check=True
)
found = json.loads((folder / "out" / f"{media.name}.json").read_text(encoding="utf-8"))
words = [word for segment in found["segments"] for word in segment["words"]]
hand_in(
    ((word["text"], _seconds(word["start_ms"]), _seconds(word["end_ms"]), word["confidence"]) for word in words),
    compute_type=asked["compute_type"],
    timing=sorted({str(word["timing"]) for word in words}),
)
