// The drawing: shapes as Python has them, and their editing with pointer and keyboard.

// Inside the map a shape is {type, points: [[lon, lat], ...], others, holes}.  A box has two points;
// `others` are further outer rings, which are shown and not edited.
const LONGITUDE = /^(lon|lng|x$)/i;
const LATITUDE = /^(lat|y$)/i;

// The part of a shape that lies on the map; the rest of a product is for the sliders.
function fromShape(raw, names = ["latitude", "longitude"]) {
  const isLatitude = (axis) => axis === names[0] || LATITUDE.test(axis);
  const isLongitude = (axis) => axis === names[1] || LONGITUDE.test(axis);
  let latitudes = null;
  let longitudes = null;
  const range = (axis, pair) => {
    if (isLatitude(axis)) latitudes = pair.map(Number);
    else if (isLongitude(axis)) longitudes = pair.map(Number);
  };
  for (const part of !raw?.type ? [] : raw.type === "Product" ? raw.shapes : [raw]) {
    if (part.type === "Polygon" && part.axes.every((axis) => isLatitude(axis) || isLongitude(axis))) {
      const swapped = isLatitude(part.axes[0]);
      const read = (ring) => ring.map(([a, b]) => (swapped ? [b, a] : [a, b]));
      const [points, ...others] = (Array.isArray(part.points[0][0]) ? part.points : [part.points]).map(read);
      return { type: "Polygon", points, others, holes: (part.holes || []).map(read) };
    }
    if (part.type === "Box") Object.entries(part.ranges).forEach(([axis, pair]) => range(axis, pair));
    if (part.type === "Span") range(part.axis, [part.lower, part.upper]);
  }
  if (!latitudes && !longitudes) return null;
  const [south, north] = latitudes || [-90, 90];
  const [west, east] = longitudes || [-180, 180];
  return newBox([[west, south], [east, north]]);
}

function toShape(shape, [latitude, longitude]) {
  if (!shape) return {};
  // Whole turns are taken off, so that a shape drawn after much panning has usual longitudes.
  const west = Math.min(...shape.points.map((point) => point[0]));
  const turns = 360 * Math.floor((west + 180) / 360);
  const place = ([x, y]) => [round(y), round(x - turns)];
  if (shape.type === "Box") {
    const [[south, left], [north, right]] = corners(shape.points).map(place);
    return { type: "Box", ranges: { [latitude]: [south, north], [longitude]: [left, right] } };
  }
  const write = (ring) => ring.map(place);
  const rings = [shape.points, ...shape.others].map(write);
  return {
    type: "Polygon",
    axes: [latitude, longitude],
    points: rings.length > 1 ? rings : rings[0],
    holes: shape.holes.map(write),
  };
}

const newBox = (points) => ({ type: "Box", points, others: [], holes: [] });
const newPolygon = (points) => ({ type: "Polygon", points, others: [], holes: [] });

const corners = ([a, b]) => [
  [Math.min(a[0], b[0]), Math.min(a[1], b[1])],
  [Math.max(a[0], b[0]), Math.max(a[1], b[1])],
];

function ringOf(shape) {
  if (shape.type !== "Box") return shape.points;
  const [[west, south], [east, north]] = corners(shape.points);
  return [[west, south], [east, south], [east, north], [west, north]];
}

// Draws, edits and shows one shape.  `host` has: view, mode(), commit(shape), hint(text).
class Drawing {
  constructor(host) {
    this.host = host;
    this.shape = null;
    this.draft = null; // {type, points, cursor}
    this.history = [];
    this.grip = null; // the corner that is being dragged
    this.parts = {
      fill: element("path", { class: "bh-shape", "fill-rule": "evenodd" }),
      halo: element("path", { class: "bh-draft-halo" }),
      draft: element("path", { class: "bh-draft" }),
      handles: element("g", { class: "bh-handles" }),
    };
    this.node = element("g", {}, ...Object.values(this.parts));
  }

  // ---- what is there
  // Python's shape comes in place of ours; ours can be had back by undo.
  replace(shape) {
    this.draft = null;
    this.grip = null;
    if (this.shape) this.history.push(this.shape);
    this.shape = shape;
    this.refresh();
  }
  change(shape) {
    this.history.push(this.shape);
    if (this.history.length > 100) this.history.shift();
    this.shape = shape;
    this.refresh();
    this.host.commit(shape);
  }
  canUndo() {
    return Boolean(this.draft || this.history.length);
  }
  undo() {
    if (this.draft) return this.takeBack();
    if (!this.history.length) return undefined;
    this.shape = this.history.pop();
    this.refresh();
    return this.host.commit(this.shape);
  }
  clear() {
    this.draft = null;
    if (this.shape) this.change(null);
    else this.refresh();
  }

  // ---- a new shape
  cancel() {
    const had = Boolean(this.draft);
    this.draft = null;
    this.refresh();
    return had;
  }
  takeBack() {
    if (!this.draft) return;
    this.draft.points.pop();
    if (!this.draft.points.length) this.draft = null;
    this.refresh();
  }
  // A corner of a polygon; on the first corner it closes.
  add(x, y) {
    const { view } = this.host;
    const near = ([longitude, latitude]) => Math.hypot(view.x(longitude) - x, view.y(latitude) - y) < 9;
    if (!this.draft) this.draft = { type: "Polygon", points: [] };
    const { points } = this.draft;
    if (points.length > 2 && near(points[0])) return this.close();
    if (!points.length || !near(points[points.length - 1])) points.push(view.place(x, y));
    return this.refresh();
  }
  close() {
    if (!this.draft || this.draft.type !== "Polygon" || this.draft.points.length < 3) return;
    const { points } = this.draft;
    this.draft = null;
    this.change(newPolygon(points));
  }
  startBox(x, y) {
    const corner = this.host.view.place(x, y);
    this.draft = { type: "Box", points: [corner], cursor: corner };
    this.refresh();
  }
  endBox(x, y) {
    const [from] = this.draft.points;
    const to = this.host.view.place(x, y);
    this.draft = null;
    const points = corners([from, to]);
    if (points[0][0] === points[1][0] || points[0][1] === points[1][1]) return this.refresh();
    return this.change(newBox(points));
  }
  point(x, y) {
    if (!this.draft) return;
    this.draft.cursor = this.host.view.place(x, y);
    this.refresh();
  }

  // ---- corners of the finished shape
  editable() {
    if (!this.shape || this.draft || this.host.mode() === "view") return false;
    return !this.shape.others.length && this.shape.points.length <= MOST_HANDLES;
  }
  grab(index, between) {
    const copy = { ...this.shape, points: this.shape.points.map((point) => [...point]) };
    this.before = this.shape;
    if (copy.type === "Box") {
      // The corner opposite stays where it is.
      const ring = ringOf(copy);
      copy.points = [ring[(index + 2) % 4], ring[index]];
      this.grip = 1;
    } else if (between) {
      const next = copy.points[(index + 1) % copy.points.length];
      copy.points.splice(index + 1, 0, [(copy.points[index][0] + next[0]) / 2, (copy.points[index][1] + next[1]) / 2]);
      this.grip = index + 1;
    } else this.grip = index;
    this.shape = copy;
  }
  drag(x, y) {
    const turns = this.turns();
    const [longitude, latitude] = this.host.view.place(x, y);
    this.shape.points[this.grip] = [longitude - turns, latitude];
    this.refresh();
  }
  drop() {
    const changed = this.shape;
    this.grip = null;
    if (changed.type === "Box") changed.points = corners(changed.points);
    this.shape = this.before;
    if (same(changed, this.before)) this.refresh();
    else this.change(changed);
  }
  nudge(index, dx, dy) {
    const step = 4 / this.host.view.scale;
    this.grab(index, false);
    const point = this.shape.points[this.grip];
    this.shape.points[this.grip] = [point[0] + dx * step, clamp(point[1] + dy * step, -90, 90)];
    this.drop();
    this.parts.handles.querySelector(`[data-corner="${index}"]`)?.focus();
  }
  remove(index) {
    if (this.shape.type !== "Polygon" || this.shape.points.length < 4) return;
    this.change({ ...this.shape, points: this.shape.points.filter((_, i) => i !== index) });
  }

  // ---- on the screen
  turns() {
    if (!this.shape) return 0;
    const longitudes = this.shape.points.map((point) => point[0]);
    return this.host.view.turns((Math.min(...longitudes) + Math.max(...longitudes)) / 2);
  }
  refresh() {
    const { view } = this.host;
    const turns = this.turns();
    const at = ([longitude, latitude]) => `${round(view.x(longitude + turns), 1)} ${round(view.y(latitude), 1)}`;
    const path = (ring) => `M${ring.map(at).join("L")}Z`;
    const { fill, halo, draft, handles } = this.parts;
    fill.setAttribute("d", this.shape ? [ringOf(this.shape), ...this.shape.others, ...this.shape.holes].map(path).join("") : "");
    let line = "";
    if (this.draft) {
      const { type, points, cursor } = this.draft;
      const spot = ([longitude, latitude]) => `${round(view.x(longitude), 1)} ${round(view.y(latitude), 1)}`;
      const ring = type === "Box" ? ringOf({ type, points: [points[0], cursor] }) : cursor ? [...points, cursor] : points;
      line = `M${ring.map(spot).join("L")}${type === "Box" || ring.length > 2 ? "Z" : ""}`;
    }
    halo.setAttribute("d", line);
    draft.setAttribute("d", line);
    this.refreshHandles(handles, turns);
    this.host.drawn();
  }
  refreshHandles(group, turns) {
    const { view } = this.host;
    const wanted = [];
    const corner = ([longitude, latitude], shift) => ({ x: view.x(longitude + shift), y: view.y(latitude) });
    if (this.draft?.type === "Polygon") {
      this.draft.points.forEach((point, i) => wanted.push({ ...corner(point, 0), kind: i ? "bh-dot" : "bh-dot bh-first", r: i ? 3.5 : 5 }));
    } else if (this.editable()) {
      const ring = ringOf(this.shape);
      ring.forEach((point, i) => {
        const here = corner(point, turns);
        const there = corner(ring[(i + 1) % ring.length], turns);
        if (this.shape.type === "Polygon" && Math.hypot(here.x - there.x, here.y - there.y) > 44) {
          wanted.push({ x: (here.x + there.x) / 2, y: (here.y + there.y) / 2, kind: "bh-between", r: 4, between: i });
        }
      });
      ring.forEach((point, i) => wanted.push({ ...corner(point, turns), kind: "bh-corner", r: 5.5, corner: i, place: point }));
    }
    while (group.childNodes.length > wanted.length) group.lastChild.remove();
    while (group.childNodes.length < wanted.length) group.append(element("circle"));
    wanted.forEach(({ x, y, kind, r, corner: index, between, place }, i) => {
      const node = group.childNodes[i];
      const values = { cx: round(x, 1), cy: round(y, 1), r, class: kind, "data-corner": index, "data-between": between };
      if (index !== undefined) {
        values.tabindex = "0";
        values.role = "button";
        values["aria-label"] = `Corner ${index + 1}: ${latitudeText(place[1])} ${longitudeText(place[0])}. Arrows move it, Delete removes it.`;
      }
      for (const name of ["data-corner", "data-between", "tabindex", "role", "aria-label"]) {
        if (values[name] === undefined) node.removeAttribute(name);
      }
      for (const [name, value] of Object.entries(values)) if (value !== undefined) node.setAttribute(name, value);
    });
  }
}
