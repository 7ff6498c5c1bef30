// The drawing: its parts, the one that is chosen, a draft, and the steps back and forth.

const LIVE = 160; // milliseconds between two figures while a hand drags
const MOST_STEPS = 200;

// `host` has: view, mode(), options(), commit(parts, live), finished(), drawn().
class Drawing {
  constructor(host) {
    this.host = host;
    this.parts = [];
    this.active = -1; // the part whose handles are shown
    this.draft = null; // {kind, points, cursor}
    this.past = [];
    this.future = [];
    this.grip = null; // what is being dragged: {index, before, to}
    this.painter = new Painter(host.view);
    this.node = this.painter.node;
    this.told = 0; // when Python last heard of a drag
    this.ended = -Infinity; // when a draft last became a part
  }
  get chosen() {
    return this.parts[this.active] || null;
  }

  // ---- what is there
  // Python's shape comes in place of ours; ours can be had back by undo.
  replace(parts) {
    this.draft = null;
    this.grip = null;
    if (this.parts.length || parts.length) this.remember();
    this.parts = parts;
    this.active = parts.length === 1 ? 0 : -1;
    this.refresh();
  }
  change(parts, active = this.active) {
    this.remember();
    this.put(parts, active);
  }
  put(parts, active) {
    this.parts = parts;
    this.active = Math.min(active, parts.length - 1);
    this.refresh();
    this.host.commit(parts);
  }
  remember(parts = this.parts) {
    this.past.push({ parts, active: this.active });
    if (this.past.length > MOST_STEPS) this.past.shift();
    this.future = [];
  }
  canUndo() {
    return Boolean(this.draft || this.past.length);
  }
  undo() {
    if (this.draft) this.takeBack();
    else this.travel(this.past, this.future);
  }
  redo() {
    if (!this.draft) this.travel(this.future, this.past);
  }
  travel(from, to) {
    if (!from.length) return;
    to.push({ parts: this.parts, active: this.active });
    const { parts, active } = from.pop();
    this.put(parts, active);
  }
  clear() {
    this.draft = null;
    if (this.parts.length) this.change([], -1);
    else this.refresh();
  }
  choose(index) {
    if (index === this.active) return;
    this.active = index;
    this.refresh();
  }
  append(...parts) {
    this.change([...this.parts, ...parts], this.parts.length + parts.length - 1);
  }
  edit(index, part) {
    this.change(this.parts.map((old, i) => (i === index ? part : old)), index);
  }
  remove(index) {
    const parts = this.parts.filter((_, i) => i !== index);
    this.change(parts, parts.length === 1 ? 0 : -1);
  }

  // ---- a new part
  cancel() {
    const had = Boolean(this.draft);
    this.draft = null;
    this.refresh();
    return had;
  }
  takeBack() {
    if (!this.draft) return false;
    this.draft.points.pop();
    if (!this.draft.points.length) this.draft = null;
    this.refresh();
    return true;
  }
  // A corner of a polygon or a path; on its first corner a polygon closes.
  add(kind, x, y) {
    const { view } = this.host;
    const near = ([longitude, latitude]) => Math.hypot(view.x(longitude) - x, view.y(latitude) - y) < 9;
    if (!this.draft) this.draft = { kind, points: [] };
    const { points } = this.draft;
    const last = points[points.length - 1];
    if (kind === "Polygon" && points.length > 2 && near(points[0])) return this.finish();
    if (!points.length || !near(last)) points.push(view.place(x, y));
    return this.refresh();
  }
  // A box or a disk has two places: where it starts and where it ends.
  begin(kind, x, y) {
    const place = this.host.view.place(x, y);
    this.draft = { kind, points: [place], cursor: place };
    this.refresh();
  }
  end(x, y) {
    this.draft.cursor = this.host.view.place(x, y);
    return this.finish();
  }
  point(x, y) {
    if (!this.draft) return;
    this.draft.cursor = this.host.view.place(x, y);
    this.refresh();
  }
  finish() {
    const part = this.draft && this.partOf(this.draft, false);
    if (!part) return false;
    this.draft = null;
    this.ended = performance.now();
    this.append(part);
    this.host.finished();
    return true;
  }
  // What a draft would be; null while there is too little of it.
  partOf({ kind, points, cursor }, withCursor) {
    const { unit, width } = this.host.options();
    const all = withCursor && cursor ? [...points, cursor] : points;
    if (kind === "Polygon") return all.length > (withCursor ? 1 : 2) ? newPolygon([all]) : null;
    if (kind === "Path") return all.length > 1 ? newPath(all, width, unit) : null;
    const [from] = points;
    if (!cursor || from[0] === cursor[0] || (kind === "Box" && from[1] === cursor[1])) return null;
    if (kind === "Box") return newBox([from, cursor]);
    const flat = Math.hypot(cursor[0] - from[0], cursor[1] - from[1]);
    return newDisk(from, tidy(unit === "km" ? distance(from, cursor) : flat), unit);
  }
  // What a hand wants to know of a draft while it draws.
  measure() {
    const { draft } = this;
    if (!draft?.cursor) return "";
    const part = this.partOf(draft, true);
    if (draft.kind === "Disk" && part) return `Radius ${lengthText([part.radius].flat()[0], part.unit)}`;
    if (draft.kind === "Box" && part) {
      const [[west, south], [east, north]] = part.points;
      return `${round(north - south, 2)}° × ${round(east - west, 2)}°`;
    }
    if (draft.kind !== "Path") return "";
    const line = [...draft.points, draft.cursor];
    const length = line.slice(1).reduce((sum, place, i) => sum + distance(line[i], place), 0);
    return lengthText(tidy(length), "km");
  }

  // ---- handles of the chosen part
  grab(id) {
    const before = this.parts;
    const { part, to } = grasp(this.chosen, id);
    this.grip = { before, to, id };
    this.parts = before.map((old, i) => (i === this.active ? part : old));
  }
  drag(x, y) {
    this.grip.to(this.unturned(this.host.view.place(x, y)));
    this.painter.forget(this.chosen);
    this.refresh();
    if (performance.now() - this.told < LIVE) return;
    this.told = performance.now();
    this.host.commit(this.parts, true);
  }
  drop() {
    const { before } = this.grip;
    this.grip = null;
    const now = this.parts;
    const part = now[this.active];
    const gone = { ...before[this.active], raw: null };
    this.parts = before;
    if (same(part, gone)) this.refresh();
    else this.change(now.map((old, i) => (i === this.active ? { ...part } : old)));
  }
  release() {
    if (!this.grip) return;
    this.parts = this.grip.before;
    this.grip = null;
    this.refresh();
    this.host.commit(this.parts);
  }
  nudge(id, dx, dy) {
    const handle = handlesOf(this.chosen).find((one) => one.id === id);
    if (!handle) return;
    const step = 4 / this.host.view.scale;
    this.grab(id);
    this.grip.to([handle.place[0] + dx * step, clamp(handle.place[1] + dy * step, -90, 90)]);
    this.drop();
    this.painter.focus(id);
  }
  removeCorner(id) {
    const part = withoutCorner(this.chosen, id);
    if (part) this.edit(this.active, part);
  }
  insertCorner(id) {
    this.grab(id);
    this.drop();
    this.painter.focus(id.replace(/\+(\d+)\.(\d+)/, (_, ring, index) => `${ring}.${Number(index) + 1}`));
  }
  // A place next to the middle of the view, brought to the turn in which the part is kept.
  unturned([longitude, latitude]) {
    return [longitude - this.painter.turnsOf(this.chosen), latitude];
  }

  // ---- on the screen
  refresh() {
    const editable = this.host.mode() === "pan" && !this.draft;
    this.painter.paint(this.parts, {
      active: this.active,
      draft: this.draft && this.partOf(this.draft, true),
      points: this.draft?.points,
      first: this.draft?.kind === "Polygon",
      // While it is dragged a part stays in the turn in which it was taken.
      handles: editable && this.chosen ? handlesOf(this.chosen) : [],
      dragged: Boolean(this.grip),
    });
    this.host.drawn();
  }
}
