"""The process that touches foreign media: demuxers and decoders run here, so that none can harm the run it serves.

It reads a JSON line for each request from its standard input and answers on its standard output: blocks of sound, then
one JSON document. It may write no file, and has bounded memory. It ends when its input ends.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from speechpipe.audio.pcm import RATE, sane
from speechpipe.audio.reader import machine
from speechpipe.errors import SpeechpipeError, UnreadableMedia
from speechpipe.files import not_read

#: Heads of messages: kind, and how much follows. A block: channels and samples, as float32, one sample of all channels
#: after the other. A document: 1 and the length of its JSON.
HEAD = struct.Struct("<cII")
BLOCK, DOCUMENT = b"B", b"J"
Blocks = Iterator[NDArray[np.float32]]


def main() -> None:
    answers = _take_stdout()
    machine.limit()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for line in sys.stdin.buffer:
        request = json.loads(line)
        path = Path(os.fsdecode(bytes.fromhex(request["path"])))
        try:
            document = _answer(path, request, answers)
        except SpeechpipeError as error:
            document = {"error": type(error).__name__, "message": error.message, "cure": error.advice}
        _send(answers, DOCUMENT, json.dumps(document).encode("ascii"))


def _answer(path: Path, request: dict[str, Any], answers: BinaryIO) -> dict[str, Any]:
    """Raises SpeechpipeError: the machine did not give the file, or the file is to blame, in this order."""
    from av.error import FFmpegError

    machine.begin()
    try:
        document = HANDLERS[request["do"]](path, request, answers)
    except MemoryError as error:
        machine.check(path)
        machine.check_memory(path)
        raise UnreadableMedia(f"Reading {path} needs more memory than any recording does.") from error
    except Exception as error:
        machine.check(path)
        if isinstance(error, SpeechpipeError):
            raise
        if isinstance(error, OSError) and not isinstance(error, FFmpegError):
            raise not_read(path, error) from error
        # What a library makes of a damaged file can be anything.
        raise UnreadableMedia(f"{path} cannot be read ({type(error).__name__}: {error}).") from error
    machine.check(path)
    return document


def _inspect(path: Path, request: dict[str, Any], answers: BinaryIO) -> dict[str, Any]:
    from speechpipe.audio.reader.inspection import inspection_of

    return asdict(inspection_of(path))


def _spread(path: Path, request: dict[str, Any], answers: BinaryIO) -> dict[str, Any]:
    from speechpipe.audio.reader.readers import reading

    with reading(path, request["stream"]) as reader:
        if reader is None:
            return {"sound": False}
        _send_all(answers, reader.spread())
        # A short stream was read whole: its facts are known, and it need not be read again.
        facts = asdict(reader.source.facts()) if reader.whole else {"declared_ms": reader.source.declared_ms}
        return {"sound": True, "whole": reader.whole, **facts}


def _decode(path: Path, request: dict[str, Any], answers: BinaryIO) -> dict[str, Any]:
    from speechpipe.audio.reader.readers import reading, second_chance

    with reading(path, request["stream"]) as reader:
        if reader is None:
            return {"sound": False}
        source = reader.source
        _send_all(answers, source.blocks())
        if not source.written and source.facts().trouble and (second := second_chance(path)):
            source = second
            _send_all(answers, source.blocks())
        return {"sound": True, **asdict(source.facts())}


HANDLERS: dict[str, Callable[[Path, dict[str, Any], BinaryIO], dict[str, Any]]] = {
    "inspect": _inspect,
    "spread": _spread,
    "decode": _decode,
}


def _send_all(answers: BinaryIO, blocks: Blocks) -> None:
    for block in gathered(blocks):
        content = np.ascontiguousarray(sane(block).T, dtype="<f4")
        answers.write(HEAD.pack(BLOCK, *block.shape))
        answers.write(content.data)


def gathered(blocks: Blocks) -> Blocks:
    """``blocks`` joined to a second or more, since each message has its price; never across a change of channels.

    They lie in memory as they come from the resampler, sample by sample, and are joined like that.
    """
    held: list[NDArray[np.float32]] = []
    samples = 0
    for block in blocks:
        if held and (samples >= RATE or block.shape[0] != held[0].shape[0]):
            yield _joined(held)
            held, samples = [], 0
        held.append(block)
        samples += block.shape[1]
    if held:
        yield _joined(held)


def _joined(held: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    return held[0] if len(held) == 1 else np.concatenate([block.T for block in held]).T


def _send(answers: BinaryIO, kind: bytes, content: bytes) -> None:
    answers.write(HEAD.pack(kind, 1, len(content)))
    answers.write(content)
    answers.flush()


def _take_stdout() -> BinaryIO:
    """The answers' channel; whatever a library prints goes nowhere."""
    answers = os.fdopen(os.dup(1), "wb", buffering=1 << 18)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    return answers


def _end_with_parent() -> None:
    """A decoder that hangs reads no more of its input, so it would not see that its run is gone."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


if __name__ == "__main__":
    main()
