"""Makes training batches: clips of one speaker set one after another, then damaged as old recordings are.

A batch is composed on the fly, so no two are alike:
  Corpus(...).batch(seconds, size) -> Batch(audio, seconds per item, segments, phones, languages, engines)
"""
import json
import os
import random
from dataclasses import dataclass, field

import numpy as np
import torch

from synth import RATE, trim

CHARS = "|abcdefghijklmnopqrstuvwxyzæøå"
# Share of each source in the batches. "real:" sources come from --real's MANIFEST.jsonl.
SOURCES = {"espeak_en": 0.25, "flite_slt": 0.04, "flite_awb": 0.04, "flite_kal": 0.03, "flite_slt_pitch": 0.06,
           "flite_awb_pitch": 0.06, "flite_kal_pitch": 0.04, "fest_ked": 0.05, "fest_kal": 0.03, "fest_slt": 0.04, "espeak_no": 0.08,
           "real:an4": 0.13, "real:an4words": 0.09, "real:fsdd": 0.08}
FSDD_HELD_OUT = ("theo", "yweweler")


def read_audio(path):
    """A short recording (WAV, FLAC, ...) as float32 at 16 kHz, in the range of int16."""
    import av
    resampler, parts = av.AudioResampler("s16", "mono", RATE), []
    with av.open(str(path)) as media:
        for frame in media.decode(audio=0):
            parts += [f.to_ndarray()[0] for f in resampler.resample(frame)]
    parts += [f.to_ndarray()[0] for f in resampler.resample(None)]
    return np.concatenate(parts).astype(np.float32)


@dataclass
class Clip:
    audio: np.ndarray
    text: str
    lang: str
    phones: list


@dataclass
class Batch:
    audio: torch.Tensor                            # [B, N], float, zero after each item's own end
    lengths: list = field(default_factory=list)    # samples
    segments: list = field(default_factory=list)   # [[(start_s, end_s, text), ...], ...]
    phones: list = field(default_factory=list)     # [[(label, start_s, end_s), ...] or None, ...]
    langs: list = field(default_factory=list)

    def text(self, i):
        return " ".join(s[2] for s in self.segments[i])


class Corpus:
    def __init__(self, folder, real=None, seed=1, sources=None, splices=None):
        self.rng = random.Random(seed)
        self.torch_rng = torch.Generator().manual_seed(seed)
        self.voices = {}                            # source -> {voice: [Clip]}
        labels = {"espeak": set(), "flite": set()}
        for source in [s for s in SOURCES if not s.startswith("real:")]:
            path = os.path.join(folder, source)
            if not os.path.exists(path + ".json"):
                continue
            audio = np.load(path + ".npy", mmap_mode="r")
            by = self.voices.setdefault(source, {})
            for r in json.load(open(path + ".json")):
                phones, engine = r["phones"], r["voice"].split(":")[0]
                if phones:
                    phones = [(engine + ":" + p, s, e) for p, s, e in phones if p and p != "pau"]
                    labels[engine].update(p for p, _, _ in phones)
                by.setdefault(r["voice"], []).append(Clip(audio[r["start"]:r["end"]], r["text"], r["lang"], phones))
        # Two phone sets, one after the other; index 0 of each is silence.
        self.phone_index, self.phone_range = {}, {}
        n = 0
        for engine in ("espeak", "flite"):
            first = n
            for label in ["sil"] + sorted(labels[engine]):
                self.phone_index[label if label != "sil" else engine + ":sil"] = n
                n += 1
            self.phone_range[engine] = (first, n)
        self.phone_count = n
        if real and os.path.exists(os.path.join(real, "MANIFEST.jsonl")):
            self._load_real(os.path.join(real, "MANIFEST.jsonl"))
        if splices and os.path.exists(splices + ".json"):
            self._load_splices(splices)
        weights = sources or SOURCES
        self.sources = [s for s in weights if s in self.voices and weights[s] > 0]
        self.weights = [weights[s] for s in self.sources]

    def _load_real(self, manifest):
        for line in open(manifest):
            r = json.loads(line)
            if not r["text"]:
                continue
            if "set=an4" in r["note"] and "split=train" in r["note"]:
                source = "real:an4"
            elif "set=fsdd" in r["note"] and r["speaker"] not in FSDD_HELD_OUT:
                source = "real:fsdd"
            else:
                continue
            x = read_audio(os.path.join(os.path.dirname(manifest), r["path"]))
            x, _ = trim(x, -32 if source == "real:an4" else -38, 0.06)
            x = x * (16000 / max(1.0, np.abs(x).max()))
            self.voices.setdefault(source, {}).setdefault(r["speaker"], []).append(
                Clip(x.astype(np.int16), r["text"].lower(), r["lang"], None))

    def _load_splices(self, path):
        audio = np.load(path + ".npy", mmap_mode="r")
        by = self.voices.setdefault("real:an4words", {})
        for r in json.load(open(path + ".json")):
            by.setdefault(r["voice"], []).append(Clip(audio[r["start"]:r["end"]], r["text"], "en", None))

    def compose(self, seconds, source=None, fill=0.0):
        """One item of at most `seconds`: (wave, segments, phones, lang). `fill`: chance that the item is filled to its
        end with announcements; without it most items hold one to three."""
        rng = self.rng
        source = source or rng.choices(self.sources, self.weights)[0]
        voices = self.voices[source]
        clips = voices[rng.choice(list(voices))]
        speed = rng.uniform(0.82, 1.22) if rng.random() < 0.85 else 1.0
        out = np.zeros(int(seconds * RATE), np.float32)
        limit = len(out)
        at = int(RATE * (rng.uniform(0, 0.25) if rng.random() < 0.7 else rng.uniform(0, 1.0)))
        segments, phones, first, tries = [], [], True, 0
        small_gap = source in ("real:fsdd", "real:an4words")
        stop_after = rng.choice([1, 1, 2, 3, 99]) if not small_gap else rng.choice([1, 2, 3, 4, 6, 8])
        # In a filled item numbers come in strings with pauses between, as on a slate: 4 to 8 words, then a rest.
        filled = rng.random() < fill
        string = rng.randint(4, 8)
        if filled:
            stop_after = 99
        joined = None
        while tries < 6 and stop_after > 0:
            clip = rng.choice(clips)
            n = int(len(clip.audio) / speed)
            if at + n > limit:
                tries += 1
                if first:
                    at = 0
                continue
            x = np.interp(np.arange(n, dtype=np.float32) * speed, np.arange(len(clip.audio), dtype=np.float32),
                          clip.audio).astype(np.float32) if speed != 1.0 else np.asarray(clip.audio, np.float32)[:n]
            out[at:at + n] += x
            start = at / RATE
            if clip.phones:
                phones += [(p, start + s / speed, start + e / speed) for p, s, e in clip.phones]
            if small_gap and joined is not None and start - segments[-1][1] < 0.36:
                s = segments[-1]
                segments[-1] = (s[0], start + n / RATE, s[2] + " " + clip.text)
            else:
                segments.append((start, start + n / RATE, clip.text))
            joined = True
            first = False
            stop_after -= 1
            string -= 1
            close = small_gap and not (filled and string <= 0)
            string = string if string > 0 else rng.randint(2, 8)
            at += n + int(RATE * (rng.uniform(0.0, 0.35) if close else min(3.0, 0.1 + rng.expovariate(2.0))))
        tail = min(limit, at + int(RATE * rng.uniform(0, 0.3)))
        return out, tail, segments, (phones if clips[0].phones is not None else None), clips[0].lang

    def batch(self, seconds, size, full=False, clean=0.15, empty=0.0, fill=0.0):
        """`full`: items keep the whole window length; else they end soon after the last word."""
        rng = self.rng
        items = []
        for _ in range(size):
            if rng.random() < empty:
                items.append((np.zeros(int(seconds * RATE), np.float32), int(seconds * RATE * rng.uniform(0.3, 1)), [], None,
                              rng.choice(["en", "en", "no"])))
            else:
                items.append(self.compose(seconds, fill=fill))
        n = int(seconds * RATE)
        lengths = []
        for x, tail, *_ in items:
            lengths.append(n if full or rng.random() < 0.3 else tail)
        if not full:
            n = (max(lengths) + 639) // 640 * 640
        audio = torch.zeros(size, n)
        for i, (x, *_ ) in enumerate(items):
            m = min(len(x), n)
            audio[i, :m] = torch.from_numpy(x[:m]) / 32768
        lengths = [min(l, n) for l in lengths]
        audio = self.damage(audio, clean)
        for i, l in enumerate(lengths):
            audio[i, l:] = 0
        return Batch(audio, lengths, [i[2] for i in items], [i[3] for i in items], [i[4] for i in items])

    def damage(self, x, clean):
        """Equaliser, band limits, room, hiss, hum, crackle – each with some probability."""
        rng, g = self.rng, self.torch_rng
        size, n = x.shape
        nfft = 1 << (n - 1).bit_length() if n < 300000 else n
        freq = torch.fft.rfftfreq(nfft, 1 / RATE)
        logf = torch.log2(freq.clamp(min=30) / 1000)
        response = torch.ones(size, len(freq), dtype=torch.complex64)
        level = x.pow(2).mean(1).sqrt()
        touched = [rng.random() >= clean for _ in range(size)]
        for i in range(size):
            if not touched[i]:
                continue
            db = torch.zeros(len(freq))
            if rng.random() < 0.7:
                for _ in range(rng.randint(1, 3)):
                    db += rng.uniform(-9, 9) * torch.exp(-((logf - rng.uniform(-3, 3)) / rng.uniform(0.5, 1.5)) ** 2)
                db += rng.uniform(-3, 3) * logf
            if rng.random() < 0.35:
                cut = rng.uniform(3000, 7000) if rng.random() < 0.5 else rng.uniform(3300, 4200)
                db -= (torch.log2(freq.clamp(min=30) / cut).clamp(min=0) * rng.uniform(30, 120)).clamp(max=70)
            if rng.random() < 0.3:
                db -= (torch.log2(rng.uniform(80, 350) / freq.clamp(min=20)).clamp(min=0) * rng.uniform(12, 30)).clamp(max=60)
            h = (10 ** (db / 20)).to(torch.complex64)
            if rng.random() < 0.25:
                length = int(RATE * 0.3)
                tau = rng.uniform(0.02, 0.09) * RATE
                ir = torch.randn(length, generator=g) * torch.exp(-torch.arange(length) / tau)
                ir *= 10 ** (-rng.uniform(2, 14) / 20) / ir.norm()
                ir[0] += 1
                h = h * torch.fft.rfft(ir, nfft)
            response[i] = h
        x = torch.fft.irfft(torch.fft.rfft(x, nfft) * response, nfft)[:, :n]
        after = x.pow(2).mean(1).sqrt()
        for i in range(size):
            if level[i] > 0:
                x[i] *= float(level[i] / after[i].clamp(min=1e-6))
            if not touched[i] and level[i] > 0:
                continue
            speech = float(level[i]) if level[i] > 0 else rng.uniform(0.005, 0.1)
            if rng.random() < 0.75:
                m = (n + 1) // 2 * 2
                spectrum = torch.fft.rfft(torch.randn(m, generator=g))
                f = torch.arange(len(spectrum)).clamp(min=int(40 * m / RATE)) / len(spectrum)
                spectrum = spectrum * f ** (-rng.uniform(0, 1.2))
                if rng.random() < 0.3:   # a narrow band of noise as well
                    c = rng.uniform(0.02, 0.8)
                    spectrum = spectrum * (1 + 6 * torch.exp(-((f - c) / 0.05) ** 2))
                noise = torch.fft.irfft(spectrum)[:n]
                noise *= speech * 10 ** (-rng.uniform(6, 40) / 20) / noise.pow(2).mean().sqrt()
                x[i] += noise
            if rng.random() < 0.08:
                t = torch.arange(n) / RATE
                base = rng.choice([50, 60, 100, 120])
                x[i] += speech * 10 ** (-rng.uniform(6, 25) / 20) * sum(
                    rng.random() / k * torch.sin(2 * np.pi * base * k * t + rng.uniform(0, 6)) for k in (1, 2, 3, 5))
            if rng.random() < 0.06 or (level[i] == 0 and rng.random() < 0.35):
                x[i] += self.music(n, speech * 10 ** (-rng.uniform(12, 25) / 20) if level[i] > 0 else speech)
            if rng.random() < 0.08:
                clicks = torch.rand(n, generator=g) < 10 ** rng.uniform(-4.5, -3.3)
                x[i] += clicks * torch.randn(n, generator=g) * speech * rng.uniform(1, 6)
        peak = x.abs().amax(1, keepdim=True).clamp(min=1e-6)
        gain = torch.tensor([[rng.uniform(0.1, 0.95)] for _ in range(size)])
        keep = (peak[:, 0] > 1e-5).float()[:, None]
        return x / peak * gain * keep

    def music(self, n, level):
        """Chords and melodies of a few partials: what must give no text."""
        rng = self.rng
        t = torch.arange(n) / RATE
        out = torch.zeros(n)
        at = 0
        while at < n:
            m = min(n - at, int(RATE * rng.uniform(0.15, 1.2)))
            tone = torch.zeros(m)
            for _ in range(rng.choice([1, 1, 2, 3])):
                f = 110 * 2 ** (rng.randint(0, 36) / 12)
                for k in range(1, rng.randint(2, 6)):
                    tone += torch.sin(2 * np.pi * f * k * t[:m] + rng.uniform(0, 6)) / k ** rng.uniform(0.7, 2)
            tone *= torch.exp(-t[:m] * rng.uniform(0, 5)) * (t[:m] / 0.01).clamp(max=1)
            out[at:at + m] = tone
            at += m if rng.random() < 0.8 else m + int(RATE * rng.uniform(0, 0.5))
        return out * level / out.pow(2).mean().sqrt().clamp(min=1e-6)

    # Targets at the 50 frames a second of both encoders.
    def phone_targets(self, batch, frames, offset=0.01):
        """[B, frames] phone indices (-100: unknown) and a [B, phones] mask of the label set in use."""
        target = torch.full((len(batch.lengths), frames), -100)
        mask = torch.zeros(len(batch.lengths), self.phone_count, dtype=torch.bool)
        for i, phones in enumerate(batch.phones):
            if not phones:
                continue
            engine = phones[0][0].split(":")[0]
            a, b = self.phone_range[engine]
            mask[i, a:b] = True
            target[i] = self.phone_index[engine + ":sil"]
            for label, s, e in phones:
                target[i, max(0, round((s - offset) * 50)):max(0, round((e - offset) * 50))] = self.phone_index[label]
        return target, mask

    def char_targets(self, batch):
        rows = [[CHARS.index(c) + 1 for c in batch.text(i).replace(" ", "|")] for i in range(len(batch.lengths))]
        flat = torch.tensor([c for r in rows for c in r], dtype=torch.long)
        return flat, torch.tensor([len(r) for r in rows])
