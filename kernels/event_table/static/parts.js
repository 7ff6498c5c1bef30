// The table of events: one module for both mounts, anywidget in Jupyter and AnyWidgetComponent
// in Panel.  It fetches nothing.  State goes through `model`; the traits are described in ../panel.py.

const OPERATORS = { eq: "=", ne: "≠", lt: "<", lte: "≤", gt: ">", gte: "≥", prefix: "starts with", suffix: "ends with", in: "is one of", exists: "exists" };
const SPANS = { "": "Any time", "1h": "Last hour", "24h": "Last 24 hours", "7d": "Last 7 days", "30d": "Last 30 days", own: "From … to …" };
const EMPTY = { type: "", collection: "", text: "", span: "", since: "", until: "", field: "", operator: "eq", value: "" };
const COLUMNS = { time: "Time (UTC)", type: "Type", collection: "Collection", subject: "Subject", where: "Where" };
const OPERATIONS = ["create", "update", "delete"];
const ICONS = {
  pause: "M7 4.5v11M13 4.5v11", play: "M6.5 4.2v11.6L15.5 10Z", search: "M9 3.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11M13 13l4 4",
  clear: "M6 6l8 8M14 6l-8 8", copy: "M7.5 7.5h9v9h-9ZM12.5 7.5v-4h-9v9h4", done: "M4 10.5l4 4 8-9", sieve: "M3 5h14l-5.5 6.5v5l-3-1.8v-3.2Z",
};
const TYPING = 300; // milliseconds after the last key until a filter is asked for
const NEAR_END = 160; // pixels above the end at which the next page is asked for

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

function element(tag, attributes = {}, ...children) {
  const vector = tag === "svg" || tag === "path";
  const node = vector ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

const icon = (name) => element("svg", { class: "ev-icon", viewBox: "0 0 20 20", "aria-hidden": "true" }, element("path", { d: ICONS[name] }));

function button(name, label, action, word = "", more = {}) {
  const children = [...(name ? [icon(name)] : []), ...(word ? [element("span", { class: "ev-word" }, word)] : [])];
  return element("button", { type: "button", class: "ev-button", "aria-label": label, title: label, onclick: action, ...more }, ...children);
}

// "2026-11-24T22:08:31.123Z" as day and time; other offsets are brought to UTC.
function timeParts(text) {
  const moment = new Date(text);
  const plain = Number.isNaN(moment.valueOf()) ? text : moment.toISOString();
  return [plain.slice(0, 10), plain.slice(11, 19)];
}

// JSON with its names and its values told apart; nothing in it becomes HTML.
function paintJson(node, text) {
  const parts = /("(?:\\.|[^"\\])*")(\s*:)?|\b(true|false|null)\b|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)/g;
  const pieces = [];
  let last = 0;
  for (const found of text.matchAll(parts)) {
    const kind = found[1] ? (found[2] ? "name" : "text") : found[3] ? "word" : "number";
    const value = found[1] || found[0];
    pieces.push(text.slice(last, found.index), element("span", { class: `ev-${kind}` }, value));
    last = found.index + value.length;
  }
  node.replaceChildren(...pieces, text.slice(last));
}

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Pages without https have no clipboard to write to, but can copy what is selected.
    const area = element("textarea", { style: "position:fixed;opacity:0" });
    area.value = text;
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }
}

// ---------------------------------------------------------------------------- the filter inputs
class Inputs {
  constructor(ask) {
    this.ask = ask;
    this.fields = {};
    const id = `ev-${Math.random().toString(36).slice(2)}`;
    this.lists = { types: element("datalist", { id: `${id}-types` }), collections: element("datalist", { id: `${id}-collections` }) };
    const input = (name, label, more = {}) => {
      const node = element("input", { type: "text", class: `ev-input ev-in-${name}`, "aria-label": label, placeholder: label, autocomplete: "off", spellcheck: "false", ...more });
      node.addEventListener("input", () => this.soon());
      node.addEventListener("change", () => this.now());
      this.fields[name] = node;
      return node;
    };
    const select = (name, label, options) => {
      const node = element("select", { class: `ev-input ev-in-${name}`, "aria-label": label, onchange: () => this.now() });
      node.append(...Object.entries(options).map(([value, text]) => element("option", { value }, text)));
      this.fields[name] = node;
      return node;
    };
    this.search = input("text", "Search text", { type: "search" });
    this.first = element("label", { class: "ev-search" }, icon("search"), this.search);
    this.own = element(
      "span", { class: "ev-own", hidden: "" },
      input("since", "From (UTC)", { placeholder: "2026-01-31T06:00" }), "–", input("until", "To (UTC)", { placeholder: "2026-02-01" }),
    );
    this.clear = button("clear", "Clear all filters", () => this.empty(), "Clear");
    this.node = element(
      "div", { class: "ev-filters", role: "group", "aria-label": "Filters" },
      input("type", "Type", { list: `${id}-types`, title: "Exact, or org.example.* for all that begin so; several with commas" }),
      input("collection", "Collection", { list: `${id}-collections` }), select("span", "Time", SPANS), this.own,
      element("span", { class: "ev-field" }, input("field", "Field", { title: "Any field of an event, such as cloud_cover or data.a.b" }), select("operator", "Comparison", OPERATORS), input("value", "Value")),
      this.clear, this.lists.types, this.lists.collections,
    );
  }
  read() {
    return Object.fromEntries(Object.keys(EMPTY).map((name) => [name, this.fields[name].value]));
  }
  soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.now(), TYPING);
    this.refresh();
  }
  now() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.refresh();
    this.ask(this.read());
  }
  empty() {
    this.show(EMPTY, true);
    this.now();
    this.search.focus({ preventScroll: true });
  }
  show(inputs, force = false) {
    if (this.timer && !force) return; // what comes is older than what is being typed
    for (const [name, value] of Object.entries({ ...EMPTY, ...inputs })) {
      if (this.fields[name].value !== value) this.fields[name].value = value;
    }
    this.refresh();
  }
  offer(known) {
    for (const [name, list] of Object.entries(this.lists)) {
      list.replaceChildren(...(known?.[name] || []).map((value) => element("option", { value })));
    }
  }
  isSet() {
    const { operator, value, ...rest } = this.read(); // these two say nothing without a field
    return Object.values(rest).some(Boolean);
  }
  refresh() {
    this.own.hidden = this.fields.span.value !== "own";
    this.fields.value.hidden = this.fields.operator.value === "exists";
    for (const name of ["operator", "value"]) this.fields[name].disabled = !this.fields.field.value;
    this.clear.hidden = !this.isSet();
    for (const node of Object.values(this.fields)) node.classList.toggle("ev-set", Boolean(node.value) && !node.disabled && node !== this.fields.operator);
  }
  blame(name) {
    for (const [field, node] of Object.entries(this.fields)) {
      const wrong = Boolean(name) && (field === name || (field === "value" && name === this.fields.field.value));
      node.classList.toggle("ev-wrong", wrong);
      node.setAttribute("aria-invalid", String(wrong));
    }
  }
}

// ---------------------------------------------------------------------------- the whole of one event
class Detail {
  constructor(close) {
    this.text = "";
    this.title = element("b", {});
    this.body = element("pre", { class: "ev-json", tabindex: "0", "aria-label": "The event as JSON" });
    this.copy = button("copy", "Copy the JSON", () => this.take(), "Copy");
    this.node = element(
      "aside", { class: "ev-detail", role: "region", "aria-label": "Event", hidden: "" },
      element("header", {}, this.title, this.copy, button("clear", "Close (Esc)", close)), this.body,
    );
  }
  show(opened, detail) {
    this.node.hidden = !opened;
    if (!opened) return;
    const here = detail?.n === opened ? detail : {};
    this.title.textContent = `Event ${opened.toLocaleString("en")}`;
    this.copy.disabled = !here.text;
    if (this.text === here.text && here.text) return;
    this.text = here.text || "";
    this.body.classList.toggle("ev-bad", Boolean(here.error));
    if (here.text) paintJson(this.body, here.text);
    else this.body.textContent = here.error || "…";
    this.body.scrollTop = 0;
    this.say("Copy", "copy");
  }
  async take() {
    const copied = await copyText(this.text);
    this.say(copied ? "Copied" : "Select and copy by hand", copied ? "done" : "copy");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.say("Copy", "copy"), 1600);
  }
  say(word, name) {
    this.copy.replaceChildren(icon(name), element("span", { class: "ev-word" }, word));
  }
}
