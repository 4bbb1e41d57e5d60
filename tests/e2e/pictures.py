"""Pictures of a web page small enough to be kept: PNGs of at most 256 colours."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import av
import numpy as np

COLOURS = 256


def shrink(path: Path) -> None:
    """Write the PNG anew with a palette of its most frequent colours; any other becomes the nearest of them."""
    with av.open(str(path)) as media:
        pixels = next(media.decode(video=0)).to_ndarray(format="rgb24")
    height, width, _ = pixels.shape
    colours, which, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_inverse=True, return_counts=True)
    palette = colours[np.argsort(counts)[::-1][:COLOURS]]
    distances = np.abs(colours[:, None].astype(np.int16) - palette[None]).sum(axis=2)
    indices = distances.argmin(axis=1)[which.ravel()].astype(np.uint8).reshape(height, width)
    lines = np.pad(indices, ((0, 0), (1, 0)))  # each line begins with its filter, which is none
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = [
        (b"IHDR", header),
        (b"PLTE", palette.tobytes()),
        (b"IDAT", zlib.compress(lines.tobytes(), 9)),
        (b"IEND", b""),
    ]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in chunks))


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
