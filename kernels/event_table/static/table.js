// The table itself: what the model says is shown, and what a hand does is said to the model.

class Table {
  constructor(model, el) {
    this.model = model;
    this.lines = new Map(); // the row in the page of each event
    this.current = 0; // the row that the keys are on
    this.build(el);
    this.listen();
  }
  get(name) {
    return this.model.get(name);
  }
  save(changes) {
    for (const [name, value] of Object.entries(changes)) this.model.set(name, value);
    this.model.save_changes();
  }

  build(el) {
    this.inputs = new Inputs((inputs) => !same(inputs, this.get("inputs")) && this.save({ inputs }));
    this.detail = new Detail(() => this.open(0));
    this.live = element("button", { type: "button", class: "ev-button ev-live", onclick: () => this.save({ paused: !this.get("paused") }) });
    this.sieve = button("sieve", "Filters", () => this.showFilters(this.inputs.node.hidden), "Filters", { "aria-expanded": "true" });
    this.count = element("span", { class: "ev-count", "aria-live": "polite" });
    this.note = element("div", { class: "ev-note", hidden: "" });
    this.trouble = element("div", { class: "ev-trouble", role: "alert", hidden: "" });
    this.news = element("button", { type: "button", class: "ev-news", hidden: "", onclick: () => this.save({ paused: false }) });
    this.body = element("tbody");
    this.end = element("div", { class: "ev-end" });
    this.none = element("div", { class: "ev-none", hidden: "" });
    const heads = Object.entries(COLUMNS).map(([name, text]) => element("th", { scope: "col", class: `ev-c-${name}` }, text));
    const table = element("table", { class: "ev-table", role: "grid", "aria-label": "Events, newest first", "aria-multiselectable": "true" }, element("thead", {}, element("tr", {}, ...heads)), this.body);
    this.scroll = element("div", { class: "ev-scroll" }, table, this.none, this.end);
    this.root = element(
      "div", { class: "ev-events", "data-lm-suppress-shortcuts": "true" },
      element("div", { class: "ev-bar" }, this.live, this.inputs.first, this.sieve, this.count),
      this.inputs.node, this.note, this.trouble, element("div", { class: "ev-main" }, element("div", { class: "ev-list" }, this.news, this.scroll), this.detail.node),
    );
    el.classList.add("ev-host");
    el.append(this.root);
  }
  listen() {
    this.handlers = [];
    const changed = (names, action) => {
      const handler = () => action(this.get(names[0]));
      for (const name of names) {
        this.model.on(`change:${name}`, handler);
        this.handlers.push([`change:${name}`, handler]);
      }
      handler();
    };
    changed(["theme"], () => this.applyTheme());
    changed(["frame_height"], (height) => {
      this.root.classList.toggle("ev-fill", !height);
      this.root.style.height = height ? `${height}px` : "";
    });
    changed(["inputs"], (inputs) => this.inputs.show(inputs));
    changed(["known"], (known) => this.inputs.offer(known));
    changed(["rows"], (rows) => this.applyRows(rows || []));
    changed(["chosen"], () => this.applyChosen());
    changed(["opened", "detail"], () => this.detail.show(this.get("opened"), this.get("detail")));
    changed(["opened"], () => this.applyChosen());
    changed(["paused", "waiting"], () => this.refreshState());
    changed(["trouble"], () => this.refreshState());
    changed(["more", "served", "pages"], () => this.refreshEnd());
    changed(["note"], (note) => {
      this.note.hidden = !note;
      this.note.textContent = note ? `Also required: ${note}` : "";
    });
    this.themes = new MutationObserver(() => this.applyTheme());
    for (const node of [document.body, document.documentElement]) {
      this.themes.observe(node, { attributes: true, attributeFilter: ["class", "data-theme", "data-jp-theme-light", "style"] });
    }
    this.scroll.addEventListener("scroll", () => this.reachEnd());
    this.body.addEventListener("click", (event) => this.click(event));
    this.root.addEventListener("keydown", (event) => this.key(event));
  }
  close() {
    for (const [name, handler] of this.handlers) this.model.off(name, handler);
    this.themes.disconnect();
    clearTimeout(this.inputs.timer);
    this.root.remove();
  }

  // ---- state that comes in
  applyTheme() {
    const asked = this.get("theme");
    const { body, documentElement: top } = document;
    const page = body.dataset.jpThemeLight === "false" || top.dataset.theme === "dark" || top.dataset.bsTheme === "dark" || /\bdark\b/.test(`${top.className} ${body.className}`);
    this.root.classList.toggle("ev-dark", asked === "dark" || (asked !== "light" && page));
  }
  applyRows(rows) {
    const held = this.root.getRootNode().activeElement?.closest?.("tr[data-n]");
    const wanted = new Set(rows.map((row) => row.n));
    for (const [n, line] of this.lines) {
      if (wanted.has(n)) continue;
      line.remove();
      this.lines.delete(n);
    }
    const before = this.newest || 0;
    const height = this.scroll.scrollHeight;
    let place = this.body.firstElementChild;
    for (const row of rows) {
      let line = this.lines.get(row.n);
      if (!line) {
        line = this.line(row);
        this.lines.set(row.n, line);
        if (before && row.n > before) line.classList.add("ev-fresh");
      }
      if (line === place) place = place.nextElementSibling;
      else this.body.insertBefore(line, place);
    }
    // Whoever reads further down stays where he reads.
    if (this.scroll.scrollTop > 30 && rows.length && before && rows[0].n > before) this.scroll.scrollTop += this.scroll.scrollHeight - height;
    this.newest = rows[0]?.n || before;
    if (held && !held.isConnected) this.scroll.querySelector("tr[data-n]")?.focus({ preventScroll: true });
    if (!this.lines.has(this.current)) this.current = rows[0]?.n || 0;
    this.applyChosen();
    this.refreshEnd();
  }
  line(row) {
    const [day, clock] = timeParts(row.time);
    const parts = row.type.split(".");
    const tail = parts.slice(-2).join(".");
    const operation = OPERATIONS.includes(parts.at(-1)) ? parts.at(-1) : "other";
    const cell = (name, title, ...children) => element("td", { class: `ev-c-${name}`, title: title || null, role: "gridcell" }, ...children);
    return element(
      "tr", { "data-n": row.n, tabindex: "-1", "aria-selected": "false" },
      cell("time", row.time, element("span", { class: "ev-day" }, day), " ", clock),
      cell("type", row.type, element("span", { class: `ev-type ev-${operation}` }, element("i", { class: "ev-head" }, row.type.slice(0, row.type.length - tail.length)), element("span", { class: "ev-tail" }, tail))),
      cell("collection", row.collection, row.collection), cell("subject", row.subject, element("bdi", {}, row.subject)), cell("where", row.where, row.where),
    );
  }
  applyChosen() {
    const chosen = new Set(this.get("chosen") || []);
    for (const [n, line] of this.lines) {
      line.setAttribute("aria-selected", String(chosen.has(n)));
      line.classList.toggle("ev-opened", n === this.get("opened"));
      line.tabIndex = n === this.current ? 0 : -1;
    }
  }
  refreshState() {
    const paused = this.get("paused");
    const waiting = this.get("waiting") || 0;
    const trouble = this.get("trouble")?.text || "";
    const rows = this.get("rows") || [];
    const label = paused ? "Resume (P)" : "Pause (P)";
    this.live.replaceChildren(icon(paused ? "play" : "pause"), element("span", { class: "ev-word" }, paused ? "Resume" : "Pause"));
    this.live.setAttribute("aria-label", label);
    this.live.title = label;
    this.live.setAttribute("aria-pressed", String(paused));
    this.root.dataset.state = trouble ? "error" : paused ? "paused" : "live";
    this.news.hidden = !(paused && waiting);
    this.news.textContent = `${waiting.toLocaleString("en")} new event${waiting === 1 ? "" : "s"} · show`;
    this.trouble.hidden = !trouble;
    this.trouble.textContent = trouble;
    this.inputs.blame(trouble ? this.get("trouble").field : "");
    const state = element("span", { class: "ev-state" }, trouble ? "Not connected" : paused ? "Paused" : "Live");
    if (trouble && this.get("trouble").field) state.textContent = "Check the filter";
    this.count.replaceChildren(state, element("span", { class: "ev-number" }, `${rows.length.toLocaleString("en")} event${rows.length === 1 ? "" : "s"}`));
    this.none.hidden = rows.length > 0 || this.get("more") !== "";
    if (!this.none.hidden) this.none.replaceChildren(...this.whyEmpty(trouble));
  }
  whyEmpty(trouble) {
    if (trouble) return [element("b", {}, "Nothing to show"), element("span", {}, "What is wrong stands above.")];
    if (this.inputs.isSet() || this.get("note")) {
      return [element("b", {}, "No event matches"), element("span", {}, "New ones appear here as they come."), ...(this.inputs.isSet() ? [button("clear", "Clear all filters", () => this.inputs.empty(), "Clear filters")] : [])];
    }
    return [element("b", {}, "No events yet"), element("span", {}, "They appear here as they come. To try it, run in a notebook:"), element("code", {}, 'bh.notify("org.example.ping")')];
  }
  refreshEnd() {
    const more = this.get("more");
    const loading = (this.get("pages") || 0) > (this.get("served") || 0);
    const words = { more: "Older events", further: "Look further back", full: "More than this is not shown; narrow the filters to see older events." };
    if (loading) this.end.replaceChildren(element("span", {}, "Loading older events …"));
    else if (more === "full") this.end.replaceChildren(element("span", {}, words.full));
    else if (more) this.end.replaceChildren(button("", words[more], () => this.older(), words[more]));
    else this.end.replaceChildren(...((this.get("rows") || []).length ? [element("span", {}, this.inputs.isSet() || this.get("note") ? "No older event matches." : "This is the beginning of the log.")] : []));
    this.refreshState();
  }

  // ---- state that goes out
  older() {
    const pages = this.get("pages") || 0;
    if (this.get("more") === "" || this.get("more") === "full" || pages > (this.get("served") || 0)) return;
    this.save({ pages: pages + 1 });
  }
  reachEnd() {
    const { scrollTop, clientHeight, scrollHeight } = this.scroll;
    if (this.get("more") === "more" && scrollTop + clientHeight > scrollHeight - NEAR_END) this.older();
  }
  showFilters(shown) {
    this.inputs.node.hidden = !shown;
    this.sieve.setAttribute("aria-expanded", String(shown));
  }
  open(n) {
    this.save({ opened: n, ...(n ? { chosen: [n] } : {}) });
    if (!n && this.lines.has(this.current)) this.lines.get(this.current).focus({ preventScroll: true });
  }
  toggle(n) {
    const chosen = this.get("chosen") || [];
    this.save({ chosen: chosen.includes(n) ? chosen.filter((each) => each !== n) : [...chosen, n] });
  }
  reach(n) {
    const all = [...this.body.children].map((line) => Number(line.dataset.n));
    const [from, to] = [all.indexOf(this.anchor || this.current), all.indexOf(n)].sort((a, b) => a - b);
    this.save({ chosen: all.slice(Math.max(from, 0), to + 1) });
  }
  click(event) {
    const line = event.target.closest("tr[data-n]");
    if (!line) return;
    const n = Number(line.dataset.n);
    if (event.shiftKey) this.reach(n);
    else if (event.ctrlKey || event.metaKey) this.toggle(n);
    else if (!String(document.getSelection())) this.open(n);
    if (!event.shiftKey) this.anchor = n;
    this.goTo(line);
  }
  goTo(line) {
    this.current = Number(line.dataset.n);
    this.applyChosen();
    line.focus({ preventScroll: true });
    line.scrollIntoView({ block: "nearest" });
  }
  key(event) {
    const typing = event.target.closest("input, select, textarea");
    if (event.key === "Escape") {
      if (this.get("opened")) this.open(0);
      else if (typing && typing.value) this.inputs.empty();
      else return;
    } else if (typing || event.ctrlKey || event.metaKey || event.altKey) {
      if (event.key === "ArrowDown" && typing === this.inputs.search) this.body.querySelector("tr[tabindex='0']")?.focus();
      return;
    } else if (event.key === "/") this.inputs.search.focus();
    else if (event.key.toLowerCase() === "p") this.save({ paused: !this.get("paused") });
    else if (!this.walk(event)) return;
    event.preventDefault();
    event.stopPropagation();
  }
  walk(event) {
    const line = event.target.closest("tr[data-n]");
    if (!line) return false;
    const page = Math.max(Math.floor(this.scroll.clientHeight / line.offsetHeight) - 2, 1);
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[event.key];
    if (step) {
      const all = [...this.body.children];
      const next = all[Math.min(Math.max(all.indexOf(line) + step, 0), all.length - 1)];
      this.goTo(next);
      if (event.shiftKey) this.reach(this.current);
      else {
        this.anchor = this.current;
        if (this.get("opened")) this.open(this.current);
      }
    } else if (event.key === "Enter") this.open(this.current);
    else if (event.key === " ") this.toggle(this.current);
    else return false;
    return true;
  }
}

function render({ model, el }) {
  const table = new Table(model, el);
  return () => table.close();
}

export default { render };
