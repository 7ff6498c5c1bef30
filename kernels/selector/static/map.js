// The widget: what the model says is shown, and what a hand does is said to the model.

const SOON = 250; // milliseconds without an answer after which it is said that one is awaited
const LATE = 8000;
const DRAWN_WIDTH = { unit: "km", width: 200 }; // of a path, before anybody chose

class MapWidget {
  constructor(model, el) {
    this.model = model;
    this.view = new View();
    this.field = null;
    this.lands = {}; // coastlines by their detail
    this.colors = {};
    this.options = { ...DRAWN_WIDTH };
    this.placed = false;
    this.wait = 0;
    this.drawing = new Drawing({
      view: this.view,
      mode: () => this.get("mode"),
      options: () => this.options,
      commit: (parts, live) => this.commit(parts, live),
      finished: () => this.setMode("pan"),
      drawn: () => this.refreshTools(),
    });
    this.writeBounds = debounced(250, () => this.save({ bounds: this.view.bounds() }));
    this.still = debounced(120, () => {
      this.moving = false;
      this.invalidate();
    });
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

  // ---- building
  build(el) {
    this.toolbar = makeToolbar(this);
    this.picker = new Picker(this);
    this.inspector = new Inspector(this);
    this.canvas = element("canvas", { class: "bh-canvas" });
    this.marker = element("path", { class: "bh-marker", d: "M0 0C-2.4-6-7-8.6-7-14a7 7 0 0 1 14 0c0 5.4-4.6 8-7 14Zm0-11.4a2.6 2.6 0 1 0 0-5.2 2.6 2.6 0 0 0 0 5.2Z" });
    this.overlay = element("svg", { class: "bh-overlay", "aria-hidden": "false" }, this.drawing.node, this.marker);
    this.readout = element("div", { class: "bh-readout", hidden: "" });
    this.hint = element("div", { class: "bh-hint" });
    this.stage = element(
      "div",
      { class: "bh-stage", tabindex: "0", role: "application", "aria-label": "Map" },
      this.canvas, this.overlay, element("div", { class: "bh-cross", "aria-hidden": "true" }),
      this.toolbar.zooms, this.inspector.node, this.readout, this.hint,
    );
    this.parts = element("div", { class: "bh-chips", role: "group", "aria-label": "Parts of the shape", hidden: "" });
    this.legend = element("div", { class: "bh-legend", hidden: "" });
    this.sliders = new Sliders((name, range) => {
      const ranges = { ...this.get("ranges"), [name]: range };
      if (!same(ranges, this.get("ranges"))) this.ask({ ranges });
    });
    this.figures = element("div", { class: "bh-figures", "aria-live": "polite" });
    this.root = element(
      "div", { class: "bh-map", "data-lm-suppress-shortcuts": "true" },
      this.toolbar.node, this.stage, this.parts, this.legend, this.sliders.node, this.figures,
    );
    el.classList.add("bh-host");
    el.append(this.root);
    this.gestures = new Gestures(this);
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
      this.root.classList.toggle("bh-fill", !height);
      // A world twice as wide as high should not be shown three times on a very wide page.
      this.stage.style.height = height ? `clamp(${height}px, ${height / 13.12}cqw, ${1.5 * height}px)` : "";
    });
    changed(["mode"], () => this.applyMode());
    changed(["field"], (raw) => this.applyField(raw));
    changed(["land"], (text) => this.applyLand(text));
    changed(["shape"], (raw) => this.applyShape(raw));
    changed(["marker"], () => this.invalidate());
    changed(["bounds"], (bounds) => this.applyBounds(bounds));
    changed(["axes", "ranges"], () => this.sliders.show(this.get("axes"), this.get("ranges")));
    changed(["plan", "message"], () => this.refreshFigures());
    changed(["answer"], (answer) => this.applyAnswer(answer));
    this.sizes = new ResizeObserver(() => this.resize());
    this.sizes.observe(this.stage);
    this.themes = new MutationObserver(() => this.applyTheme());
    for (const node of [document.body, document.documentElement]) {
      this.themes.observe(node, { attributes: true, attributeFilter: ["class", "data-theme", "data-jp-theme-light", "style"] });
    }
  }
  close() {
    for (const [name, handler] of this.handlers) this.model.off(name, handler);
    this.sizes.disconnect();
    this.themes.disconnect();
    this.writeBounds.cancel();
    this.still.cancel();
    clearTimeout(this.patience);
    this.root.remove();
  }

  // ---- state that comes in
  applyTheme() {
    const asked = this.get("theme");
    const { body, documentElement: top } = document;
    const dark =
      asked === "dark" ||
      (asked !== "light" &&
        (body.dataset.jpThemeLight === "false" || top.dataset.theme === "dark" || top.dataset.bsTheme === "dark" || /\bdark\b/.test(`${top.className} ${body.className}`)));
    this.root.classList.toggle("bh-dark", dark);
    this.readColors();
    this.invalidate();
  }
  readColors() {
    const style = getComputedStyle(this.root);
    for (const name of COLORS) this.colors[name] = style.getPropertyValue(`--bh-${name}`).trim();
  }
  applyMode() {
    const mode = this.get("mode");
    if (this.drawing.draft && MODES[mode]?.kind !== this.drawing.draft.kind) this.drawing.cancel();
    this.stage.dataset.mode = mode;
    if (mode === "country" && !this.lands[50]) this.save({ detail: 50 });
    if (mode !== "country") this.picker.hover(null);
    const what = mode === "view" ? "Click or Enter chooses a place." : "Space sets a corner in the middle, Enter ends a part, Escape cancels, Backspace takes a corner back.";
    this.stage.setAttribute("aria-label", `Map. Arrows move it, plus and minus zoom, 0 shows all. ${what}`);
    this.tell();
    this.refreshTools();
    this.invalidate();
  }
  async applyField(raw) {
    this.raw = raw;
    const field = await readField(raw);
    if (this.raw !== raw) return; // a newer one came meanwhile
    const moved = !this.field || !field || !same(field.extent, this.field.extent);
    this.field = field;
    drawLegend(this.legend, field);
    if (moved && !this.get("bounds")?.length) this.refit();
    this.invalidate();
    if (this.pointed) this.showReadout(...this.pointed);
  }
  async applyLand(text) {
    const land = await readLand(text);
    if (land) this.lands[land.detail] = land;
    this.landed?.();
    this.invalidate();
  }
  // Resolves when coastlines of a detail are there, or after some patience.
  landOf(detail, patience) {
    if (this.lands[detail]) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, patience);
      this.landed = () => {
        if (!this.lands[detail]) return;
        clearTimeout(timer);
        resolve();
      };
    });
  }
  applyShape(raw) {
    // While an answer is awaited what comes is older than what was drawn.
    if (this.isWaiting()) return;
    const parts = partsOf(raw, this.axisNames());
    // Python gives back what was drawn here (perhaps with ranges): that is no news.
    if (same(looksOf(parts), looksOf(partsOf(this.written, this.axisNames())))) return;
    this.written = raw;
    this.gestures.pointer = null;
    this.drawing.replace(parts);
    if (this.placed && parts.length && !this.isInView(parts)) this.showParts();
    this.invalidate();
  }
  applyBounds(bounds) {
    if (!bounds?.length) {
      this.wanted = null;
      this.moved = false;
      this.refit();
      this.invalidate();
    } else if (bounds.length === 4 && !same(bounds, this.view.bounds())) {
      this.wanted = bounds;
      if (this.placed) this.glide((view) => view.fit(bounds, 0), false);
    }
  }
  applyAnswer(answer) {
    if (this.isWaiting()) return;
    clearTimeout(this.patience);
    this.wait = 0;
    this.refreshFigures();
    if (answer?.shape) this.applyShape(answer.shape);
  }

  // ---- state that goes out
  // Says something of which Python counts the figures, and waits for them.
  ask(changes) {
    this.save({ ...changes, asked: (this.get("asked") || 0) + 1 });
    clearTimeout(this.patience);
    const later = (wait, delay, next) => {
      this.patience = setTimeout(() => {
        if (!this.isWaiting()) return;
        this.wait = wait;
        this.refreshFigures();
        next?.();
      }, delay);
    };
    later(1, SOON, () => later(2, LATE));
  }
  isWaiting() {
    return (this.get("asked") || 0) !== (this.get("answer")?.asked || 0);
  }
  commit(parts, live) {
    if (live && this.isWaiting()) return;
    this.written = toShape(parts, this.axisNames());
    this.ask({ shape: this.written });
    this.invalidate();
  }
  axisNames() {
    const axes = this.get("field")?.axes;
    return axes?.length ? axes : ["latitude", "longitude"];
  }
  setMode(mode) {
    this.save({ mode });
    this.applyMode();
    if (mode !== "country") this.stage.focus({ preventScroll: true });
  }
  refreshTools() {
    if (!this.gestures) return;
    this.toolbar.refresh(this.get("mode"));
    this.inspector.refresh();
    drawParts(this.parts, this.drawing, this.get("mode"), (index) => {
      this.drawing.choose(index);
      if (!this.isInView([this.drawing.chosen])) this.showParts([this.drawing.chosen]);
    });
  }
  refreshFigures() {
    drawFigures(this.figures, this.get("plan"), this.get("message"), this.wait);
  }
  tell() {
    const { hint } = MODES[this.get("mode")] || { hint: "" };
    const measure = this.drawing.measure();
    this.hint.replaceChildren(...(measure ? [element("b", {}, measure), " · "] : []), hint);
  }

  // ---- the view
  home() {
    return this.field ? this.field.extent : [-180, -90, 180, 90];
  }
  resize() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (!width || !height) return;
    Object.assign(this.view, { width, height });
    if (!this.placed) this.readColors(); // there are none before the map is in the page
    if (!this.placed || !this.moved) this.refit();
    this.placed = true;
    this.view.settle();
    this.invalidate();
  }
  refit() {
    if (!this.view.width || this.view.width === 1) return;
    if (this.wanted) this.view.fit(this.wanted, 0);
    else this.view.fit(this.home());
  }
  isInView(parts) {
    const [west, south, east, north] = this.view.bounds();
    return parts.some((part) => {
      const [left, bottom, right, top] = extentOf(part);
      return top >= south && bottom <= north && this.view.copies(left, right).some((turn) => right + turn >= west && left + turn <= east);
    });
  }
  showParts(parts = this.drawing.parts) {
    if (!parts.length) return;
    const all = parts.map(extentOf);
    const [west, , east] = all[0];
    const near = ([a, b, c, d]) => {
      const turn = 360 * Math.round((west + east - a - c) / 720);
      return [[a + turn, b], [c + turn, d]];
    };
    this.glide((view) => view.fit(boundsOf(all.map(near)), 0.1));
  }
  glide(change, announce = true) {
    const { view } = this;
    const keys = ["lon", "lat", "scale", "squeeze"];
    const from = keys.map((key) => view[key]);
    change(view);
    const to = keys.map((key) => view[key]);
    this.moved = true;
    if (announce) this.writeBounds();
    const begin = performance.now();
    const length = matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 180;
    const current = (this.gliding = {});
    const frame = (now) => {
      if (this.gliding !== current) return;
      const share = length ? clamp((now - begin) / length, 0, 1) : 1;
      const eased = 1 - (1 - share) ** 3;
      // The scale goes by ratio, so that a zoom looks even.
      keys.forEach((key, i) => {
        view[key] = key === "scale" ? from[i] * (to[i] / from[i]) ** eased : from[i] + (to[i] - from[i]) * eased;
      });
      if (share < 1) requestAnimationFrame(frame);
      else this.gliding = null;
      this.stir();
    };
    frame(begin);
  }
  move(dx, dy) {
    this.gliding = null;
    this.view.lon -= dx / (this.view.scale * this.view.squeeze);
    this.view.lat += dy / this.view.scale;
    this.view.settle();
    this.wander();
  }
  wander() {
    this.moved = true;
    this.writeBounds();
    this.stir();
  }
  stir() {
    this.moving = true;
    this.still();
    this.invalidate();
  }
  invalidate() {
    if (this.queued) return;
    this.queued = requestAnimationFrame(() => {
      this.queued = 0;
      if (this.view.width < 2) return;
      const fine = this.view.scale > FINE_SCALE && this.lands[50];
      paint(this.canvas, this.view, this.field, fine || this.lands[110] || this.lands[50], this.colors, this.moving);
      // Without a pointer one draws with the cross in the middle.
      if (this.drawing.draft && !this.stage.classList.contains("bh-by-pointer")) this.drawing.point(...this.gestures.centre());
      else this.drawing.refresh();
      this.picker.refresh();
      this.placeMarker();
      if (this.view.scale > FINE_SCALE && this.get("detail") > 50) this.save({ detail: 50 });
    });
  }
  placeMarker() {
    const marker = this.get("marker");
    const shown = marker?.length === 2;
    this.marker.style.display = shown ? "" : "none";
    if (!shown) return;
    const [longitude, latitude] = marker;
    const x = this.view.x(longitude + this.view.turns(longitude));
    this.marker.setAttribute("transform", `translate(${round(x, 1)} ${round(this.view.y(latitude), 1)})`);
  }
  showReadout(x, y) {
    this.pointed = [x, y];
    const [longitude, latitude] = this.view.place(x, y);
    const digits = this.view.scale > 200 ? 3 : this.view.scale > 20 ? 2 : 1;
    const parts = [element("span", {}, latitudeText(latitude, digits)), element("span", {}, longitudeText(longitude, digits))];
    if (this.get("mode") === "country") {
      const country = this.picker.point(longitude, latitude);
      if (country) parts.unshift(element("b", {}, country.name));
    }
    const level = this.field ? levelAt(this.field, longitude, latitude) : 255;
    if (level !== 255) {
      const { vmin, vmax, units } = this.field;
      const value = vmin + ((vmax - vmin) * level) / 254;
      parts.push(element("b", {}, `${number(value, (vmax - vmin) / 100)} ${units === "1" ? "" : units}`));
    } else if (this.field) parts.push(element("span", { class: "bh-none" }, "no data"));
    this.readout.replaceChildren(...parts);
    this.readout.hidden = false;
  }
  leave() {
    this.pointed = null;
    this.readout.hidden = true;
    this.picker.hover(null);
  }
  choose(x, y) {
    const [longitude, latitude] = this.view.place(x, y);
    const place = [round(wrap(longitude)), round(latitude)];
    this.save({ clicked: place, marker: place });
    this.invalidate();
  }
}

function render({ model, el }) {
  const widget = new MapWidget(model, el);
  return () => widget.close();
}

export default { render };
