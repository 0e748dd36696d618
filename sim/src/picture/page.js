"use strict";
const ends = { open: "not answered", done: "done", failed: "failed", lied: "answered without doing it", cut: "not answered before the process went down" };
const fates = { open: "written, not durable", synced: "durable", kept: "kept although not durable", lost: "lost", torn: "torn", undecided: "undecided until it is read", replaced: "replaced by something newer" };
(() => {
  const run = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const NS = "http://www.w3.org/2000/svg";
  const ROW = 24, HEAD = 46, SLOT = 8, MOST_SLOTS = 8;

  // Everything that a run says reaches the page as text or as an attribute, never as markup.
  const el = (name, cls, text) => {
    const made = document.createElement(name);
    if (cls) made.className = cls;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const svg = (name, cls, attributes, parent) => {
    const made = document.createElementNS(NS, name);
    if (cls) made.setAttribute("class", cls);
    for (const key in attributes) made.setAttribute(key, attributes[key]);
    parent.appendChild(made);
    return made;
  };
  const title = (of, text) => { const made = document.createElementNS(NS, "title"); made.textContent = text; of.appendChild(made); };

  const span = (nanos) => {
    const sign = nanos < 0 ? "-" : "", n = Math.abs(nanos);
    const units = [[1e9, "s"], [1e6, "ms"], [1e3, "us"], [1, "ns"]];
    const [size, unit] = units.find(([size]) => n >= size) || units[3];
    return sign + Number((n / size).toPrecision(5)) + " " + unit;
  };
  const counted = (n, one, more) => n.toLocaleString("en") + " " + (n === 1 ? one : more);

  // States are kept as what each shares with an earlier one.
  const states = [];
  for (const [base, head, tail, lines] of run.states.states) {
    const before = states[base] || [];
    states.push([...before.slice(0, head), ...lines, ...before.slice(before.length - tail)]);
  }
  const stateOf = (at) => states[at].map((line) => run.states.lines[line]);

  // Rows: one for each step, and one for each stretch that is left out.
  const rows = [], rowOf = new Map();
  let last = 0;
  for (const step of run.steps) {
    if (step.n > last + 1) rows.push({ gap: [last + 1, step.n - 1] });
    rowOf.set(step.n, rows.length);
    rows.push({ step });
    last = step.n;
  }
  if (last < run.total) rows.push({ gap: [last + 1, run.total] });
  const rowAt = (n) => {
    if (rowOf.has(n)) return rowOf.get(n);
    const found = rows.findIndex((row) => row.gap ? n <= row.gap[1] : n < row.step.n);
    return found < 0 ? rows.length - 1 : found;
  };
  const y = (n) => rowAt(n) * ROW + ROW / 2;
  const height = rows.length * ROW;

  const contra = new Map();
  for (const [n, , what] of run.broken ? run.broken.evidence : []) {
    contra.set(n, (contra.has(n) ? contra.get(n) + "; " : "") + what);
  }

  // Columns: clients first, then each node with its disk beside it, then links if any was cut.
  const slots = run.lanes.map(() => []);
  for (const stay of run.stays) {
    const from = rowAt(stay.from), until = stay.until === null ? rows.length : rowAt(stay.until);
    const taken = slots[stay.lane];
    let slot = taken.findIndex((free) => free < from);
    if (slot < 0) { slot = Math.min(taken.length, MOST_SLOTS - 1); }
    taken[slot] = Math.max(taken[slot] === undefined ? -1 : taken[slot], until);
    stay.slot = slot;
  }
  const order = run.lanes.map((lane, at) => at).sort((a, b) => {
    const rank = (at) => ({ client: 0, probe: 1, node: 2 })[run.lanes[at].kind];
    return rank(a) - rank(b) || run.lanes[a].number - run.lanes[b].number;
  });
  const used = new Set([...run.stays, ...run.syncs].map((one) => one.lane));
  const lanes = [];
  let x = 148;
  for (const at of order) {
    const lane = run.lanes[at], wide = Math.min(Math.max(lane.name.length * 7.5, 44), 130);
    lanes[at] = { x: x + wide / 2 };
    x += wide + 14;
    if (used.has(at)) {
      const disk = Math.max(slots[at].length, 1) * SLOT + 16;
      lanes[at].disk = x - 4;
      lanes[at].middle = x - 4 + Math.max(disk, 30) / 2;
      x += Math.max(disk, 34) + 14;
    }
  }
  const links = run.spans.filter((span) => span.to !== null);
  const pairs = [...new Set(links.map((span) => run.lanes[span.lane].name + " → " + run.lanes[span.to].name))];
  const linkX = x + 4;
  if (pairs.length) x += pairs.length * SLOT + 22;
  const wordsX = x + 8;

  // Heads
  const heads = $("heads");
  const head = (left, text, small) => {
    const made = el("div", "", text);
    if (small) made.appendChild(el("small", "", small));
    made.style.left = left + "px";
    heads.appendChild(made);
  };
  const gutter = el("div", "gutter", "step and time");
  heads.appendChild(gutter);
  run.lanes.forEach((lane, at) => {
    head(lanes[at].x, lane.name);
    if (used.has(at)) head(lanes[at].middle, "", "disk");
  });
  if (pairs.length) head(linkX + pairs.length * SLOT / 2, "", "links");

  // Rows
  const list = $("rows"), items = [];
  const told = new Map();
  for (const message of run.messages) {
    if (run.lanes[message.from].kind === "node" && run.lanes[message.to].kind !== "node") {
      told.set(message.sent, [...(told.get(message.sent) || []), message]);
    }
  }
  for (const row of rows) {
    const item = el("li", row.gap ? "gap" : "");
    if (row.gap) {
      const [from, to] = row.gap;
      const words = el("span", "words", counted(to - from + 1, "step", "steps") + " left out (" + from.toLocaleString("en") + " to " + to.toLocaleString("en") + ")");
      words.style.left = wordsX + "px";
      item.appendChild(words);
      item.setAttribute("role", "presentation");
    } else {
      const step = row.step;
      item.id = "step-" + step.n;
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", "false");
      item.classList.toggle("fault", step.fault);
      item.classList.toggle("off", !step.leads);
      item.append(el("span", "n", String(step.n)), el("span", "t", span(step.at)));
      const words = el("span", "words"), line = el("span", "say", step.text);
      if (step.text.length > 60) line.title = step.text;
      words.appendChild(line);
      words.style.left = wordsX + "px";
      const answers = told.get(step.n) || [];
      if (answers.length) {
        const [first] = answers;
        const more = answers.length > 1 ? " (and " + (answers.length - 1) + " more)" : "";
        const say = first.fate === "lost" ? first.label : "⇢ " + run.lanes[first.to].name + ": " + first.label;
        const answer = el("span", "told say", say + more);
        if (say.length > 60) answer.title = say;
        words.appendChild(answer);
      }
      if (contra.has(step.n)) {
        item.classList.add("contra");
        words.appendChild(el("span", "badge", contra.get(step.n)));
      }
      const other = run.nearest && run.nearest.passing;
      const parts = other && other.step === step.n;
      if (parts) {
        item.classList.add("parts");
        const there = other.there ? other.there.what : "nothing more happens";
        const badge = el("span", "badge parting", "≠ " + there);
        badge.title = "It passes " + other.change + ": there, at this step, " + there;
        words.appendChild(badge);
      }
      item.appendChild(words);
      const where = step.lane === null ? "" : run.lanes[step.lane].name + ", ";
      item.setAttribute("aria-label", "Step " + step.n + ", " + span(step.at) + ", " + where + step.text
        + (step.fault ? ", a fault" : "") + (step.leads ? "" : ", does not lead to the contradiction")
        + (parts ? ", here the run that passes goes another way" : "") + (contra.has(step.n) ? ", contradicts the promise: " + contra.get(step.n) : ""));
      item.addEventListener("click", () => { select(step.n); $("run").focus({ preventScroll: true }); });
    }
    items.push(item);
    list.appendChild(item);
  }
  const measure = () => {
    let most = 0;
    for (const item of items) { const words = item.querySelector(".words"); most = Math.max(most, words.offsetWidth); }
    $("stage").style.width = Math.max(wordsX + most + 24, $("run").clientWidth) + "px";
  };

  // The diagram
  const draw = $("draw");
  draw.setAttribute("width", wordsX);
  draw.setAttribute("height", height);
  draw.setAttribute("aria-label", "Space-time diagram: " + counted(run.lanes.length, "lane", "lanes") + ", " + counted(run.messages.length, "message", "messages") + ". The list of steps says the same in words.");
  for (const span of run.spans.filter((span) => span.to === null)) {
    const from = span.from === 0 ? 0 : y(span.from), until = span.until === null ? height : y(span.until);
    const lane = lanes[span.lane], wide = { dark: 22, down: 22, paused: 14 }[span.trouble];
    const box = svg("rect", span.trouble === "paused" ? "paused" : "down", { x: lane.x - wide / 2, y: from, width: wide, height: Math.max(until - from, 2), rx: 4 }, draw);
    title(box, { dark: "no power", down: "the process is down", paused: "the process is paused" }[span.trouble]);
  }
  run.lanes.forEach((lane, at) => svg("line", "lane " + lane.kind, { x1: lanes[at].x, x2: lanes[at].x, y1: 0, y2: height }, draw));
  for (const span of links) {
    const at = pairs.indexOf(run.lanes[span.lane].name + " → " + run.lanes[span.to].name);
    const until = span.until === null ? height : y(span.until);
    const line = svg("line", span.trouble, { x1: linkX + at * SLOT, x2: linkX + at * SLOT, y1: y(span.from), y2: until }, draw);
    title(line, pairs[at] + (span.trouble === "cut" ? " is cut" : " is held"));
  }
  for (const stay of run.stays) {
    const left = lanes[stay.lane].disk + 12 + stay.slot * SLOT, from = y(stay.from);
    const until = stay.until === null ? height : Math.max(y(stay.until), from + 4);
    const doomed = stay.doomed === null ? until : Math.min(y(stay.doomed), until);
    const part = (cls, a, b) => b > a && title(svg("rect", "stay " + cls, { x: left, y: a, width: SLOT - 3, height: b - a, rx: 1.5 }, draw), stay.what + ": not durable" + (cls ? ", and no sync will save it" : ""));
    part("", from, doomed);
    part("doomed", doomed, until);
    if (stay.end === "lost" || stay.end === "torn") {
      const c = left + (SLOT - 3) / 2;
      title(svg("path", "x", { d: `M${c - 4} ${until - 4}l8 8m0 -8l-8 8` }, draw), stay.what + (stay.end === "lost" ? " is gone" : " is there in part"));
    } else if (stay.end !== "open") {
      svg("rect", "cap " + stay.end, { x: left - 1, y: until - 3, width: SLOT - 1, height: 6, rx: 1 }, draw);
    }
  }
  for (const sync of run.syncs) {
    const left = lanes[sync.lane].disk + 5, from = y(sync.from), until = sync.until === null ? height : y(sync.until);
    title(svg("path", "sync " + sync.end, { d: `M${left + 4} ${from}h-4V${until}h4` }, draw), sync.what + ": " + ends[sync.end]);
    if (["failed", "cut", "lied"].includes(sync.end)) svg("path", "x", { d: `M${left - 3} ${until - 4}l7 8m0 -8l-7 8` }, draw);
  }
  const idle = new Set(run.steps.filter((step) => !step.leads).map((step) => step.n));
  const faded = (n) => idle.has(n) ? " off" : "";
  const arrows = new Map();
  const remember = (n, line) => arrows.set(n, [...(arrows.get(n) || []), line]);
  for (const message of run.messages) {
    const call = run.lanes[message.from].kind !== "node" || run.lanes[message.to].kind !== "node";
    const reply = call && run.lanes[message.to].kind !== "node";
    const shift = call ? (reply ? 4 : -4) : 0;
    const x1 = lanes[message.from].x, y1 = y(message.sent) + shift;
    let x2 = lanes[message.to].x, y2 = (message.until === null ? height : y(message.until)) + shift;
    const cls = message.fate + (call ? " call" : "") + (message.copy ? " copy" : "") + (faded(message.sent) || (message.until !== null && faded(message.until)));
    const gone = message.fate === "lost" || message.fate === "underway";
    if (message.fate === "lost") { x2 = x1 + (x2 - x1) * 0.6; y2 = y1 + (y2 - y1) * 0.6; }
    if (message.fate === "underway") { const part = Math.min(1, 3 * ROW / Math.max(y2 - y1, 1)); x2 = x1 + (x2 - x1) * part; y2 = y1 + (y2 - y1) * part; }
    const angle = Math.atan2(y2 - y1, x2 - x1), short = gone ? 0 : 6;
    const ex = x2 - Math.cos(angle) * short, ey = y2 - Math.sin(angle) * short;
    const line = svg("line", "msg " + cls, { x1, y1, x2: ex, y2: ey }, draw);
    title(line, message.label);
    if (message.fate === "lost") svg("path", "x", { d: `M${ex - 4} ${ey - 4}l8 8m0 -8l-8 8` }, draw);
    else if (!gone) svg("path", "tip " + cls, { d: "M0 0L-8 -4V4Z", transform: `translate(${ex + Math.cos(angle) * 2} ${ey + Math.sin(angle) * 2}) rotate(${angle * 180 / Math.PI})` }, draw);
    remember(message.sent, line);
    if (message.until !== null && message.until !== message.sent) remember(message.until, line);
  }
  for (const step of run.steps) {
    if (step.lane === null) continue;
    const c = lanes[step.lane].x, m = y(step.n);
    const bad = (step.fault ? " bad" : "") + faded(step.n);
    if (step.kind === "boot") svg("path", "ev boot" + faded(step.n), { d: `M${c} ${m - 6}l6 10h-12z` }, draw);
    else if (step.kind === "crash") svg("path", "ev crash" + faded(step.n), { d: `M${c + 3} ${m - 10}l-9 11h5l-3 9l11 -13h-6z` }, draw);
    else if (step.kind === "disk") svg("rect", "ev disk" + bad, { x: c - 4, y: m - 4, width: 8, height: 8, rx: 1 }, draw);
    else svg("circle", "ev " + step.kind + bad, { cx: c, cy: m, r: 4.5 }, draw);
  }

  // One step, in full
  const side = $("side");
  let tab = "changes", chosen = null;
  const jump = (n, text) => {
    const made = el("button", "link", text);
    made.type = "button";
    made.addEventListener("click", () => select(n));
    return made;
  };
  const bullet = (parent, text, cls) => { const made = el("li", cls, text); parent.appendChild(made); return made; };
  const section = (text) => { side.appendChild(el("h3", "", text)); const made = el("ul"); side.appendChild(made); return made; };

  function detail(step) {
    side.replaceChildren();
    side.scrollTop = 0;
    const lane = step.lane === null ? null : run.lanes[step.lane];
    side.appendChild(el("h2", "", step.text));
    side.appendChild(el("p", "meta", "step " + step.n.toLocaleString("en") + " of " + run.total.toLocaleString("en") + " · " + span(step.at) + (lane ? " · " + lane.name : "") + (step.fault ? " · a fault" : "") + (step.leads ? "" : " · does not lead to the contradiction")));
    if (contra.has(step.n)) side.appendChild(el("div", "contra", "Contradicts the promise: " + contra.get(step.n)));
    for (const taken of step.taken) {
      const asked = section(run.lanes[taken.lane].name + " was given");
      bullet(asked, taken.input);
      if (taken.actions.length) {
        const answers = section("and asked for");
        taken.actions.forEach((action, at) => {
          const undone = taken.performed !== null && at >= taken.performed;
          const line = bullet(answers, action, undone ? "undone" : "");
          if (undone) line.appendChild(el("span", "meta", " (killed before)"));
        });
      }
      side.appendChild(el("p", "meta", "clocks: " + span(taken.mono) + " since its start" + (Math.abs(taken.ahead) < 1000 ? ", wall clock true" : ", wall clock " + span(Math.abs(taken.ahead)) + (taken.ahead > 0 ? " ahead" : " behind"))));
    }
    const sent = run.messages.filter((m) => m.sent === step.n && m.until !== step.n);
    const came = run.messages.filter((m) => m.until === step.n && m.sent !== step.n);
    if (sent.length || came.length) {
      const under = section("messages");
      for (const m of came) {
        const line = bullet(under, m.label + " from " + run.lanes[m.from].name + (m.fate === "lost" ? " is lost" : " arrives") + ", sent in ");
        line.appendChild(jump(m.sent, "step " + m.sent));
      }
      for (const m of sent) {
        const line = bullet(under, m.label + " to " + run.lanes[m.to].name + (m.copy ? " (a copy)" : "") + ": " + (m.until === null ? "under way at the end" : m.fate === "lost" ? "lost in " : "arrives in "));
        if (m.until !== null) line.appendChild(jump(m.until, "step " + m.until));
      }
    }
    if (lane && lane.kind === "node") disk(step);
    state(step);
  }

  function disk(step) {
    const here = run.stays.filter((stay) => stay.lane === step.lane && stay.from <= step.n && (stay.until === null || stay.until >= step.n));
    const syncs = run.syncs.filter((sync) => sync.lane === step.lane && (sync.until === step.n || sync.from <= step.n && (sync.until === null || sync.until > step.n)));
    if (!here.length && !syncs.length) return;
    const under = section("disk, after this step");
    for (const stay of here) {
      const over = stay.until === step.n, doomed = stay.doomed !== null && stay.doomed <= step.n;
      const line = bullet(under, "");
      line.appendChild(el("span", "dot " + (over ? stay.end : doomed ? "doomed" : "open")));
      const word = over ? fates[stay.end] : doomed ? "not durable, and no sync will save it" : "written, not durable";
      line.append(stay.what + ": " + word);
    }
    for (const sync of syncs) bullet(under, sync.what + ": " + (sync.until === step.n ? ends[sync.end] : "under way"));
  }

  function state(step) {
    if (step.before === null && step.after === null) return;
    side.appendChild(el("h3", "", "state of " + run.lanes[step.lane].name));
    const tabs = el("div", "tabs"), box = el("pre", "state");
    box.tabIndex = 0;
    for (const name of ["changes", "before", "after"]) {
      const made = el("button", "btn", name);
      made.type = "button";
      made.setAttribute("aria-pressed", String(name === tab));
      made.addEventListener("click", () => { tab = name; fill(); for (const one of tabs.children) one.setAttribute("aria-pressed", String(one.textContent === tab)); });
      tabs.appendChild(made);
    }
    side.append(tabs, box);
    const fill = () => {
      box.replaceChildren();
      const line = (text, cls) => box.appendChild(el("span", cls, text || " "));
      if (tab === "changes") {
        if (step.before === null || step.after === null) return line("the other state was not recorded", "skip");
        if (step.before === step.after) return line("nothing has changed", "skip");
        return changes(states[step.before], states[step.after], line);
      }
      const at = tab === "before" ? step.before : step.after;
      if (at === null) return line("not recorded", "skip");
      stateOf(at).forEach((text) => line(text));
    };
    fill();
  }

  // What two states differ in, with a little around it. Lines are numbers: equal lines, equal numbers.
  function changes(a, b, line) {
    const text = (number) => run.states.lines[number];
    let head = 0, tail = 0;
    while (head < a.length && head < b.length && a[head] === b[head]) head++;
    while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
    const p = a.slice(head, a.length - tail), q = b.slice(head, b.length - tail);
    const out = [];
    if (p.length * q.length > 250000) {
      p.forEach((l) => out.push(["minus", l]));
      q.forEach((l) => out.push(["plus", l]));
    } else {
      const w = q.length + 1, best = new Uint32Array((p.length + 1) * w);
      for (let i = p.length - 1; i >= 0; i--) for (let j = q.length - 1; j >= 0; j--) {
        best[i * w + j] = p[i] === q[j] ? best[(i + 1) * w + j + 1] + 1 : Math.max(best[(i + 1) * w + j], best[i * w + j + 1]);
      }
      let i = 0, j = 0;
      while (i < p.length || j < q.length) {
        if (i < p.length && j < q.length && p[i] === q[j]) { out.push(["", p[i]]); i++; j++; }
        else if (j >= q.length || i < p.length && best[(i + 1) * w + j] >= best[i * w + j + 1]) out.push(["minus", p[i++]]);
        else out.push(["plus", q[j++]]);
      }
    }
    const all = [...a.slice(Math.max(0, head - 3), head).map((l) => ["", l]), ...out, ...a.slice(a.length - tail, a.length - tail + 3).map((l) => ["", l])];
    const near = all.map((_, at) => all.slice(Math.max(0, at - 3), at + 4).some(([cls]) => cls));
    if (head > 3) line((head - 3) + " lines alike", "skip");
    let skipped = 0;
    all.forEach(([cls, l], at) => {
      if (!near[at]) { skipped++; return; }
      if (skipped) { line(skipped + " lines alike", "skip"); skipped = 0; }
      line((cls === "minus" ? "- " : cls === "plus" ? "+ " : "  ") + text(l), cls);
    });
    if (skipped + Math.max(tail - 3, 0) > 0) line((skipped + Math.max(tail - 3, 0)) + " lines alike", "skip");
  }

  // Moving about
  const pane = $("run");
  function select(n, far) {
    if (!rowOf.has(n)) return;
    if (chosen !== null) {
      const old = items[rowOf.get(chosen)];
      old.classList.remove("on");
      old.setAttribute("aria-selected", "false");
      (arrows.get(chosen) || []).forEach((line) => line.classList.remove("hot"));
    }
    chosen = n;
    const at = rowOf.get(n), item = items[at];
    item.classList.add("on");
    item.setAttribute("aria-selected", "true");
    (arrows.get(n) || []).forEach((line) => line.classList.add("hot"));
    list.setAttribute("aria-activedescendant", item.id);
    pane.setAttribute("aria-activedescendant", item.id);
    const top = at * ROW, room = pane.clientHeight - HEAD;
    if (top < pane.scrollTop + ROW || top > pane.scrollTop + room - 2 * ROW) pane.scrollTop = Math.max(0, top - room / (far ? 2 : 3));
    detail(rows[at].step);
    try { history.replaceState(null, "", "#at-" + n); } catch (e) { /* Some viewers keep no history. */ }
  }
  const shown = run.steps.map((step) => step.n);
  const marked = [...contra.keys()].filter((n) => rowOf.has(n)).sort((a, b) => a - b);
  const faults = run.steps.filter((step) => step.fault).map((step) => step.n);
  const move = (by) => { const at = shown.indexOf(chosen); select(shown[Math.min(Math.max(at + by, 0), shown.length - 1)]); };
  const along = (among, back) => {
    const next = back ? among.filter((n) => n < chosen).pop() : among.find((n) => n > chosen);
    const to = next === undefined ? among[back ? among.length - 1 : 0] : next;
    if (to !== undefined) select(to, true);
  };
  const other = () => {
    const m = run.messages.find((m) => m.until !== null && m.until !== m.sent && (m.sent === chosen || m.until === chosen));
    if (m) select(m.sent === chosen ? m.until : m.sent, true);
  };
  const toggle = $("slice");
  const fade = (on) => { $("stage").classList.toggle("slice", on); if (toggle) toggle.setAttribute("aria-pressed", String(on)); };
  const flip = () => fade(!$("stage").classList.contains("slice"));
  if (toggle) toggle.addEventListener("click", flip);
  fade(toggle !== null);
  const help = $("help");
  const keys = {
    ArrowDown: () => move(1), j: () => move(1), ArrowUp: () => move(-1), k: () => move(-1),
    PageDown: () => move(20), PageUp: () => move(-20),
    Home: () => select(shown[0], true), g: () => select(shown[0], true),
    End: () => select(shown[shown.length - 1], true), G: () => select(shown[shown.length - 1], true),
    n: () => along(marked), N: () => along(marked, true), f: () => along(faults), F: () => along(faults, true),
    m: other, s: flip, "?": () => help.open ? help.close() : help.showModal(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in keys)) return;
    if (help.open && event.key !== "?") return;
    if (event.target.closest && event.target.closest("pre.state") && /^(Arrow|Page|Home|End)/.test(event.key)) return;
    event.preventDefault();
    keys[event.key]();
  });
  $("ask").addEventListener("click", () => help.showModal());
  $("copy").addEventListener("click", () => {
    const say = (text) => { $("copy").textContent = text; };
    if (navigator.clipboard) navigator.clipboard.writeText($("replay").textContent).then(() => say("copied"), () => say("select and copy it"));
    else say("select and copy it");
  });
  for (const button of document.querySelectorAll("[data-step]")) button.addEventListener("click", () => { select(Number(button.dataset.step), true); pane.scrollIntoView({ block: "nearest" }); });
  addEventListener("resize", measure);
  addEventListener("hashchange", () => follow());
  const follow = () => { const n = Number((location.hash.match(/^#at-(\d+)$/) || [])[1]); if (rowOf.has(n)) select(n, true); return rowOf.has(n); };
  measure();
  if (shown.length && !follow()) select(marked.length ? marked[marked.length - 1] : shown[shown.length - 1], true);
})();
