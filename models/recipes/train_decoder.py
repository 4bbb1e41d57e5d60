"""Step 2 for Whisper: the decoder, on the encoder of step 1 (which learns on, more slowly, with its CTC head).

A tiny decoder left alone takes very long to find out where to look. Here some cross-attention heads are told:
the CTC head aligns the words, and the heads are rewarded for attending to the frames of the token to be written.

  python train_decoder.py --corpus corpus --real realdata --encoder encoder.pt --minutes 30 --out whisper.pt
  python train_decoder.py ... --init whisper.pt --peak 7e-4 --warmup 60 --windows 0.4 --fill 0.6 --lengths 4 6 8 12 16 24 \
      --minutes 20 --out whisper-long.pt        (a further round, on long items of several announcements)
"""
import argparse
import os
import time

import numba
import numpy as np
import torch
import torch.nn.functional as F

import tokens as tk
from corpus import CHARS, Corpus
from train_encoder import Average, Pair, Schedule, edit_rate, encoder_losses, spec_mask
from whisper_model import FRAMES, Whisper, log_mel


@numba.njit(cache=True)
def viterbi(logp, target):
    """First and last frame of each character on the best CTC path (blank is 0)."""
    t_max, u = logp.shape[0], len(target)
    s = 2 * u + 1
    score = np.full((t_max, s), -1e30, np.float32)
    back = np.zeros((t_max, s), np.int8)
    score[0, 0] = logp[0, 0]
    if u:
        score[0, 1] = logp[0, target[0]]
    for t in range(1, t_max):
        for j in range(s):
            best, step = score[t - 1, j], 0
            if j and score[t - 1, j - 1] > best:
                best, step = score[t - 1, j - 1], 1
            if j > 1 and j % 2 and target[j // 2] != target[j // 2 - 1] and score[t - 1, j - 2] > best:
                best, step = score[t - 1, j - 2], 2
            score[t, j] = best + logp[t, target[j // 2] if j % 2 else 0]
            back[t, j] = step
    first, last = np.full(u, -1, np.int32), np.full(u, -1, np.int32)
    j = s - 1
    if u and score[t_max - 1, s - 2] > score[t_max - 1, s - 1]:
        j = s - 2
    for t in range(t_max - 1, -1, -1):
        if j % 2:
            first[j // 2] = t
            if last[j // 2] < 0:
                last[j // 2] = t
        j -= back[t, j]
    return first, last


class Targets:
    def __init__(self):
        self.ref = tk.reference()
        self.used = tk.used_ids()
        self.local = {t: i for i, t in enumerate(self.used)}
        self.no = self.ref.to_language_token("no")
        self.words = {}

    def word(self, w):
        if w not in self.words:
            ids = self.ref.encode(" " + w)
            sizes = [len(self.ref.encoding.decode_single_token_bytes(i)) for i in ids]
            sizes[0] = max(1, sizes[0] - 1)
            ends = np.cumsum(sizes) / sum(sizes)
            self.words[w] = ([self.local[i] for i in ids], [0.0] + list(ends))
        return self.words[w]

    def make(self, batch, i, spans, offset, rng, previous):
        """Decoder input, output (-100: no loss), and for each step the frames to look at (-1: anywhere)."""
        L, n = self.local, len(self.used)
        segments = batch.segments[i]
        lang = self.no if batch.langs[i] == "no" else tk.EN
        times = rng.random() < 0.6
        seq, look = [], []

        def put(token, a=-1, b=-1):
            seq.append(token)
            look.append((a, b))

        if previous:
            put(L[tk.PREV])
            for w in previous:
                for t in self.word(w)[0]:
                    put(t)
        head = len(seq)
        put(L[tk.SOT])
        put(L[tk.NO_SPEECH] if not segments and rng.random() < 0.6 else L[lang])
        put(L[tk.TRANSCRIBE])
        if not times:
            put(L[tk.NOTIMES])
        k = 0
        time = lambda t: n + min(FRAMES, max(0, round(t * 50) + offset))
        if not segments and times:
            put(n if offset == 0 or rng.random() < 0.5 else time(0))
        for start, end, text in segments:
            if times:
                put(time(start), int(start * 50) - 6, int(start * 50) + 8)
            for w in text.split():
                ids, parts = self.word(w)
                a, b = spans[k]
                for t, p, q in zip(ids, parts, parts[1:]):
                    put(t, int(a + (b - a) * p) - 2, int(a + (b - a) * q) + 3)
                k += 1
            if times:
                put(time(end), int(end * 50) - 6, int(end * 50) + 8)
        put(L[tk.EOT])
        out, see = seq[1:], look[1:]
        for j in range(head):
            out[j] = -100
        # The prompt itself is given at inference; only the language (or "no speech") is learned as an output.
        for j in range(head + 1, len(out)):
            if out[j] in (L[tk.TRANSCRIBE], L[tk.NOTIMES]):
                out[j] = -100
        inp = seq[:-1]
        if not segments:
            inp[head + 1] = L[lang]
        return inp, out, see


def align(logits, batch):
    """Frames of each word of each item by the CTC head."""
    logp = logits.detach().log_softmax(-1).numpy()
    rows = []
    for i in range(len(batch.lengths)):
        text = batch.text(i)
        if not text:
            rows.append([])
            continue
        target = np.array([CHARS.index(c) + 1 for c in text.replace(" ", "|")], np.int64)
        first, last = viterbi(logp[i], target)
        spans, at = [], 0
        for w in text.split():
            spans.append((int(first[at]), int(last[at + len(w) - 1]) + 1))
            at += len(w) + 1
        rows.append(spans)
    return rows


@torch.no_grad()
def greedy(model, mel, offset, targets, lang="en", steps=40):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        source = model.encoder(mel, offset)
        L = targets.local
        seq = torch.tensor([[L[tk.SOT], L[tk.EN], L[tk.TRANSCRIBE], L[tk.NOTIMES]]] * mel.shape[0])
        done = torch.zeros(mel.shape[0], dtype=torch.bool)
        for _ in range(steps):
            logits = model.decoder(seq, source)[0][:, -1, :len(targets.used)].float()
            nxt = logits.argmax(-1)
            nxt[done] = L[tk.EOT]
            seq = torch.cat([seq, nxt[:, None]], 1)
            done |= nxt == L[tk.EOT]
            if done.all():
                break
    out = []
    for row in seq[:, 4:].tolist():
        ids = [targets.used[t] for t in row]
        ids = ids[:ids.index(tk.EOT)] if tk.EOT in ids else ids
        out.append(targets.ref.encoding.decode([t for t in ids if t < tk.EOT]).strip())
    return out


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--corpus", required=True)
    p.add_argument("--real")
    p.add_argument("--splices")
    p.add_argument("--encoder")
    p.add_argument("--init")
    p.add_argument("--minutes", type=float, default=30)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--decoder-layers", type=int, default=3)
    p.add_argument("--peak", type=float, default=1.5e-3)
    p.add_argument("--encoder-rate", type=float, default=0.3, help="encoder's learning rate relative to the decoder's")
    p.add_argument("--audio-per-step", type=float, default=96)
    p.add_argument("--clean", type=float, default=0.4, help="share of items left undamaged")
    p.add_argument("--frozen", type=float, default=0.4, help="share of the time with the encoder at rest")
    p.add_argument("--repeats", type=int, default=3, help="decoder steps for each pass of the encoder")
    p.add_argument("--windows", type=float, default=0.0, help="share of steps on whole 30-second windows")
    p.add_argument("--window-size", type=int, default=6)
    p.add_argument("--window-lengths", type=float, nargs="*", default=[4, 6, 8, 8, 12, 20, 29])
    p.add_argument("--fill", type=float, default=0.0, help="share of items filled with announcements to their end")
    p.add_argument("--warmup", type=int, default=200, help="steps")
    p.add_argument("--average", type=float, default=0.998, help="decay of the averaged weights")
    p.add_argument("--prompts", type=float, default=0.08, help="share of items with previous text")
    p.add_argument("--lengths", type=float, nargs="*", default=[2, 3, 4, 6, 8])
    p.add_argument("--seed", type=int, default=3)
    p.add_argument("--out", required=True)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    corpus, targets = Corpus(a.corpus, a.real, a.seed, splices=a.splices), Targets()
    state = torch.load(a.init or a.encoder)
    if a.init:
        model = Whisper(**state["size"])
        known = state["average"]
        if corpus.phone_count != state["size"]["phones"]:      # another build of a synthesiser: its phone head starts anew
            print("phones", state["size"]["phones"], "->", corpus.phone_count)
            known = {k: v for k, v in known.items() if not k.startswith("phones.")}
            model = Whisper(**{**state["size"], "phones": corpus.phone_count})
        model.load_state_dict(known, strict=known is state["average"])
    else:
        model = Whisper(**{**state["size"], "decoder_layers": a.decoder_layers})
        model.load_state_dict({k: v for k, v in state["average"].items() if not k.startswith("decoder.")}, strict=False)
    slow = [x for n, x in model.named_parameters() if not n.startswith("decoder.") and x.requires_grad]
    clock = [x for n, x in model.named_parameters() if n.startswith("decoder.time_map")]
    fast = [x for n, x in model.named_parameters() if n.startswith("decoder.") and "time_map" not in n]
    print(sum(x.numel() for x in fast) / 1e6, "M in the decoder")
    embeddings = {id(model.decoder.embed_used.weight), id(model.decoder.embed_positions.weight)}
    optimizer = Pair([{"params": slow, "scale": a.encoder_rate}, {"params": [x for x in fast if id(x) not in embeddings]},
                      {"params": [x for x in fast if id(x) in embeddings], "adam": True},
                      {"params": clock, "scale": 4.0, "adam": True}])
    schedule, average = Schedule(optimizer, a.peak, a.minutes, a.warmup), Average(model, a.average)
    rng, done, t0, log, saved, shown = corpus.rng, 0.0, time.time(), [], time.time(), 0
    n_used, heads = len(targets.used), model.size["heads"]
    last = model.size["decoder_layers"] - 1
    # (layer, head, shift): shift 0 looks at the token to be written, shift 1 at the one just read
    guided = [(last, h, 0) for h in range(heads - 1)] + [(last - 1, 0, 0), (last - 1, 1, 0)]
    if last > 1:
        guided += [(0, 0, 1), (0, 1, 1)]
    while done < 1:
        done = schedule()
        frozen = not a.init and done < a.frozen
        whole = rng.random() < a.windows
        if whole:
            seconds = rng.choice(a.window_lengths)
            batch = corpus.batch(seconds, a.window_size, empty=0.12, clean=a.clean, fill=a.fill)
            size = 480000 - batch.audio.shape[1]
            mel = log_mel(F.pad(batch.audio, (0, size)), batch.lengths, [rng.random() < 0.5 for _ in batch.lengths])
            offset = 0
        else:
            lengths = a.lengths if a.init or done > 0.35 else [2, 2, 3] if done < 0.1 else [2, 3, 4]
            seconds = rng.choice(lengths)
            batch = corpus.batch(seconds, max(4, int(a.audio_per_step / seconds)), empty=0.06, clean=a.clean, fill=a.fill)
            mel = log_mel(batch.audio, batch.lengths, [rng.random() < 0.5 for _ in batch.lengths])
            frames = mel.shape[2] // 2
            offset = 0 if rng.random() < 0.5 else rng.randrange(FRAMES - frames)
        mel = spec_mask(mel, rng)
        size = mel.shape[0]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            with torch.set_grad_enabled(not frozen):
                states = model.encoder(mel, offset)
                chars, ctc, phone = encoder_losses(model, corpus, batch, states)
        spans = align(chars, batch)
        # With the encoder at rest one pass of it serves several steps of the decoder.
        for turn in range(a.repeats):
            if turn:
                schedule()
            through = not frozen and turn == a.repeats - 1       # this step also reaches the encoder
            rows = []
            for i in range(size):
                previous = None
                if rng.random() < a.prompts:
                    previous = " ".join(batch.text(j) for j in rng.sample(range(size), min(size, rng.randint(1, 6)))).split()
                rows.append(targets.make(batch, i, spans[i], offset, rng, previous))
            width = max(len(r[0]) for r in rows)
            inp = torch.zeros(size, width, dtype=torch.long)
            out = torch.full((size, width), -100)
            look = torch.full((2, 2, size, width), -1)       # [shift, from/to]
            for i, (x, y, see) in enumerate(rows):
                inp[i, :len(x)], out[i, :len(y)] = torch.tensor(x), torch.tensor(y)
                t = torch.tensor(see).t()
                look[0, :, i, :len(y)] = t
                look[1, :, i, 1:len(y)] = t[:, :-1]
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits, attention = model.decoder(inp, states if through else states.detach())
            kept = out >= 0
            y, lp = out[kept], logits[kept].float().log_softmax(-1)
            plain = -lp.gather(1, y[:, None])[:, 0]
            timed = y >= n_used
            ce = plain[~timed].mean()
            time_loss = torch.zeros(())
            if timed.any():      # a time two hundredths off is nearly right
                t = y[timed]
                time_loss = sum(-weight * lp[timed].gather(1, (t + d).clamp(n_used, n_used + FRAMES)[:, None])[:, 0].mean()
                                for d, weight in ((-2, 0.1), (-1, 0.2), (0, 0.4), (1, 0.2), (2, 0.1)))
            guide, grid = torch.zeros(()), torch.arange(states.shape[1])
            for shift in (0, 1):
                hint = (look[shift, 1] >= 0) & kept
                inside = (grid >= look[shift, 0][hint][:, None]) & (grid < look[shift, 1][hint][:, None])
                ok = inside.any(1)
                if not ok.any():
                    continue
                for layer, head, s in guided:
                    if s == shift:
                        w = attention[layer][:, head][hint]
                        guide = guide - ((w * inside).sum(1)[ok] + 1e-4).log().mean() / len(guided)
            loss = ce + 0.25 * time_loss + (0.5 if done < 0.5 and not a.init else 0.2) * guide
            if through:
                loss = loss + 0.3 * ctc + 0.1 * phone
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(slow + fast + clock, 1.0)
            optimizer.step()
            average.update(model)
            log.append([float(torch.as_tensor(x).detach()) for x in (ce, time_loss, guide, ctc, phone, norm)])
        if len(log) >= 50:
            m = [sum(x) / len(log) for x in zip(*log)]
            print(f"step {schedule.step} {time.time() - t0:.0f}s ce {m[0]:.3f} time {m[1]:.3f} guide {m[2]:.3f} "
                  f"ctc {m[3]:.3f} phone {m[4]:.3f} norm {m[5]:.2f}", flush=True)
            log = []
        if schedule.step // 300 != shown:
            shown = schedule.step // 300
            average.model.eval()
            b = corpus.batch(5, 24)
            hyps = greedy(average.model, log_mel(b.audio), 0, targets)
            pairs = [(b.text(i), hyps[i]) for i in range(24)]
            print("   greedy cer %.3f wer %.3f" % edit_rate(pairs))
            for r, h in pairs[:3]:
                print("   ", r, "=>", h, flush=True)
        if time.time() - saved > 120 or done >= 1:
            torch.save({"size": model.size, "model": model.state_dict(), "average": average.model.state_dict()}, a.out + ".tmp")
            os.replace(a.out + ".tmp", a.out)
            saved = time.time()


if __name__ == "__main__":
    main()
