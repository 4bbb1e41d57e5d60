"""speechpipe beside its peers: same weights, same sound, same threads, compute type and beam, in one run.

    make peers                                    # all; makes environments of some gigabytes the first time
    python bench/peers.py --share 0.1 --rounds 1  # a tenth of the sound, to see that all works; only prints
    python bench/peers.py --peer speechpipe --peer faster-whisper

Each peer runs in an environment of its own below ``--cache``, as a process of its own; what is measured is that whole
process with all that it starts, from its start to its end: loading, recognition, times of words. The sound is made of
the speech collection (``side_by_side/audio.py``). A run that was broken off goes on where it stopped, unless anything
changed that it was about; ``--fresh`` begins anew.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import av
import jiwer

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
RESULTS = ROOT / "bench" / "results" / "peers.json"
PAGE, PLOT = ROOT / "docs" / "speed.md", ROOT / "docs" / "speed.svg"
PLAYERS = ROOT / "bench" / "side_by_side" / "players"
ALIGNER = ROOT / "models" / "wav2vec2-tiny-archive"
MODEL = "whisper-base"
BATCH = 8
#: A process that takes longer than this is stopped.
LIMIT_S = 1200

from bench.borders import Timed, score, tokens  # noqa: E402
from bench.side_by_side import environments, page  # noqa: E402
from bench.side_by_side.audio import RECORDINGS, made  # noqa: E402
from bench.side_by_side.tree import used  # noqa: E402
from speechpipe.files import write_atomically  # noqa: E402


@dataclass(frozen=True)
class Peer:
    """``environment`` also names its pins; speechpipe's own is this one. ``slow``: once, when all others are done.

    ``but``: recordings that take it longer than all else together, so that they must be asked for.
    """

    player: str
    environment: str | None = None
    package: str = ""
    batch: int = 0
    aligner: bool = False
    openai: bool = False
    slow: bool = False
    but: tuple[str, ...] = ()


PEERS = {
    "speechpipe": Peer("on_speechpipe"),
    "speechpipe, CTC aligner": Peer("on_speechpipe", aligner=True),
    "faster-whisper": Peer("on_faster_whisper", "faster-whisper", "faster-whisper"),
    "faster-whisper, batched": Peer("on_faster_whisper", "faster-whisper", "faster-whisper", BATCH),
    "whisperX": Peer("on_whisperx", "whisperx", "whisperx", BATCH, aligner=True, slow=True),
    "easytranscriber": Peer("on_easytranscriber", "easytranscriber", "easytranscriber", BATCH, aligner=True, slow=True),
    "openai-whisper": Peer(
        "on_openai_whisper", "openai-whisper", "openai-whisper", openai=True, slow=True, but=("reel",)
    ),
}
NOTES = (
    "Same weights for all. Each program with a CTC aligner was given the embedded `wav2vec2-tiny-archive`: the far "
    "larger ones that whisperX and easytranscriber fetch were not at hand, so their times of words say nothing of "
    "those. It was taught AN4's commands, which stand in the reel and the film.",
    "whisperX was given sound of unit variance to align, as that model wants and as it does not do by itself; without "
    "its table of abbreviations it cuts sentences otherwise, which changes no word.",
    "easytranscriber was told the compute type and the threads, for which it has no setting.",
    "openai-whisper computes in float32 on a processor, whatever is asked for.",
)


def main() -> int:
    asked = options()
    if asked.table:
        written(json.loads(RESULTS.read_text(encoding="utf-8")))
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Broken off; the next run goes on from here."))
    asked.cache.mkdir(parents=True, exist_ok=True)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: asked.threads])
    peers, names, ct2 = asked.peer or list(PEERS), asked.audio or list(RECORDINGS), weights()
    openai = asked.openai or next(iter(sorted(ct2.parent.rglob(f"*{MODEL}*/**/model.pt"))), None)
    audio = made(asked.cache, asked.speech, names, asked.share)
    settings = {name: getattr(asked, name) for name in ("rounds", "threads", "beam", "compute_type", "share")}
    task = {"model": MODEL, "ct2": str(ct2), "openai": str(openai), "device": "cpu"} | {
        name: settings[name] for name in ("threads", "beam", "compute_type")
    }
    kept = Kept(asked.cache / "runs.json", {**settings, "audio": names, "code": state()}, fresh=asked.fresh)
    pythons = dict(prepared(asked.cache, peers))
    for round_, name, peer in order(asked.rounds, names, peers):
        if kept.has(round_, name, peer):
            continue
        (media, words), python = audio[name], pythons[peer]
        asked_for = bool(asked.audio) or asked.share < 1
        if isinstance(python, Path) and not (why := left_out(PEERS[peer], name, openai, asked_for)):
            run = ran(python, PEERS[peer], {**task, "media": str(media)}, words)
        else:
            run = {"failed": f"not run, {python if isinstance(python, str) else why}"}
        kept.add({"round": round_, "audio": name, "peer": peer, **run})
        print(json.dumps(kept.runs[-1]), flush=True)
    figures = summary(settings, kept.runs, audio, peers)
    print(page.table(figures))
    if asked.write or (asked.share == 1 and not asked.peer and not asked.audio):
        write_atomically(RESULTS, (json.dumps(figures, indent=1, ensure_ascii=False) + "\n").encode())
        written(figures)
    kept.done()
    return int(any(run["failed"] for run in kept.runs if run["peer"].startswith("speechpipe")))


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = Path(os.environ.get("SPEECHPIPE_SHARED", ROOT.parent / "shared"))
    parser.add_argument("--speech", type=Path, default=shared / "speech", help="the speech collection")
    parser.add_argument("--cache", type=Path, default=cache(), help="environments, sound, and runs broken off")
    parser.add_argument("--peer", action="append", choices=list(PEERS), help="only this one; may be given again")
    parser.add_argument("--audio", action="append", choices=list(RECORDINGS), help="only this one; may be given again")
    parser.add_argument("--share", type=float, default=1.0, help="part of each recording's length")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--beam", type=int, default=5)
    parser.add_argument("--compute-type", default="float32", help="float32 is what every peer can compute in")
    parser.add_argument("--openai", type=Path, help="OpenAI's form of the weights (model.pt), else looked for")
    parser.add_argument("--fresh", action="store_true", help="do not go on with a run that was broken off")
    parser.add_argument("--write", action="store_true", help="write the page though only a part was run")
    parser.add_argument("--table", action="store_true", help="write the page from the figures kept")
    return parser.parse_args()


def left_out(peer: Peer, audio: str, openai: Path | None, asked_for: bool) -> str | None:
    """Why a peer is not run on a recording; None where it is."""
    if peer.openai and not openai:
        return f"OpenAI's form of {MODEL} is not in the store of models"
    if audio in peer.but and not asked_for:
        return f"since it takes some ten minutes; with --audio {audio} it is"
    return None


def summary(
    settings: dict[str, Any],
    runs: list[dict[str, Any]],
    audio: dict[str, tuple[Path, list[Timed]]],
    peers: list[str],
) -> dict[str, Any]:
    """What is kept of a whole run, and what the page is made of."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "settings": settings,
        "load": max((run["load"] for run in runs if "load" in run), default=0.0),
        "versions": {
            peer.package: environments.version(peer.environment, peer.package)
            for peer in map(PEERS.__getitem__, peers)
            if peer.environment
        },
        "audio": {
            name: {
                "seconds": seconds(media),
                "words": sum(len(tokens(word.text)) for word in words),
                "known": sum(word.start_ms is not None for word in words),
            }
            for name, (media, words) in audio.items()
        },
        "rows": page.medians(runs),
        "notes": list(NOTES),
        "runs": runs,
    }


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "speechpipe-peers"


def weights() -> Path:
    """The folder of whisper-base in the store of models."""
    told = subprocess.run([sys.executable, "-m", "speechpipe", "models", "show", MODEL, "--json"], capture_output=True)
    facts = json.loads(told.stdout or b"{}")
    if not facts.get("installed"):
        sys.exit(f"The weights are not here; fetch them with: speechpipe models fetch {MODEL}")
    return Path(facts["path"])


def prepared(folder: Path, peers: list[str]) -> Iterator[tuple[str, Path | str]]:
    """The Python of each peer, or why there is none."""
    for name in peers:
        environment = PEERS[name].environment
        try:
            yield name, environments.ready(folder, environment) if environment else Path(sys.executable)
        except subprocess.CalledProcessError as error:
            yield name, f"its environment could not be made ({error.cmd[0]} ended with {error.returncode})"


def order(rounds: int, names: list[str], peers: list[str]) -> Iterator[tuple[int, str, str]]:
    """Each round the other way round, so that none always has the warm or the cold machine; slow peers at the end."""
    for round_ in range(rounds):
        for name in names:
            for peer in peers if round_ % 2 == 0 else peers[::-1]:
                if not PEERS[peer].slow:
                    yield round_, name, peer
    yield from ((0, name, peer) for peer in peers if PEERS[peer].slow for name in names)


def ran(python: Path, peer: Peer, task: dict[str, Any], words: list[Timed]) -> dict[str, Any]:
    """What one process took, and how right it was; ``failed`` says what happened to one that gave no words."""
    with tempfile.TemporaryDirectory(prefix="peers-") as name:
        result, log = Path(name) / "result.json", Path(name) / "log"
        given = {"batch": peer.batch, "aligner": str(ALIGNER) if peer.aligner else None}
        task = {**given, **task, "result": str(result), "folder": name}
        load = os.getloadavg()[0]
        command = [str(python), str(PLAYERS / f"{peer.player}.py"), json.dumps(task)]
        use = used(command, surroundings(python, task["threads"], Path(name)), log, LIMIT_S)
        cost = {"wall_s": use.wall_s, "cpu_s": use.cpu_s, "peak_mib": use.peak_mib, "load": round(load, 1)}
        if use.code != 0 or not result.is_file():
            last = log.read_text(errors="replace").strip().splitlines()[-1:] or ["without a word"]
            why = f"did not end within {LIMIT_S} s" if use.code is None else f"ended with {use.code}: {last[0]}"
            return {**cost, "failed": why.replace(task["media"], Path(task["media"]).name).rstrip(".")}
        found = json.loads(result.read_text(encoding="utf-8"))
    return {**cost, **judged(words, found["words"]), "compute_type": found["compute_type"], "failed": None}


def judged(words: list[Timed], heard: list[dict[str, Any]]) -> dict[str, Any]:
    """WER, words left out, borders, and the share of words with a confidence."""
    said = [token for word in words for token in tokens(word.text)]
    mine = [token for word in heard for token in tokens(word["text"])]
    compared = jiwer.process_words(" ".join(said), " ".join(mine))
    borders = score(words, (Timed(word["text"], word["start_ms"], word["end_ms"]) for word in heard))
    return {
        "wer": round(compared.wer, 4),
        "deleted": compared.deletions,
        "inserted": compared.insertions,
        **borders.as_dict(),
        "confident": round(sum(word["confident"] for word in heard) / len(heard), 3) if heard else None,
    }


def surroundings(python: Path, threads: int, home: Path) -> dict[str, str]:
    """The variables of a run: its programs first, so many threads, no network, nothing kept between runs."""
    threads_of = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SPEECHPIPE_")}
    return {
        **kept,
        **dict.fromkeys(threads_of, str(threads)),
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
        "TORCH_HOME": str(home / "torch"),
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "PYANNOTE_METRICS_ENABLED": "0",
        "TOKENIZERS_PARALLELISM": "false",
    }


def state() -> str:
    """What code is measured, and by what: as committed, and what was changed since."""
    parts = (["rev-parse", "HEAD:speechpipe", "HEAD:bench"], ["diff", "HEAD", "--", "speechpipe", "bench/**/*.py"])
    told = [subprocess.run(["git", *part], cwd=ROOT, capture_output=True).stdout for part in parts]
    return hashlib.sha256(b"".join(told)).hexdigest()


def seconds(media: Path) -> float:
    with av.open(str(media)) as container:
        return round(float(container.duration or 0) / av.time_base, 1)


def machine() -> str:
    """The processor's name and how many of its cores there are."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    named = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{named}, {os.cpu_count()} cores, Python {platform.python_version()}"


def written(figures: dict[str, Any]) -> None:
    """The table and the plot of the first recording, into the page."""
    write_atomically(PLOT, page.plot(figures, next(iter(figures["audio"]))).encode())
    picture = "![Seconds, memory, word error rate and word times of each](speed.svg)"
    content = f"{picture}\n\n{page.table(figures)}"
    whole = page.put(PAGE.read_text(encoding="utf-8"), content, "peers")
    write_atomically(PAGE, whole.encode())


class Kept:
    """Runs so far, on the disk after each; those of another run are dropped."""

    def __init__(self, path: Path, about: dict[str, Any], *, fresh: bool) -> None:
        self._path, self._about = path, about
        before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() and not fresh else {}
        self.runs: list[dict[str, Any]] = before["runs"] if before.get("about") == about else []
        if self.runs:
            print(f"Going on with a run that was broken off after {len(self.runs)} measurements.", flush=True)

    def has(self, round_: int, audio: str, peer: str) -> bool:
        return any((run["round"], run["audio"], run["peer"]) == (round_, audio, peer) for run in self.runs)

    def add(self, run: dict[str, Any]) -> None:
        self.runs.append(run)
        write_atomically(self._path, json.dumps({"about": self._about, "runs": self.runs}).encode())

    def done(self) -> None:
        self._path.unlink(missing_ok=True)


if __name__ == "__main__":
    began = time.monotonic()
    code = main()
    print(f"{(time.monotonic() - began) / 60:.1f} minutes")
    sys.exit(code)
