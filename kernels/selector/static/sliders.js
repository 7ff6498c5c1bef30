// A slider for each axis that is not on the map: a range of it, or a single value.

const sizeOf = (axis) => axis.size || axis.values.length;

// One row: two handles on one track, or one handle for a single value.  `write(name, range)`.
class Slider {
  constructor(axis, start, write) {
    Object.assign(this, { axis: { ...axis }, write, one: start[0] === start[1], dragged: false });
    this.name = axis.label || axis.name;
    this.units = axis.units ? ` ${axis.units}` : "";
    [this.low, this.high] = [this.handle("bh-low", start[0]), this.handle("bh-high", start[1])];
    this.filled = element("div", { class: "bh-filled" });
    this.said = element("output", { class: "bh-range-text" });
    this.single = element("button", { type: "button", class: "bh-single", onclick: () => this.toggle() });
    this.row = element(
      "div", { class: "bh-row", role: "group", "aria-label": this.name },
      element("span", { class: "bh-axis", title: this.name }, this.name),
      element("div", { class: "bh-track" }, element("div", { class: "bh-rail" }), this.filled, this.low, this.high),
      this.said, this.single,
    );
    this.later = debounced(140, () => this.write(axis.name, this.range()));
    this.listen(this.low, this.high, Math.min);
    this.listen(this.high, this.low, Math.max);
    this.refresh();
  }
  get last() {
    return sizeOf(this.axis) - 1;
  }
  handle(name, value) {
    return element("input", { type: "range", min: 0, max: this.last, step: 1, value, class: name, "data-axis": this.axis.name });
  }
  listen(input, other, limit) {
    input.addEventListener("input", () => {
      if (this.one) this.high.value = this.low.value;
      else input.value = limit(Number(input.value), Number(other.value));
      this.dragged = true;
      this.axis.chosen = ""; // it was of before
      this.refresh();
      this.later();
    });
    input.addEventListener("change", () => {
      this.dragged = false;
      this.later.now();
    });
  }
  range() {
    return [Number(this.low.value), Number(this.high.value)];
  }
  toggle() {
    this.one = !this.one;
    if (this.one) this.high.value = this.low.value;
    else [this.low.value, this.high.value] = [0, this.last];
    this.refresh();
    this.write(this.axis.name, this.range());
  }
  set([a, b], news) {
    Object.assign(this.axis, news);
    if (this.dragged) return; // what comes back is older than what the hand does
    const [low, high] = this.range();
    if (a !== b) this.one = false;
    else if (a !== low || b !== high) this.one = true;
    [this.low.value, this.high.value] = [a, b];
    this.refresh();
  }
  text(index, side) {
    return this.axis.values[index] ?? this.axis.shown?.[side] ?? `no. ${index + 1}`;
  }
  refresh() {
    const { low, high, one, name, units, single } = this;
    const [a, b] = this.range();
    this.filled.style.left = `${(100 * a) / this.last}%`;
    this.filled.style.right = `${100 - (100 * b) / this.last}%`;
    this.row.classList.toggle("bh-one", one);
    high.hidden = one;
    // When both handles meet at the far end the lower one must stay within reach.
    low.style.zIndex = a > this.last / 2 ? 3 : 2;
    low.setAttribute("aria-label", one ? name : `${name}: first`);
    high.setAttribute("aria-label", `${name}: last`);
    low.setAttribute("aria-valuetext", this.text(a, 0) + units);
    high.setAttribute("aria-valuetext", this.text(b, 1) + units);
    this.say(a, b);
    single.textContent = one ? "One" : "Range";
    single.title = one ? `${name}: choose a range` : `${name}: choose a single value`;
    single.setAttribute("aria-label", single.title);
    single.setAttribute("aria-pressed", String(one));
  }
  // In words: single values with gaps between them as Python says them.
  say(a, b) {
    const { chosen } = this.axis;
    const ends = a === b ? this.text(a, 0) : `${this.text(a, 0)} – ${this.text(b, 1)}`;
    const count = b - a === this.last ? `all ${this.last + 1}` : `${b - a + 1} of ${this.last + 1}`;
    this.said.replaceChildren(chosen || ends + this.units);
    if (a !== b && !chosen) this.said.append(element("small", {}, count));
    this.said.title = this.said.textContent;
  }
}

// All rows; a hand that is on one of them is not thrown off when its texts change.
class Sliders {
  constructor(write) {
    this.write = write;
    this.node = element("div", { class: "bh-axes" });
    this.known = [];
    this.rows = [];
  }
  show(axes, ranges) {
    const wanted = (axes || []).filter((axis) => sizeOf(axis) > 1);
    const kind = (axis) => [axis.name, axis.label, axis.units, axis.size, axis.values];
    const old = same(wanted.map(kind), this.known.map(kind));
    this.known = wanted;
    if (!old) {
      this.rows = wanted.map((axis) => new Slider(axis, this.rangeOf(axis, ranges), this.write));
      this.node.replaceChildren(...this.rows.map((slider) => slider.row));
    }
    this.node.hidden = !wanted.length;
    this.rows.forEach((slider, i) => slider.set(this.rangeOf(wanted[i], ranges), wanted[i]));
  }
  rangeOf(axis, ranges) {
    return ranges?.[axis.name] || [0, sizeOf(axis) - 1];
  }
}
