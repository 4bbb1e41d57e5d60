"""An environment of its own for each peer, outside the checkout, with the versions that ``requirements/`` pins."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import venv
from pathlib import Path

PINS = Path(__file__).resolve().parent / "requirements"
_STAMP = ".ready"
_FFMPEG = "import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())"


def ready(folder: Path, name: str) -> Path:
    """The Python of that environment in ``folder``, made anew where its pins changed. Raises CalledProcessError."""
    pins, home = PINS / f"{name}.txt", folder / name
    python, stamp = home / "bin" / "python", home / _STAMP
    wanted = hashlib.sha256(pins.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return python
    print(f"Making the environment of {name} (once; those with torch take some gigabytes) ...", flush=True)
    venv.create(home, with_pip=True, clear=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    told = subprocess.run([*pip, "-r", str(pins)], capture_output=True, text=True)
    if told.returncode:
        print(told.stderr, file=sys.stderr)
        told.check_returncode()
    if "imageio-ffmpeg" in pins.read_text():  # the peers call a program of that name
        program = subprocess.run([str(python), "-c", _FFMPEG], check=True, capture_output=True, text=True)
        (home / "bin" / "ffmpeg").symlink_to(program.stdout.strip())
    stamp.write_text(wanted)
    return python


def version(name: str, package: str) -> str:
    """Which version of ``package`` is pinned there."""
    for line in (PINS / f"{name}.txt").read_text().splitlines():
        found, _, number = line.partition("==")
        if found.strip().lower().replace("_", "-") == package:
            return number.split(";")[0].strip()
    sys.exit(f"requirements/{name}.txt does not pin {package}.")
