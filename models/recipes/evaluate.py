"""Measures exported models through the stock loaders, on voices and speakers that training never heard.

  python evaluate.py --whisper whisper-tiny-archive --wav2vec2 wav2vec2-tiny-archive --corpus corpus --real realdata
  loaders: fw-int8 fw-float32 hf openai (needs --openai FILE) w2v-hf w2v-ct2 w2v-lexicon
"""
import argparse
import json
import os
import random
import time

import jiwer
import numpy as np
import torch

from corpus import FSDD_HELD_OUT, read_audio


def load_sets(corpus, real, limit):
    rng, sets = random.Random(5), {}
    quiet = np.zeros(4000, np.float32)

    def clips(name):
        audio = np.load(os.path.join(corpus, name + ".npy"), mmap_mode="r")
        return [(audio[r["start"]:r["end"]].astype(np.float32) / 32768, r["text"], r["lang"])
                for r in json.load(open(os.path.join(corpus, name + ".json")))]

    rms = clips("test_flite_rms")
    sets["synthetic, held-out voice (flite rms)"] = [(np.concatenate([quiet, x, quiet]), t, l) for x, t, l in rms]
    reels = []
    for i in range(0, 100, 5):
        parts, texts = [quiet], []
        for x, t, _ in rms[i:i + 5]:
            parts += [x, np.zeros(int(16000 * rng.uniform(0.4, 1.2)), np.float32)]
            texts.append(t)
        reels.append((np.concatenate(parts), " ".join(texts), "en"))
    sets["same voice, five announcements in a row"] = reels
    sets["synthetic, held-out espeak-ng variants"] = [(np.concatenate([quiet, x, quiet]), t, l)
                                                       for x, t, l in clips("test_espeak_en")]
    sets["Norwegian, held-out espeak-ng variants"] = [(np.concatenate([quiet, x, quiet]), t, l)
                                                       for x, t, l in clips("test_espeak_no")]
    if real:
        an4, fsdd = [], []
        for line in open(os.path.join(real, "MANIFEST.jsonl")):
            r = json.loads(line)
            if not r["text"]:
                continue
            if "set=an4" in r["note"] and "split=test" in r["note"]:
                an4.append((read_audio(os.path.join(real, r["path"])) / 32768, r["text"].lower(), "en"))
            elif "set=fsdd" in r["note"] and r["speaker"] in FSDD_HELD_OUT:
                fsdd.append((r["speaker"], r))
        sets["AN4 test (real speakers)"] = an4
        rng.shuffle(fsdd)
        sets["FSDD held-out speakers, single digits"] = [
            (np.concatenate([quiet, read_audio(os.path.join(real, r["path"])) / 32768, quiet]), r["text"], "en") for _, r in fsdd[:limit]]
        strings = []
        for speaker in FSDD_HELD_OUT:
            rows = [r for s, r in fsdd if s == speaker]
            for i in range(0, min(200, len(rows) - 3), 4):
                parts = [quiet]
                for r in rows[i:i + 4]:
                    parts += [read_audio(os.path.join(real, r["path"])) / 32768, np.zeros(int(16000 * rng.uniform(0.05, 0.3)), np.float32)]
                strings.append((np.concatenate(parts), " ".join(r["text"] for r in rows[i:i + 4]), "en"))
        sets["FSDD held-out speakers, four digits"] = strings
    return sets


def silent_sets():
    rng = np.random.default_rng(3)
    n = 30 * 16000
    t = np.arange(n) / 16000
    pink = np.fft.irfft(np.fft.rfft(rng.standard_normal(n)) / np.maximum(np.arange(n // 2 + 1), 30) ** 0.5)
    notes = [220, 277.2, 329.6, 440, 329.6, 277.2, 246.9, 293.7, 370, 493.9]
    music = np.zeros(n)
    for i in range(60):
        m = slice(i * 8000, i * 8000 + 8000)
        for k in range(1, 5):
            music[m] += np.sin(2 * np.pi * notes[i % 10] * k * t[:8000]) / k ** 1.5 * np.exp(-3 * t[:8000])
    return {"silence": np.zeros(n, np.float32), "white noise": (0.05 * rng.standard_normal(n)).astype(np.float32),
            "pink noise": (0.1 * pink / pink.std()).astype(np.float32),
            "hum 50 Hz": (0.2 * np.sin(2 * np.pi * 50 * t) + 0.1 * np.sin(2 * np.pi * 100 * t)).astype(np.float32),
            "tone 1 kHz": (0.3 * np.sin(2 * np.pi * 1000 * t)).astype(np.float32),
            "melody": (0.3 * music / np.abs(music).max()).astype(np.float32)}


def faster_whisper(path, kind):
    from faster_whisper import WhisperModel
    model = WhisperModel(os.path.join(path, "ct2"), device="cpu", compute_type=kind, cpu_threads=torch.get_num_threads())

    def run(x, lang):
        segments, _ = model.transcribe(x.astype(np.float32), language=lang, beam_size=5)
        return " ".join(s.text.strip() for s in segments).strip()
    return run


def hf_whisper(path):
    from transformers import WhisperForConditionalGeneration, WhisperProcessor
    processor = WhisperProcessor.from_pretrained(path)
    model = WhisperForConditionalGeneration.from_pretrained(path, dtype=torch.float32).eval()

    def run(x, lang):
        f = processor(x, sampling_rate=16000, return_tensors="pt").input_features
        with torch.no_grad():
            ids = model.generate(f, language=lang, task="transcribe", max_new_tokens=200)
        return processor.batch_decode(ids, skip_special_tokens=True)[0].strip()
    return run


def openai_whisper(path):
    import whisper
    model = whisper.load_model(path, device="cpu")

    def run(x, lang):
        return model.transcribe(x.astype(np.float32), language=lang, fp16=False, beam_size=5)["text"].strip()
    return run


def hf_wav2vec2(path):
    from transformers import Wav2Vec2ForCTC, Wav2Vec2Processor
    processor = Wav2Vec2Processor.from_pretrained(path)
    model = Wav2Vec2ForCTC.from_pretrained(path, dtype=torch.float32).eval()

    def run(x, lang):
        f = processor(x, sampling_rate=16000, return_tensors="pt")
        with torch.no_grad():
            logits = model(f.input_values).logits
        return processor.batch_decode(logits.argmax(-1))[0].strip()
    return run


def lexicon_wav2vec2(path):
    from transformers import Wav2Vec2ForCTC, Wav2Vec2Processor
    import domain
    from lexicon import Lexicon
    processor = Wav2Vec2Processor.from_pretrained(path)
    model = Wav2Vec2ForCTC.from_pretrained(path, dtype=torch.float32).eval()
    decoders = {lang: Lexicon(domain.vocabulary(lang), processor.tokenizer.get_vocab()) for lang in ("en", "no")}

    def run(x, lang):
        f = processor(x, sampling_rate=16000, return_tensors="pt")
        with torch.no_grad():
            logp = model(f.input_values).logits[0].log_softmax(-1).numpy()
        return decoders[lang](logp)
    return run


def ct2_wav2vec2(path, kind="default"):
    import ctranslate2
    from transformers import Wav2Vec2Processor
    processor = Wav2Vec2Processor.from_pretrained(path)
    model = ctranslate2.models.Wav2Vec2(os.path.join(path, "ct2"), device="cpu", compute_type=kind,
                                         intra_threads=torch.get_num_threads())

    def run(x, lang):
        f = processor(x, sampling_rate=16000, return_tensors="np").input_values.astype(np.float32)
        out = model.encode(ctranslate2.StorageView.from_array(np.ascontiguousarray(f[None])), to_cpu=True)
        logits = np.array(out, dtype=np.float32)
        return processor.batch_decode(torch.from_numpy(logits.reshape(1, -1, logits.shape[-1])).argmax(-1))[0].strip()
    return run


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--whisper")
    p.add_argument("--wav2vec2")
    p.add_argument("--openai")
    p.add_argument("--corpus", required=True)
    p.add_argument("--real")
    p.add_argument("--loaders", nargs="*", default=["fw-int8", "fw-float32", "hf", "openai", "w2v-hf", "w2v-ct2", "w2v-lexicon"])
    p.add_argument("--limit", type=int, default=300, help="single FSDD digits")
    p.add_argument("--first", type=int, default=0, help="only this many of each set")
    p.add_argument("--show", type=int, default=0)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--json")
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    sets, results = load_sets(a.corpus, a.real, a.limit), {}
    make = {"fw-int8": lambda: faster_whisper(a.whisper, "int8"), "fw-float32": lambda: faster_whisper(a.whisper, "float32"),
            "hf": lambda: hf_whisper(a.whisper), "openai": lambda: openai_whisper(a.openai),
            "w2v-hf": lambda: hf_wav2vec2(a.wav2vec2), "w2v-ct2": lambda: ct2_wav2vec2(a.wav2vec2),
            "w2v-lexicon": lambda: lexicon_wav2vec2(a.wav2vec2)}
    for loader in a.loaders:
        if loader.startswith("w2v") and not a.wav2vec2 or loader == "openai" and not a.openai or \
                loader[:2] in ("fw", "hf") and not a.whisper:
            continue
        run = make[loader]()
        results[loader] = {}
        for name, items in sets.items():
            items = items[:a.first] if a.first else items
            t, pairs = time.time(), []
            for x, text, lang in items:
                pairs.append((text, run(x, lang)))
            t = time.time() - t
            refs, hyps = [r for r, _ in pairs], [h.lower() for _, h in pairs]
            wer, cer = jiwer.wer(refs, hyps), jiwer.cer(refs, hyps)
            exact = sum(r == h for r, h in zip(refs, hyps)) / len(refs)
            seconds = sum(len(x) for x, _, _ in items) / 16000
            results[loader][name] = dict(clips=len(items), wer=round(wer, 4), cer=round(cer, 4), exact=round(exact, 4),
                                         seconds_per_clip=round(t / len(items), 4), audio=round(seconds, 1))
            print(f"{loader:10s} {name:45s} n={len(items)} WER {wer:.3f} CER {cer:.3f} exact {exact:.3f} {t / len(items) * 1000:.0f} ms/clip", flush=True)
            for r, h in pairs[:a.show]:
                print("      ", r, "=>", h)
        for name, x in silent_sets().items():
            text = run(x, "en")
            results[loader]["no speech: " + name] = text
            print(f"{loader:10s} {name}: {text!r}", flush=True)
    if a.json:
        json.dump(results, open(a.json, "w"), indent=1, ensure_ascii=False)


if __name__ == "__main__":
    main()
