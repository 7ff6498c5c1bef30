// The card on the map: the numbers of the chosen part, or of the one that is about to be drawn.

const UNITS = [["km", "km"], ["degrees", "°"]];

// `host` has: drawing, get("mode"), options, picker, stage.
class Inspector {
  constructor(host) {
    this.host = host;
    this.node = element("div", { class: "bh-card", role: "group", hidden: "" });
    this.shown = null;
    this.fields = [];
    this.search = makeCountryList(host.picker.host(), `bh-countries-${(masks += 1)}`);
  }
  refresh() {
    const { drawing } = this.host;
    const mode = this.host.get("mode");
    const part = mode === "pan" && !drawing.draft ? drawing.chosen : null;
    const many = drawing.parts.length > 1;
    const what = part ? `${drawing.active} ${part.kind} ${part.label} ${part.whole} ${part.unit ?? part.brush?.unit} ${many}` : mode;
    if (what !== this.shown) {
      this.shown = what;
      this.fields = [];
      const content = part ? this.ofPart(part, many) : this.ofMode(mode);
      this.node.replaceChildren(...content);
      this.node.hidden = !content.length;
      this.node.setAttribute("aria-label", part ? `The chosen ${part.kind}` : "What is drawn next");
      if (mode === "country") this.search.input.focus({ preventScroll: true });
    }
    for (const field of this.fields) field(drawing.chosen);
  }

  // ---- what it holds
  ofMode(mode) {
    const { options } = this.host;
    const title = element("b", {}, MODES[mode]?.word || "");
    if (mode === "country") return [title, this.search.node];
    const unit = () => this.choice("Unit", () => options.unit, (value) => this.convert(value));
    if (mode === "disk") return [title, unit()];
    if (mode !== "path") return [];
    return [title, this.number("Width", () => options.width, (value) => Object.assign(options, { width: value }), { least: 0 }), unit()];
  }
  convert(unit) {
    const { options } = this.host;
    Object.assign(options, { width: inUnit(options.width, options.unit, unit), unit });
  }
  ofPart(part, many) {
    const { drawing } = this.host;
    const change = (values) => drawing.edit(drawing.active, edited(drawing.chosen, values));
    const title = element("b", {}, part.label || part.kind);
    const content = [title, ...this.numbersOf(part, change)];
    if (partSentence(part)) content.push(this.sentence());
    if (many) content.push(this.name());
    const remove = makeButton("remove", "Remove this part (Delete)", () => drawing.remove(drawing.active));
    return [...content, remove];
  }
  numbersOf(part, change) {
    const lat = { low: -90, high: 90 };
    if (part.kind === "Disk") {
      const round_ = part.unit === "km" || part.radius[0] === part.radius[1];
      const [x, y] = [(one) => one.centre[0], (one) => one.centre[1]];
      const resize = (value) => change({ radius: part.unit === "km" ? value : [value, value] });
      const content = [
        this.number("Latitude", y, (value) => change({ centre: [x(this.now), value] }), lat),
        this.number("Longitude", x, (value) => change({ centre: [value, y(this.now)] })),
      ];
      if (round_) content.push(this.number("Radius", (one) => [one.radius].flat()[0], resize, { least: 0 }));
      const convert = (unit) => {
        const radius = inUnit([this.now.radius].flat()[0], this.now.unit, unit);
        change({ unit, radius: unit === "km" ? radius : [radius, radius] });
      };
      return [...content, this.choice("Unit", (one) => one.unit, convert)];
    }
    if (part.kind === "Box") {
      const side = (label, corner, axis, limits) =>
        this.number(label, (one) => one.points[corner][axis], (value) => {
          const points = this.now.points.map((point) => [...point]);
          points[corner][axis] = value;
          change({ points: corners(points) });
        }, limits);
      return [side("South", 0, 1, lat), side("North", 1, 1, lat), side("West", 0, 0), side("East", 1, 0)];
    }
    if (part.kind === "Path" && part.brush.unit) {
      const width = (one) => 2 * [one.brush.radius].flat()[0];
      const brush = (value, unit) => ({ brush: { unit, radius: unit === "km" ? value / 2 : [value / 2, value / 2] } });
      return [
        this.number("Width", (one) => tidy(width(one)), (value) => change(brush(value, this.now.brush.unit)), { least: 0 }),
        this.choice("Unit", (one) => one.brush.unit, (unit) => change(brush(inUnit(width(this.now), this.now.brush.unit, unit), unit))),
      ];
    }
    return [];
  }
  get now() {
    return this.host.drawing.chosen;
  }

  // ---- fields
  // What is typed just now is not overwritten.
  keep(input, read) {
    this.fields.push((part) => {
      if (input.getRootNode().activeElement !== input) input.value = read(part);
    });
  }
  // From a field one goes back to the map, whose keys then work.
  leaveOn(event) {
    if (event.key === "Enter" || event.key === "Escape") this.host.stage.focus({ preventScroll: true });
  }
  number(label, read, write, { low = -Infinity, high = Infinity, least } = {}) {
    const shown = (part) => String(round(read(part)));
    const input = element("input", { type: "text", inputmode: "decimal", class: "bh-number", "aria-label": label });
    const done = () => {
      const value = Number(input.value.trim().replace(",", ".").replace("−", "-"));
      const fits = input.value.trim() !== "" && Number.isFinite(value) && value >= low && value <= high && !(least !== undefined && value <= least);
      input.classList.toggle("bh-wrong", !fits);
      if (fits && value !== round(read(this.now))) write(value);
      return fits;
    };
    input.addEventListener("change", () => {
      if (!done()) return;
      this.host.refreshTools();
    });
    input.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        input.value = shown(this.now);
        input.classList.remove("bh-wrong");
      }
      this.leaveOn(event);
    });
    this.keep(input, shown);
    return element("label", { class: "bh-field" }, element("span", {}, label), input);
  }
  choice(label, read, write) {
    const input = element("select", { class: "bh-unit", "aria-label": label }, ...UNITS.map(([value, text]) => element("option", { value }, text)));
    input.addEventListener("change", () => {
      write(input.value);
      this.host.refreshTools();
    });
    this.keep(input, read);
    return input;
  }
  name() {
    const input = element("input", { type: "text", class: "bh-name", "aria-label": "Name of this part", placeholder: "Name" });
    input.addEventListener("change", () => {
      const { drawing } = this.host;
      drawing.edit(drawing.active, { ...drawing.chosen, tag: input.value.trim() });
    });
    input.addEventListener("keydown", (event) => this.leaveOn(event));
    this.keep(input, (part) => part.tag);
    return element("label", { class: "bh-field" }, element("span", {}, "Name"), input);
  }
  sentence() {
    const node = element("span", { class: "bh-soft" });
    this.fields.push((part) => {
      node.textContent = partSentence(part) + (this.host.drawing.painter.crowded ? " · zoom in to edit them" : "");
    });
    return node;
  }
}

// The parts by name: a button each, and one to take it away.
function drawParts(node, drawing, mode, show) {
  const labels = labelsOf(drawing.parts);
  const key = JSON.stringify([labels, drawing.active, mode]);
  if (node.dataset.key === key) return;
  node.dataset.key = key;
  const focused = [...node.querySelectorAll("button")].indexOf(node.getRootNode().activeElement);
  node.hidden = drawing.parts.length < 2 || mode === "view";
  node.replaceChildren(
    ...drawing.parts.map((_, i) => {
      const chosen = i === drawing.active;
      const choose = () => show(i);
      const name = element("button", { type: "button", class: "bh-chip-name", "aria-pressed": String(chosen), onclick: choose }, labels[i]);
      const remove = element(
        "button", { type: "button", class: "bh-chip-remove", "aria-label": `Remove ${labels[i]}`, onclick: () => drawing.remove(i) },
        icon("remove"),
      );
      return element("span", { class: `bh-chip${chosen ? " bh-on" : ""}` }, name, remove);
    }),
  );
  // Who goes from part to part by keys is not thrown out.
  const buttons = node.querySelectorAll("button");
  if (focused >= 0) buttons[Math.min(focused, buttons.length - 1)]?.focus();
}
