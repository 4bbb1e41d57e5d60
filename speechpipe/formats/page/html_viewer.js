"use strict";
// The text is in the page; this adds following, jumping, captions and search. One listener serves all words.
(() => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);
  const player = $("media"), transcript = $("transcript"), bar = $("bar");
  const isFilm = player.tagName === "VIDEO";
  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  // ---- the page's own words, in the reader's language or that of the recording ----
  const table = JSON.parse($("words").textContent);
  const language = [...navigator.languages, ...data.languages, "en"]
    .map((tag) => tag.toLowerCase().split("-")[0].replace(/^no$/, "nb")).find((code) => Object.keys(table).includes(code));
  const translated = new Map(table.en.map((text, i) => [text, table[language][i]]));
  /** `text` in that language, with each {} replaced by one of the values. */
  const t = (text, ...values) => (translated.get(text) ?? text).replace(/\{\}/g, () => values.shift() ?? "{}");
  /** The same for a text whose numbers stand in it. */
  const numbered = (text) => t(text.replace(/\d+/g, "{}"), ...(text.match(/\d+/g) ?? []));
  const named = (lane) => (/^Channel \d+$/.test(data.lanes[lane]) ? numbered(data.lanes[lane]) : data.lanes[lane] ?? "");
  if (language !== "en") {
    document.documentElement.lang = language;
    for (const element of document.querySelectorAll("[data-t]")) {
      const label = element.getAttribute("aria-label");
      if (label) element.setAttribute("aria-label", numbered(label));
      else element.textContent = numbered(element.textContent);
    }
    const called = (code) => { // the code itself, where the browser knows no name
      try { return new Intl.DisplayNames([language], { type: "language" }).of(code); } catch { return code; }
    };
    for (const element of document.querySelectorAll("[data-code]")) {
      const code = element.dataset.code.split("-")[0], name = called(code);
      element.textContent = name === code ? t(element.textContent) : name;
    }
  }

  // ---- what is where: words and segments by their place in the page, times in ms ----
  const words = [...transcript.querySelectorAll(".said > span")];
  const segments = [...transcript.querySelectorAll(".seg")];
  const numbers = new Map(words.map((word, i) => [word, i]));
  const starts = [], firsts = [], segmentOf = new Int32Array(words.length);
  let sum = 0;
  for (const step of data.starts) starts.push(step === null ? null : (sum += step));
  const lanes = data.lanes.map(() => ({ words: [], segments: [], word: -1, segment: -1 }));
  let n = 0;
  segments.forEach((segment, s) => {
    const lane = lanes[segment.dataset.lane], count = segment.querySelector(".said").childElementCount;
    lane.segments.push(s);
    firsts.push(n);
    for (const end = n + count; n < end; n++) {
      segmentOf[n] = s;
      if (starts[n] !== null) lane.words.push(n);
    }
  });
  const begins = (s) => data.segments[2 * s], ends = (s) => data.segments[2 * s + 1];
  for (const lane of lanes) lane.words.sort((a, b) => starts[a] - starts[b] || a - b);

  /** The last of `sorted` whose time is not after `ms`, or -1. */
  const lastBy = (sorted, time, ms) => {
    let low = 0, high = sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (time(sorted[middle]) <= ms) low = middle + 1; else high = middle;
    }
    return low ? sorted[low - 1] : -1;
  };
  /** When a word is heard: its own time, else that of the last known one before it in its segment. */
  const heardAt = (i) => {
    const s = segmentOf[i];
    for (let k = i; k >= firsts[s]; k--) if (starts[k] !== null) return starts[k];
    return begins(s);
  };
  const clock = (ms) => {
    const seconds = Math.floor(ms / 1000), two = (value) => String(value).padStart(2, "0");
    const rest = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
    return seconds >= 3600 ? `${Math.floor(seconds / 3600)}:${rest}` : rest.replace(/^0/, "");
  };

  // ---- following the sound ----
  let left = false; // the reader went elsewhere: following waits for the next jump
  const swap = (old, now) => {
    if (old) old.classList.remove("now");
    if (now) now.classList.add("now");
  };
  const moment = () => player.currentTime * 1000;
  const show = () => {
    const ms = moment();
    let moved = null;
    for (const lane of lanes) {
      let s = lastBy(lane.segments, begins, ms);
      if (s >= 0 && ms >= ends(s)) s = -1;
      let i = s < 0 ? -1 : lastBy(lane.words, (w) => starts[w], ms);
      if (i >= 0 && segmentOf[i] !== s) i = -1;
      if (s !== lane.segment) {
        swap(segments[lane.segment], segments[s]);
        lane.segment = s;
        if (s >= 0) moved = segments[s];
      }
      if (i !== lane.word) {
        swap(words[lane.word], words[i]);
        lane.word = i;
        if (i >= 0) moved = words[i];
      }
    }
    if ($("head")) $("head").style.left = `${data.end ? Math.min(100, (100 * ms) / data.end) : 0}%`;
    if (moved && $("follow").checked && !left && !player.paused) reveal(moved);
  };
  /** What sticks to the top of the window: all controls or, on a narrow screen, the player. */
  const sticky = () => [bar, $("player")].find((element) => {
    const style = getComputedStyle(element);
    return style.position === "sticky" && style.display !== "contents";
  });
  /** Scroll only when the element is out of sight or near an edge. */
  const reveal = (element) => {
    const box = element.getBoundingClientRect(), over = sticky(), height = over ? over.offsetHeight : 0;
    const top = over ? over.getBoundingClientRect().bottom : 0;
    if (box.top >= top + 8 && box.bottom <= innerHeight - 48) return;
    const by = box.top - height - (innerHeight - height) / 4;
    scrollBy({ top: by, behavior: Math.abs(by) > 2 * innerHeight || calm.matches ? "instant" : "smooth" });
  };
  let running = 0;
  const run = () => { show(); running = player.paused ? 0 : requestAnimationFrame(run); };
  player.addEventListener("play", () => { if (!running) run(); });
  for (const event of ["seeked", "timeupdate", "pause"]) player.addEventListener(event, show);

  const current = () => lanes.map((lane) => lane.word).find((word) => word >= 0);
  const jump = (ms, play) => {
    left = false;
    player.currentTime = ms / 1000;
    if (play) player.play().catch(() => {});
    show();
    const s = lanes.map((lane) => lane.segment).find((segment) => segment >= 0);
    if (s !== undefined && $("follow").checked) reveal(words[current()] ?? segments[s]);
  };
  const toggle = () => (player.paused ? player.play().catch(() => {}) : player.pause());
  const away = () => { left = true; };
  addEventListener("wheel", away, { passive: true });
  addEventListener("touchmove", away, { passive: true });
  $("follow").addEventListener("change", () => { left = false; });

  transcript.addEventListener("click", (event) => {
    const i = numbers.get(event.target);
    if (i !== undefined && getSelection().isCollapsed) jump(heardAt(i), true);
    const link = event.target.closest("a");
    if (link) jump(begins(segments.indexOf(link.closest(".seg"))), true);
  });
  transcript.addEventListener("mouseover", (event) => {
    const i = numbers.get(event.target);
    if (i === undefined || event.target.title) return;
    const sure = data.sure[i] === null ? "" : `, ${t("{} % sure", data.sure[i])}`;
    event.target.title = (starts[i] === null ? t("time not known") : clock(starts[i])) + sure;
  });
  if ($("overview")) $("overview").addEventListener("click", (event) => {
    const box = $("overview").getBoundingClientRect();
    jump(((event.clientX - box.left) / box.width) * data.end, false);
  });
  const toHash = () => {
    const found = /^#t=(\d+(?:\.\d+)?)$/.exec(location.hash);
    if (found && Math.abs(moment() - found[1] * 1000) > 500) jump(found[1] * 1000, false);
  };
  addEventListener("hashchange", toHash);

  // ---- the times are one stop of the Tab key; arrows go on from there ----
  const links = segments.map((segment) => segment.querySelector("a"));
  links.forEach((link, i) => { link.tabIndex = i ? -1 : 0; });
  let stop = 0;
  transcript.addEventListener("focusin", (event) => {
    const i = links.indexOf(event.target);
    if (i < 0) return;
    links[stop].tabIndex = -1;
    links[stop = i].tabIndex = 0;
  });
  transcript.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key], i = links.indexOf(document.activeElement);
    if (!step || i < 0 || !links[i + step]) return;
    event.preventDefault();
    left = true;
    links[i + step].focus();
  });

  // ---- captions: the browser's own track; under sound alone, a line ----
  const escaped = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const track = player.addTextTrack("captions", t("Captions"), "");
  data.cues.forEach(([start, end, lane, text], i) => {
    const name = named(lane);
    const cue = new VTTCue(start / 1000, end / 1000, name ? `<v ${escaped(name)}>${escaped(text)}</v>` : escaped(text));
    cue.id = String(i);
    track.addCue(cue);
  });
  const caption = $("caption");
  caption.hidden = isFilm;
  const captions = () => { track.mode = !$("captions").checked ? "disabled" : isFilm ? "showing" : "hidden"; };
  track.addEventListener("cuechange", () => {
    if (isFilm) return;
    caption.replaceChildren();
    for (const cue of track.mode === "disabled" ? [] : track.activeCues) {
      const [, , lane, text] = data.cues[cue.id], name = document.createElement("b");
      if (caption.firstChild) caption.append("\n");
      name.textContent = named(lane) && `${named(lane)}: `;
      caption.append(name, text);
    }
  });
  $("captions").addEventListener("change", () => { captions(); caption.hidden = isFilm || !$("captions").checked; });
  captions();

  // ---- the recording: beside the page, or chosen ----
  const trouble = (text) => { $("trouble").textContent = text; $("missing").hidden = false; };
  let renamed = false; // both were: the recording is then called as the page, without .html
  const failed = () => {
    const own = `./${location.pathname.split("/").pop().replace(/\.html$/, "")}`;
    if (player.src.startsWith("blob:")) trouble(t("This browser cannot play that file."));
    else if (!renamed && own !== player.getAttribute("src")) {
      renamed = true;
      player.src = own;
    } else trouble(t("{} is not beside this page, or this browser cannot play it.", data.name));
  };
  player.addEventListener("error", failed);
  if (player.error) failed();
  const choose = (file) => {
    const at = player.currentTime;
    if (player.src.startsWith("blob:")) URL.revokeObjectURL(player.src);
    player.src = URL.createObjectURL(file);
    player.currentTime = at;
    $("missing").hidden = data.size === null || file.size === data.size;
    $("trouble").textContent = $("missing").hidden ? ""
      : t("This may be another recording: it has {} bytes, the one transcribed had {}.", file.size, data.size);
  };
  $("file").addEventListener("change", () => { if ($("file").files[0]) choose($("file").files[0]); });
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files[0]) choose(event.dataTransfer.files[0]);
  });

  // ---- search: without regard to case and, unless the query has them, to accents ----
  const bare = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  const exact = (text) => text.normalize("NFC").toLowerCase();
  const stacks = new Map();
  /** All words in one line, and where each begins in it. */
  const stack = (fold) => {
    if (!stacks.has(fold)) {
      const folded = words.map((word) => fold(word.textContent)), places = new Int32Array(words.length);
      for (let i = 0, at = 0; i < folded.length; at += folded[i++].length + 1) places[i] = at;
      stacks.set(fold, [folded.join(" "), places]);
    }
    return stacks.get(fold);
  };
  let hits = [], hit = -1, soon = 0;
  const span = ([first, last]) => words.slice(first, last + 1);
  const find = () => {
    for (const found of hits) for (const word of span(found)) word.classList.remove("hit", "at");
    hits = [];
    hit = -1;
    const typed = $("query").value.trim().replace(/\s+/g, " "), fold = bare(typed) === exact(typed) ? bare : exact;
    const wanted = fold(typed), [line, places] = wanted ? stack(fold) : ["", []], order = places.length ? [...places.keys()] : [];
    for (let at = wanted ? line.indexOf(wanted) : -1; at >= 0; at = line.indexOf(wanted, at + wanted.length)) {
      hits.push([lastBy(order, (i) => places[i], at), lastBy(order, (i) => places[i], at + wanted.length - 1)]);
    }
    for (const found of hits) for (const word of span(found)) word.classList.add("hit");
    const x = new Set(hits.map(([first]) => Math.floor((2000 * heardAt(first)) / (data.end || 1))));
    if ($("hits")) $("hits").setAttribute("d", [...x].map((at) => `M${at} 0h4`).join(""));
    for (const id of ["previous", "next", "hear"]) $(id).disabled = !hits.length;
    $("count").textContent = !wanted ? "" : hits.length ? t("{} found", hits.length) : t("Not found");
  };
  const go = (step) => {
    if (soon) { clearTimeout(soon); soon = 0; find(); }
    if (!hits.length) return;
    if (hit >= 0) for (const word of span(hits[hit])) word.classList.remove("at");
    hit = hit < 0 && step < 0 ? hits.length - 1 : (hit + step + hits.length) % hits.length;
    for (const word of span(hits[hit])) word.classList.add("at");
    left = true;
    reveal(words[hits[hit][0]]);
    $("count").textContent = t("{} of {}", hit + 1, hits.length);
  };
  const hear = () => { if (hits.length) jump(heardAt(hits[Math.max(0, hit)][0]), true); };
  $("query").addEventListener("input", () => {
    clearTimeout(soon);
    soon = setTimeout(() => { soon = 0; find(); }, 200);
  });
  $("query").addEventListener("keydown", (event) => {
    if (event.key === "Enter") { event.preventDefault(); go(event.shiftKey ? -1 : 1); }
    if (event.key === "Escape") { $("query").value = ""; find(); }
  });
  $("search").addEventListener("submit", (event) => { event.preventDefault(); go(1); });
  $("previous").addEventListener("click", () => go(-1));
  $("hear").addEventListener("click", hear);

  // ---- what is shown ----
  const marks = () => {
    transcript.classList.toggle("sure", $("sure").checked);
    for (const name of ["check", "all", "none"]) transcript.classList.toggle(`flags-${name}`, $("flags").value === name);
  };
  $("sure").addEventListener("change", marks);
  $("flags").addEventListener("change", marks);
  marks();
  const flagged = segments.filter((segment) => segment.querySelector(".flag:not(.n)"));
  $("check").hidden = !flagged.length;
  let checked = -1;
  const check = () => {
    if (!flagged.length) return;
    checked = (checked + 1) % flagged.length;
    left = true;
    reveal(flagged[checked]);
    flagged[checked].querySelector("a").focus({ preventScroll: true });
  };
  $("check").addEventListener("click", check);

  // ---- keys ----
  const beside = (step) => {
    const i = current() ?? lastBy([...words.keys()], heardAt, moment());
    const next = Math.min(words.length - 1, Math.max(0, i + step));
    if (words.length) jump(heardAt(next), false);
  };
  const keys = {
    k: toggle, j: () => jump(Math.max(0, moment() - 5000), false), l: () => jump(moment() + 5000, false),
    ",": () => beside(-1), ".": () => beside(1), "/": () => $("query").focus(),
    n: () => go(1), p: () => go(-1), h: hear, u: check,
  };
  addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input:not([type=checkbox]), select, textarea");
    if (["PageUp", "PageDown", "Home", "End"].includes(event.key) && !typing) away();
    if (!$("keys").checked || typing || event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });

  // ---- ready ----
  const fit = () => document.documentElement.style.setProperty("scroll-padding-top", `${sticky()?.offsetHeight ?? 0}px`);
  const observer = new ResizeObserver(fit);
  for (const element of [bar, $("player")]) observer.observe(element);
  $("tools").hidden = false;
  toHash();
  document.documentElement.dataset.ready = "";
})();
