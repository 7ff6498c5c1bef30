// Paints the parts, a draft and the handles as SVG over the picture.

let masks = 0; // each painter's masks have names of their own

class Painter {
  constructor(view) {
    this.view = view;
    this.shapes = element("g", { class: "bh-parts" });
    this.draft = element("path", { class: "bh-draft" });
    this.halo = element("path", { class: "bh-draft-halo" });
    this.hovered = element("path", { class: "bh-hovered" });
    this.handles = element("g", { class: "bh-handles" });
    this.node = element("g", {}, this.hovered, this.shapes, this.halo, this.draft, this.handles);
    this.name = `bh-mask-${(masks += 1)}`;
    this.drawn = new Map(); // what was painted of a part, by the part
  }
  turnsOf(part) {
    if (!part) return 0;
    const [west, , east] = this.shown(part).extent;
    return this.view.turns(part.centre?.[0] ?? (west + east) / 2);
  }
  // The outline of a part, kept as long as the part is there.
  shown(part) {
    let kept = this.drawn.get(part);
    if (!kept) {
      const outline = outlineOf(part);
      kept = { outline, extent: boundsOf([...outline.rings, ...outline.lines, outline.dots]) };
      this.drawn.set(part, kept);
    }
    return kept;
  }
  // Dragging changes a part in place.
  forget(part) {
    this.drawn.delete(part);
  }
  // Paths relative to the middle of the part, so that panning only moves them.
  pathsOf(part) {
    const kept = this.shown(part);
    const { scale, squeeze } = this.view;
    if (kept.scale === scale && kept.squeeze === squeeze) return kept;
    const { outline, extent } = kept;
    const middle = [(extent[0] + extent[2]) / 2, (extent[1] + extent[3]) / 2];
    const at = ([x, y]) => [(x - middle[0]) * scale * squeeze, (middle[1] - y) * scale];
    const write = (points, end) => {
      let text = "";
      let last = [NaN, NaN];
      points.forEach((place, i) => {
        const [x, y] = at(place);
        // Of corners that fall on one pixel only the first is written.
        if (i && i < points.length - 1 && Math.abs(x - last[0]) + Math.abs(y - last[1]) < VISIBLE) return;
        text += `${i ? "L" : "M"}${round(x, 1)} ${round(y, 1)}`;
        last = [x, y];
      });
      return text + end;
    };
    const dot = (place) => {
      const [x, y] = at(place).map((value) => round(value, 1));
      return `M${x - 3.5} ${y}a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0Z`;
    };
    return Object.assign(kept, {
      scale,
      squeeze,
      middle,
      fill: outline.rings.map((ring) => write(ring, "Z")).join(""),
      edge: edgesOf(outline.rings)?.map((line) => write(line, "")).join("") ?? null,
      line: outline.lines.map((line) => write(line, "")).join(""),
      dots: outline.dots.map(dot).join(""),
    });
  }
  paint(parts, { active, draft, points, first, handles, dragged }) {
    const { view } = this;
    for (const part of this.drawn.keys()) if (!parts.includes(part) && part !== draft) this.drawn.delete(part);
    const nodes = parts.map((part, i) => this.nodeOf(part, i, i === active));
    if (nodes.length !== this.shapes.childNodes.length || nodes.some((node, i) => node !== this.shapes.childNodes[i])) {
      this.shapes.replaceChildren(...nodes);
    }
    let line = "";
    if (draft) {
      const { fill, line: along, middle } = this.pathsOf(draft);
      line = fill + along;
      const place = `translate(${round(view.x(middle[0]), 1)} ${round(view.y(middle[1]), 1)})`;
      for (const node of [this.halo, this.draft]) node.setAttribute("transform", place);
      this.drawn.delete(draft);
    }
    this.halo.setAttribute("d", line);
    this.draft.setAttribute("d", line);
    const turns = dragged ? this.turns : this.turnsOf(parts[active]);
    this.turns = turns;
    this.paintHandles(points ? dotsOf(points, first) : handles, points ? 0 : turns);
  }
  // The node of a part: made anew when it looks different, else only moved.
  nodeOf(part, index, chosen) {
    const { view } = this;
    const kept = this.pathsOf(part);
    const { middle, extent } = kept;
    const home = view.turns(middle[0]);
    const turns = [home, ...view.copies(extent[0], extent[2]).filter((turn) => turn !== home)];
    const looks = `${view.scale} ${view.squeeze} ${turns.length} ${index}`;
    if (kept.looks !== looks) Object.assign(kept, { looks, node: this.makeNode(part, index, turns.length) });
    kept.node.classList.toggle("bh-chosen", chosen);
    const groups = kept.node.querySelectorAll("g");
    turns.forEach((turn, i) => {
      groups[i].setAttribute("transform", `translate(${round(view.x(middle[0] + turn), 1)} ${round(view.y(middle[1]), 1)})`);
    });
    return kept.node;
  }
  makeNode(part, index, copies) {
    const { fill, edge, line, dots, outline } = this.pathsOf(part);
    const node = element("g", { class: "bh-part", "data-part": index });
    const mask = outline.rule === "nonzero" && fill ? this.maskOf(index, part) : null;
    if (mask) node.append(mask);
    for (let i = 0; i < copies; i += 1) {
      const group = element("g");
      const name = i ? "bh-copy" : "bh-shape";
      const ring = { "fill-rule": outline.rule, d: fill };
      if (mask) {
        group.append(element("path", { class: `${name} bh-inner`, ...ring }));
        group.append(element("path", { class: "bh-outer", ...ring, mask: `url(#${this.name}-${index})` }));
      } else if (edge !== null) {
        group.append(element("path", { class: `${name} bh-inner`, ...ring }), element("path", { class: "bh-edge", d: edge }));
      } else if (fill) group.append(element("path", { class: name, ...ring }));
      if (line) group.append(element("path", { class: "bh-line", d: line }));
      if (dots) group.append(element("path", { class: "bh-place", d: dots }));
      node.append(group);
    }
    return node;
  }
  // Pieces of a corridor overlap: only that half of their edges that lies outside of all is shown.
  maskOf(index, part) {
    const { fill, extent, middle, scale, squeeze } = this.pathsOf(part);
    const [width, height] = [(extent[2] - extent[0]) * scale * squeeze + 40, (extent[3] - extent[1]) * scale + 40];
    const left = (extent[0] - middle[0]) * scale * squeeze - 20;
    const top = (middle[1] - extent[3]) * scale - 20;
    const frame = { x: round(left, 1), y: round(top, 1), width: round(width, 1), height: round(height, 1) };
    return element(
      "mask",
      { id: `${this.name}-${index}`, maskUnits: "userSpaceOnUse", ...frame },
      element("rect", { ...frame, fill: "#fff" }),
      element("path", { d: fill, fill: "#000", "fill-rule": "nonzero" }),
    );
  }
  // The outline of something under the pointer that is no part yet.
  hover(part) {
    const { view } = this;
    if (!part) {
      this.hovered.setAttribute("d", "");
      return;
    }
    const { fill, middle } = this.pathsOf(part);
    this.hovered.setAttribute("d", fill);
    this.hovered.setAttribute("transform", `translate(${round(view.x(middle[0] + view.turns(middle[0])), 1)} ${round(view.y(middle[1]), 1)})`);
    this.drawn.delete(part);
  }

  // ---- handles
  paintHandles(wanted, turns) {
    const { view, handles: group } = this;
    const inView = ([x, y]) => x > -8 && y > -8 && x < view.width + 8 && y < view.height + 8;
    const pixel = ([longitude, latitude]) => [view.x(longitude + turns), view.y(latitude)];
    let shown = wanted.map((handle) => ({ ...handle, at: pixel(handle.place) })).filter(({ at }) => inView(at));
    const wide = ({ ends }) => {
      const [[ax, ay], [bx, by]] = ends.map(pixel);
      return Math.hypot(ax - bx, ay - by) > 44;
    };
    shown = shown.filter((handle) => handle.role !== "between" || wide(handle));
    this.crowded = shown.filter(({ role }) => role === "corner").length > MOST_HANDLES;
    if (this.crowded) shown = shown.filter(({ role }) => role === "grip");
    // Of what lies so near that one could not hit it a corner stays, and then the grip.
    const near = ({ at: [ax, ay] }, { at: [bx, by] }) => Math.hypot(ax - bx, ay - by) < 14;
    const behind = { grip: ["corner"], between: ["grip"] };
    shown = shown.filter((one) => !shown.some((other) => behind[one.role]?.includes(other.role) && near(one, other)));
    const order = { between: 0, grip: 1, radius: 2, corner: 3 };
    shown.sort((a, b) => (order[a.role] ?? 4) - (order[b.role] ?? 4));
    const kept = new Map([...group.children].map((node) => [node.dataset.handle, node]));
    const nodes = shown.map((handle) => {
      const node = kept.get(handle.id) || element(handle.role === "grip" ? "g" : "circle", { "data-handle": handle.id });
      return placeHandle(node, handle);
    });
    // A node that stays keeps the keyboard's focus, which moving it about would take.
    if (!same([...group.children].map((n) => n.dataset.handle), shown.map((h) => h.id))) group.replaceChildren(...nodes);
  }
  focus(id) {
    this.handles.querySelector(`[data-handle="${id}"]`)?.focus();
  }
}

const dotsOf = (points, first) => points.map((place, i) => ({ id: `dot${i}`, place, role: first && !i ? "first" : "dot" }));

function placeHandle(node, { role, at, place, id }) {
  const [x, y] = at.map((value) => round(value, 1));
  const radius = { corner: 5.5, radius: 5.5, between: 4, first: 5, dot: 3.5 }[role];
  const where = `${latitudeText(place[1])} ${longitudeText(place[0])}`;
  const words = {
    corner: `Corner at ${where}. Arrows move it, Delete removes it.`,
    radius: `Edge at ${where}. Arrows change the radius.`,
    between: `Middle of an edge at ${where}. Enter sets a corner here.`,
    grip: `The whole part, at ${where}. Arrows move it, Delete removes it.`,
  }[role];
  const values = { class: role === "first" ? "bh-dot bh-first" : `bh-${role}`, "data-role": role, "data-handle": id };
  if (words) Object.assign(values, { tabindex: "0", role: "button", "aria-label": words });
  if (role === "grip") {
    values.transform = `translate(${x} ${y})`;
    if (!node.childNodes.length) node.append(element("circle", { r: 9 }), element("path", { d: GRIP }));
  } else Object.assign(values, { cx: x, cy: y, r: radius });
  for (const [name, value] of Object.entries(values)) node.setAttribute(name, value);
  return node;
}

const GRIP = "M0-5.2V5.2M-5.2 0H5.2M0-5.2l-1.6 1.7M0-5.2l1.6 1.7M0 5.2l-1.6-1.7M0 5.2l1.6-1.7M-5.2 0l1.7-1.6M-5.2 0l1.7 1.6M5.2 0l-1.7-1.6M5.2 0l-1.7 1.6";
