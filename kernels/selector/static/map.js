// The widget: toolbar, legend, sliders, figures, and the ways of pointer, wheel and keyboard.

// ---------------------------------------------------------------------------- around the map
function makeButton(name, label, action) {
  return element(
    "button",
    { type: "button", class: "bh-button", "data-name": name, "aria-label": label, "data-tip": label, onclick: action },
    icon(name),
  );
}

function drawLegend(node, field) {
  node.replaceChildren();
  node.hidden = !field;
  if (!field) return;
  const { vmin, vmax, rgb, label, units, caption } = field;
  const stops = [];
  for (let i = 0; i <= 254; i += 6.35) stops.push(`rgb(${[...rgb.subarray(Math.round(i) * 3, Math.round(i) * 3 + 3)]})`);
  const bar = element("div", { class: "bh-bar" });
  bar.style.background = `linear-gradient(to right, ${stops})`;
  const ticks = element("div", { class: "bh-ticks" });
  const step = vmax > vmin ? niceStep(vmax - vmin, 6) : 1;
  for (let i = Math.ceil(vmin / step - 1e-9); i * step <= vmax + step * 1e-9; i += 1) {
    const share = vmax > vmin ? ((i * step - vmin) / (vmax - vmin)) * 100 : 50;
    const tick = element("span", {}, number(round(i * step, 10), step));
    tick.style.left = `${round(share, 2)}%`;
    ticks.append(tick);
  }
  const title = element("div", { class: "bh-title" }, element("b", {}, label || "Field"));
  if (units) title.append(element("span", { class: "bh-units" }, ` ${units === "1" ? "" : units}`));
  if (caption) title.append(element("span", { class: "bh-caption" }, caption));
  const described = `${label}: ${number(vmin)} to ${number(vmax)} ${units}`;
  node.append(title, element("div", { class: "bh-scale", role: "img", "aria-label": described }, bar, ticks));
}

// One row an axis: two handles on one track.
function makeSlider(axis, start, write) {
  const size = axis.size || axis.values.length;
  const name = axis.label || axis.name;
  const text = (index, side) => axis.values[index] ?? axis.shown?.[side] ?? `no. ${index + 1}`;
  const handle = (side) =>
    element("input", {
      type: "range", min: 0, max: size - 1, step: 1, value: start[side], class: side ? "bh-high" : "bh-low",
      "aria-label": `${name}: ${side ? "last" : "first"}`, "data-axis": axis.name,
    });
  const [low, high] = [handle(0), handle(1)];
  const filled = element("div", { class: "bh-filled" });
  const said = element("output", { class: "bh-range-text" });
  const refresh = () => {
    const [a, b] = [Number(low.value), Number(high.value)];
    filled.style.left = `${(100 * a) / (size - 1)}%`;
    filled.style.right = `${100 - (100 * b) / (size - 1)}%`;
    // When both handles meet at the far end the lower one must stay within reach.
    low.style.zIndex = a > (size - 1) / 2 ? 3 : 2;
    const units = axis.units ? ` ${axis.units}` : "";
    const whole = a === 0 && b === size - 1 && size > 1;
    said.textContent = (a === b ? text(a, 0) : `${text(a, 0)} – ${text(b, 1)}`) + units;
    said.title = whole ? `all ${size}` : `${b - a + 1} of ${size}`;
    low.setAttribute("aria-valuetext", text(a, 0) + units);
    high.setAttribute("aria-valuetext", text(b, 1) + units);
  };
  let dragged = false;
  const later = debounced(140, () => write(axis.name, [Number(low.value), Number(high.value)]));
  for (const [input, other, limit] of [[low, high, Math.min], [high, low, Math.max]]) {
    input.addEventListener("input", () => {
      input.value = limit(Number(input.value), Number(other.value));
      dragged = true;
      refresh();
      later();
    });
    input.addEventListener("change", () => {
      dragged = false;
      later.now();
    });
  }
  refresh();
  const row = element(
    "div", { class: "bh-row", role: "group", "aria-label": name },
    element("span", { class: "bh-axis" }, name),
    element("div", { class: "bh-track" }, element("div", { class: "bh-rail" }), filled, low, high),
    said,
  );
  const set = ([a, b]) => {
    if (dragged) return; // what comes back is older than what the hand does
    low.value = a;
    high.value = b;
    refresh();
  };
  return { row, set };
}

function drawFigures(node, plan, message) {
  node.replaceChildren();
  if (plan?.error) node.append(element("span", { class: "bh-error", role: "alert" }, plan.error));
  else if (plan && plan.points !== undefined) {
    const figure = (value, what) => element("span", { class: "bh-figure" }, element("b", {}, value), ` ${what}`);
    const count = (value, one, many) => figure(value.toLocaleString("en"), value === 1 ? one : many);
    node.append(count(plan.points, "point", "points"));
    if (plan.result_bytes) node.append(figure(bytesText(plan.result_bytes), "in the result"));
    if (plan.chunks) node.append(count(plan.chunks, "chunk", "chunks"), figure(bytesText(plan.bytes), "to read"));
    const saved = plan.box_bytes ? Math.round(100 * (1 - (plan.result_bytes ?? plan.bytes) / plan.box_bytes)) : 0;
    if (saved > 0) node.append(element("span", { class: "bh-saved" }, `${saved} % less than its bounding box`));
  }
  if (message) node.append(element("span", { class: "bh-message" }, message));
  node.hidden = !node.childNodes.length;
}

// ---------------------------------------------------------------------------- the whole
class MapWidget {
  constructor(model, el) {
    this.model = model;
    this.view = new View();
    this.field = null;
    this.lands = {}; // coastlines by their detail
    this.colors = {};
    this.sliders = new Map();
    this.pointer = null; // {x, y, moved, kind} while a button is down
    this.fingers = new Map(); // where each finger is, for pinching
    this.placed = false;
    this.drawing = new Drawing({
      view: this.view,
      mode: () => this.get("mode"),
      commit: (shape) => this.commit(shape),
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
    const mode = (name, label) => makeButton(name, label, () => this.setMode(name));
    this.modes = element(
      "div", { class: "bh-group", role: "group", "aria-label": "What the pointer does" },
      mode("pan", "Move the map (M)"), mode("polygon", "Draw a polygon (P)"), mode("box", "Draw a box (B)"),
    );
    this.edits = element(
      "div", { class: "bh-group" },
      makeButton("undo", "Undo (Ctrl+Z)", () => this.drawing.undo()),
      makeButton("clear", "Clear the shape", () => this.drawing.clear()),
    );
    this.zooms = element(
      "div", { class: "bh-group" },
      makeButton("zoomin", "Zoom in (+)", () => this.glide((view) => view.zoom(2))),
      makeButton("zoomout", "Zoom out (−)", () => this.glide((view) => view.zoom(0.5))),
      makeButton("fit", "Show all (0)", () => this.glide((view) => view.fit(this.home()))),
    );
    this.canvas = element("canvas", { class: "bh-canvas" });
    this.marker = element("path", { class: "bh-marker", d: "M0 0C-2.4-6-7-8.6-7-14a7 7 0 0 1 14 0c0 5.4-4.6 8-7 14Zm0-11.4a2.6 2.6 0 1 0 0-5.2 2.6 2.6 0 0 0 0 5.2Z" });
    this.overlay = element("svg", { class: "bh-overlay", "aria-hidden": "false" }, this.drawing.node, this.marker);
    this.readout = element("div", { class: "bh-readout", hidden: "" });
    this.hint = element("div", { class: "bh-hint", role: "status" });
    this.stage = element(
      "div",
      { class: "bh-stage", tabindex: "0", role: "application", "aria-label": "Map", "data-lm-suppress-shortcuts": "true" },
      this.canvas, this.overlay,
      element("div", { class: "bh-tools" }, this.modes, this.edits, this.zooms),
      this.readout, this.hint,
    );
    this.legend = element("div", { class: "bh-legend", hidden: "" });
    this.axes = element("div", { class: "bh-axes" });
    this.figures = element("div", { class: "bh-figures", "aria-live": "polite" });
    this.root = element("div", { class: "bh-map" }, this.stage, this.legend, this.axes, this.figures);
    el.classList.add("bh-host");
    el.append(this.root);
  }
  listen() {
    const { stage } = this;
    this.handlers = [];
    const changed = (name, action) => {
      const handler = () => action(this.get(name));
      this.model.on(`change:${name}`, handler);
      this.handlers.push([`change:${name}`, handler]);
      action(this.get(name));
    };
    changed("theme", () => this.applyTheme());
    changed("frame_height", (height) => {
      this.root.classList.toggle("bh-fill", !height);
      stage.style.height = height ? `${height}px` : "";
    });
    changed("mode", () => this.applyMode());
    changed("field", (raw) => this.applyField(raw));
    changed("land", (text) => this.applyLand(text));
    changed("shape", (raw) => this.applyShape(raw));
    changed("marker", () => this.invalidate());
    changed("bounds", (bounds) => this.applyBounds(bounds));
    changed("axes", () => this.applyAxes());
    changed("ranges", () => this.applyRanges());
    changed("plan", () => drawFigures(this.figures, this.get("plan"), this.get("message")));
    changed("message", () => drawFigures(this.figures, this.get("plan"), this.get("message")));
    for (const name of ["pointerdown", "pointermove", "pointerup", "pointercancel", "pointerleave", "dblclick", "wheel", "keydown"]) {
      stage.addEventListener(name, (event) => this[name](event), { passive: false });
    }
    this.sizes = new ResizeObserver(() => this.resize());
    this.sizes.observe(stage);
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
    if (mode !== "polygon" && mode !== "box") this.drawing.cancel();
    this.stage.dataset.mode = mode;
    this.modes.hidden = mode === "view";
    this.edits.hidden = mode === "view";
    this.hint.textContent = HINTS[mode] || "";
    const what = mode === "view" ? "Click or Enter chooses a place." : "Enter closes a polygon, Escape cancels, Backspace takes a corner back.";
    this.stage.setAttribute("aria-label", `Map. Arrows move it, plus and minus zoom, 0 shows all. ${what}`);
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
    if (this.hover) this.showReadout(...this.hover);
  }
  async applyLand(text) {
    const land = await readLand(text);
    if (land) this.lands[land.detail] = land;
    this.invalidate();
  }
  applyShape(raw) {
    // Python gives back what was drawn here (perhaps with ranges): that is no news.
    const shape = fromShape(raw, this.axisNames());
    if (same(shape, fromShape(this.written, this.axisNames()))) return;
    this.written = raw;
    this.pointer = null;
    this.drawing.replace(shape);
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
  applyAxes() {
    const axes = (this.get("axes") || []).filter((axis) => (axis.size || axis.values.length) > 1);
    this.sliders.clear();
    for (const axis of axes) {
      const slider = makeSlider(axis, this.rangeOf(axis), (name, range) => {
        const ranges = { ...this.get("ranges"), [name]: range };
        if (!same(ranges, this.get("ranges"))) this.save({ ranges });
      });
      this.sliders.set(axis, slider);
    }
    this.axes.replaceChildren(...[...this.sliders.values()].map((slider) => slider.row));
    this.axes.hidden = !axes.length;
  }
  applyRanges() {
    for (const [axis, slider] of this.sliders) slider.set(this.rangeOf(axis));
  }
  rangeOf(axis) {
    return this.get("ranges")?.[axis.name] || [0, (axis.size || axis.values.length) - 1];
  }

  // ---- state that goes out
  commit(shape) {
    this.written = toShape(shape, this.axisNames());
    this.save({ shape: this.written });
    if (shape && this.get("mode") !== "pan") this.setMode("pan");
    this.invalidate();
  }
  axisNames() {
    return this.get("field")?.axes || ["latitude", "longitude"];
  }
  setMode(mode) {
    this.save({ mode });
    this.applyMode();
  }
  refreshTools() {
    const mode = this.get("mode");
    for (const button of this.modes.children) {
      const on = button.dataset.name === mode;
      button.classList.toggle("bh-on", on);
      button.setAttribute("aria-pressed", String(on));
    }
    this.edits.children[0].disabled = !this.drawing.canUndo();
    this.edits.children[1].disabled = !(this.drawing.shape || this.drawing.draft);
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
      this.drawing.refresh();
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
    this.hover = [x, y];
    const [longitude, latitude] = this.view.place(x, y);
    const digits = this.view.scale > 200 ? 3 : this.view.scale > 20 ? 2 : 1;
    const parts = [element("span", {}, latitudeText(latitude, digits)), element("span", {}, longitudeText(longitude, digits))];
    const level = this.field ? levelAt(this.field, longitude, latitude) : 255;
    if (level !== 255) {
      const { vmin, vmax, units } = this.field;
      const value = vmin + ((vmax - vmin) * level) / 254;
      parts.push(element("b", {}, `${number(value, (vmax - vmin) / 100)} ${units === "1" ? "" : units}`));
    } else if (this.field) parts.push(element("span", { class: "bh-none" }, "no data"));
    this.readout.replaceChildren(...parts);
    this.readout.hidden = false;
  }

  // ---- pointer, wheel, keyboard
  spot(event) {
    const box = this.stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }
  pointerdown(event) {
    if (event.button > 1 || event.target.closest(".bh-tools")) return;
    const [x, y] = this.spot(event);
    if (event.pointerType === "touch") this.fingers.set(event.pointerId, [x, y]);
    if (this.fingers.size > 1) {
      this.pointercancel();
      return;
    }
    const mode = this.get("mode");
    const { corner, between } = event.target.dataset;
    let kind = "pan";
    if (mode !== "view" && event.button === 0 && (corner ?? between) !== undefined) {
      kind = "corner";
      this.drawing.grab(Number(corner ?? between), corner === undefined);
    } else if (mode === "box" && event.button === 0) {
      kind = "box";
      if (!this.drawing.draft) this.drawing.startBox(x, y);
    }
    this.pointer = { x, y, startX: x, startY: y, moved: false, kind };
    this.stage.setPointerCapture(event.pointerId);
    this.stage.classList.add("bh-by-pointer");
    this.stage.focus({ preventScroll: true });
    event.preventDefault();
  }
  pinch(id, place) {
    const other = [...this.fingers].find(([finger]) => finger !== id)[1];
    const before = this.fingers.get(id);
    this.fingers.set(id, place);
    const width = ([x, y]) => Math.max(Math.hypot(x - other[0], y - other[1]), 10);
    this.view.zoom(width(place) / width(before), (before[0] + other[0]) / 2, (before[1] + other[1]) / 2);
    this.move((place[0] - before[0]) / 2, (place[1] - before[1]) / 2);
  }
  pointermove(event) {
    const [x, y] = this.spot(event);
    if (this.fingers.size > 1 && this.fingers.has(event.pointerId)) {
      this.pinch(event.pointerId, [x, y]);
      return;
    }
    if (event.target.closest?.(".bh-tools")) this.readout.hidden = true;
    else this.showReadout(x, y);
    const { pointer } = this;
    if (!pointer) {
      this.drawing.point(x, y);
      return;
    }
    if (Math.hypot(x - pointer.startX, y - pointer.startY) > 4) pointer.moved = true;
    if (pointer.kind === "corner") {
      if (pointer.moved) this.drawing.drag(x, y);
    } else if (pointer.kind === "box") this.drawing.point(x, y);
    else if (pointer.moved) {
      this.stage.classList.add("bh-moving");
      this.move(x - pointer.x, y - pointer.y);
    }
    Object.assign(pointer, { x, y });
  }
  pointerup(event) {
    this.fingers.delete(event.pointerId);
    const { pointer } = this;
    if (!pointer) return;
    this.pointer = null;
    this.stage.classList.remove("bh-moving");
    const [x, y] = this.spot(event);
    const mode = this.get("mode");
    if (pointer.kind === "corner") this.drawing.drop();
    else if (pointer.kind === "box") {
      // Dragged, or the second of two clicks.
      if (pointer.moved || this.drawing.draft?.begun) this.drawing.endBox(x, y);
      else if (this.drawing.draft) this.drawing.draft.begun = true;
    } else if (!pointer.moved && mode === "polygon") this.drawing.add(x, y);
    else if (!pointer.moved && mode === "view" && event.button === 0) this.choose(x, y);
  }
  pointercancel(event) {
    if (event) this.fingers.delete(event.pointerId);
    if (this.pointer?.kind === "corner") this.drawing.drop();
    if (this.pointer?.kind === "box") this.drawing.cancel();
    this.pointer = null;
    this.stage.classList.remove("bh-moving");
  }
  pointerleave() {
    this.hover = null;
    this.readout.hidden = true;
  }
  choose(x, y) {
    const [longitude, latitude] = this.view.place(x, y);
    const place = [round(wrap(longitude)), round(latitude)];
    this.save({ clicked: place, marker: place });
    this.invalidate();
  }
  dblclick(event) {
    if (event.target.closest(".bh-tools")) return;
    event.preventDefault();
    const [x, y] = this.spot(event);
    const { corner } = event.target.dataset;
    if (this.get("mode") === "polygon") this.drawing.close();
    else if (corner !== undefined) this.drawing.remove(Number(corner));
    else if (this.get("mode") === "pan") this.glide((view) => view.zoom(event.shiftKey ? 0.5 : 2, x, y));
  }
  wheel(event) {
    // The page scrolls past a map that nobody touched.
    const focused = this.stage.getRootNode().activeElement;
    if (!event.ctrlKey && !(focused && this.stage.contains(focused))) return;
    event.preventDefault();
    this.gliding = null;
    const lines = event.deltaMode === 1 ? 30 : 1;
    this.view.zoom(2 ** (-clamp(event.deltaY * lines, -240, 240) / 240), ...this.spot(event));
    this.moved = true;
    this.writeBounds();
    this.stir();
  }
  keydown(event) {
    this.stage.classList.remove("bh-by-pointer");
    const corner = event.target.dataset?.corner;
    const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    const editing = corner !== undefined;
    const drawing = this.get("mode") !== "view";
    const onButton = event.target.closest("button");
    let done = true;
    if (arrow && editing) this.drawing.nudge(Number(corner), ...arrow);
    else if (arrow) this.glide((view) => Object.assign(view, { lon: view.lon + (arrow[0] * 80) / (view.scale * view.squeeze), lat: view.lat + (arrow[1] * 80) / view.scale }).settle());
    else if (event.key === "+" || event.key === "=") this.glide((view) => view.zoom(2));
    else if (event.key === "-" || event.key === "_") this.glide((view) => view.zoom(0.5));
    else if (event.key === "0") this.glide((view) => view.fit(this.home()));
    else if (drawing && event.key === "Escape") this.drawing.cancel() || this.setMode("pan");
    else if (drawing && event.key === "Enter" && !onButton) this.drawing.close();
    else if (!drawing && event.key === "Enter" && !onButton) this.choose(this.view.width / 2, this.view.height / 2);
    else if (drawing && editing && ["Delete", "Backspace"].includes(event.key)) this.drawing.remove(Number(corner));
    else if (drawing && event.key === "Backspace") this.drawing.takeBack();
    else if (drawing && (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") this.drawing.undo();
    else if (drawing && !event.ctrlKey && !event.metaKey && "mpb".includes(event.key.toLowerCase())) {
      this.setMode({ m: "pan", p: "polygon", b: "box" }[event.key.toLowerCase()]);
    } else done = false;
    if (done) {
      event.preventDefault();
      event.stopPropagation();
    }
  }
}

function render({ model, el }) {
  const widget = new MapWidget(model, el);
  return () => widget.close();
}

export default { render };
