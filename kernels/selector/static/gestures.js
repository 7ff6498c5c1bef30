// The ways of pointer, fingers, wheel and keyboard, translated to what the map and the drawing do.

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const EVENTS = ["pointerdown", "pointermove", "pointerup", "pointercancel", "pointerleave", "dblclick", "wheel"];

class Gestures {
  constructor(map) {
    Object.assign(this, { map, stage: map.stage, view: map.view, drawing: map.drawing });
    this.pointer = null; // {x, y, moved, kind, part} while a button is down
    this.fingers = new Map(); // where each finger is, for pinching
    for (const name of EVENTS) this.stage.addEventListener(name, (event) => this[name](event), { passive: false });
    map.root.addEventListener("keydown", (event) => this.keydown(event));
  }
  get mode() {
    return this.map.get("mode");
  }
  spot(event) {
    const box = this.stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }
  isAside(event) {
    return event.target.closest?.(".bh-zooms, .bh-card");
  }

  // ---- pointer
  pointerdown(event) {
    if (event.button > 1 || this.isAside(event)) return;
    const [x, y] = this.spot(event);
    if (event.pointerType === "touch") this.fingers.set(event.pointerId, [x, y]);
    if (this.fingers.size > 1) {
      this.pointercancel();
      return;
    }
    const { mode, drawing } = this;
    const { handle } = event.target.closest("[data-handle]")?.dataset || {};
    const { part } = event.target.closest("[data-part]")?.dataset || {};
    let kind = "pan";
    if (mode === "pan" && event.button === 0 && handle) {
      kind = "handle";
      drawing.grab(handle);
    } else if (BY_DRAGGING.includes(mode) && event.button === 0) {
      kind = "draft";
      if (!drawing.draft) drawing.begin(MODES[mode].kind, x, y);
    }
    this.pointer = { x, y, startX: x, startY: y, moved: false, kind, part };
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
    this.map.move((place[0] - before[0]) / 2, (place[1] - before[1]) / 2);
  }
  pointermove(event) {
    const [x, y] = this.spot(event);
    this.stage.classList.add("bh-by-pointer");
    if (this.fingers.size > 1 && this.fingers.has(event.pointerId)) {
      this.pinch(event.pointerId, [x, y]);
      return;
    }
    if (this.isAside(event) && !this.pointer) this.map.leave();
    else this.map.showReadout(x, y);
    const { pointer, drawing } = this;
    if (!pointer) {
      drawing.point(x, y);
      this.map.tell();
      return;
    }
    if (Math.hypot(x - pointer.startX, y - pointer.startY) > 4) pointer.moved = true;
    if (pointer.kind === "handle") {
      if (pointer.moved) drawing.drag(x, y);
    } else if (pointer.kind === "draft") drawing.point(x, y);
    else if (pointer.moved) {
      this.stage.classList.add("bh-moving");
      this.map.move(x - pointer.x, y - pointer.y);
    }
    Object.assign(pointer, { x, y });
    this.map.tell();
  }
  pointerup(event) {
    this.fingers.delete(event.pointerId);
    const { pointer, drawing } = this;
    if (!pointer) return;
    this.pointer = null;
    this.stage.classList.remove("bh-moving");
    const [x, y] = this.spot(event);
    if (pointer.kind === "handle") drawing.drop();
    else if (pointer.kind === "draft") {
      // Dragged, or the second of two clicks.
      if (!drawing.draft) return;
      if (!pointer.moved && !drawing.draft.begun) drawing.draft.begun = true;
      else if (!drawing.end(x, y)) drawing.cancel();
    } else if (!pointer.moved && event.button === 0) this.click(x, y, pointer.part);
  }
  pointercancel(event) {
    if (event) this.fingers.delete(event.pointerId);
    this.drawing.release();
    if (this.pointer?.kind === "draft") this.drawing.cancel();
    this.pointer = null;
    this.stage.classList.remove("bh-moving");
  }
  pointerleave() {
    this.map.leave();
  }
  // A click at a place, by the pointer or by the space bar at the cross in the middle.
  click(x, y, part) {
    const { mode, drawing } = this;
    if (mode === "view") this.map.choose(x, y);
    else if (mode === "country") this.map.picker.pickAt(x, y);
    else if (BY_CLICKS.includes(mode)) drawing.add(MODES[mode].kind, x, y);
    else if (BY_DRAGGING.includes(mode)) {
      if (drawing.draft) drawing.end(x, y);
      else drawing.begin(MODES[mode].kind, x, y);
    } else drawing.choose(part === undefined ? -1 : Number(part));
    this.map.tell();
  }
  dblclick(event) {
    if (this.isAside(event)) return;
    event.preventDefault();
    if (performance.now() - this.drawing.ended < 600) return; // its first click ended a part
    const [x, y] = this.spot(event);
    // The target of a captured pointer is the stage: what lies there is asked for by the place.
    const root = this.stage.getRootNode();
    const { handle, role } = root.elementFromPoint(event.clientX, event.clientY)?.closest("[data-handle]")?.dataset || {};
    if (BY_CLICKS.includes(this.mode)) this.drawing.finish();
    else if (role === "corner") this.drawing.removeCorner(handle);
    else if (this.mode === "pan" && !handle) this.map.glide((view) => view.zoom(event.shiftKey ? 0.5 : 2, x, y));
  }
  wheel(event) {
    if (this.isAside(event)) return;
    // The page scrolls past a map that nobody touched.
    const focused = this.stage.getRootNode().activeElement;
    if (!event.ctrlKey && !(focused && this.map.root.contains(focused))) return;
    event.preventDefault();
    this.map.gliding = null;
    const lines = event.deltaMode === 1 ? 30 : 1;
    this.view.zoom(2 ** (-clamp(event.deltaY * lines, -240, 240) / 240), ...this.spot(event));
    this.map.wander();
  }

  // ---- keyboard
  keydown(event) {
    if (event.target.closest("input, select")) return;
    this.stage.classList.remove("bh-by-pointer");
    const done = walkToolbar(event) || this.steps(event) || this.onHandle(event) || this.onMap(event);
    if (!done) return;
    event.preventDefault();
    event.stopPropagation();
  }
  // Undo and redo, wherever the focus is; other keys with Ctrl belong to the browser.
  steps(event) {
    if (!event.ctrlKey && !event.metaKey) return false;
    const key = event.key.toLowerCase();
    if (this.mode === "view" || !"zy".includes(key)) return false;
    if (key === "y" || event.shiftKey) this.drawing.redo();
    else this.drawing.undo();
    return true;
  }
  onHandle(event) {
    const { handle, role } = event.target.closest("[data-handle]")?.dataset || {};
    if (!handle || event.ctrlKey || event.metaKey) return false;
    const { drawing } = this;
    if (ARROWS[event.key]) drawing.nudge(handle, ...ARROWS[event.key]);
    else if (["Delete", "Backspace"].includes(event.key)) {
      if (role === "corner") drawing.removeCorner(handle);
      else if (role === "grip") drawing.remove(drawing.active);
    } else if (event.key === "Enter" && role === "between") drawing.insertCorner(handle);
    else return false;
    return true;
  }
  onMap(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    const { key } = event;
    // Enter and space press the button that has the focus.
    if (event.target.closest("button") && ["Enter", " "].includes(key)) return false;
    const [mode, arrow] = [this.mode, ARROWS[key]];
    if (arrow) {
      const step = ({ scale, squeeze, lon, lat }) => ({ lon: lon + (arrow[0] * 80) / (scale * squeeze), lat: lat + (arrow[1] * 80) / scale });
      this.map.glide((view) => Object.assign(view, step(view)).settle());
    } else if (key === "+" || key === "=") this.map.glide((view) => view.zoom(2));
    else if (key === "-" || key === "_") this.map.glide((view) => view.zoom(0.5));
    else if (key === "0") this.map.glide((view) => view.fit(this.map.home()));
    else if (mode === "view") return key === "Enter" && (this.click(...this.centre()), true);
    else return this.onDrawing(key);
    return true;
  }
  onDrawing(key) {
    const { drawing, map, mode } = this;
    if (mode === "country" && /^[\p{L}]$/u.test(key)) {
      map.inspector.search.input.focus({ preventScroll: true }); // the letter is typed there
      return false;
    }
    const named = Object.keys(MODES).find((name) => MODES[name].key === key.toLowerCase());
    if (named) map.setMode(named);
    else if (key === "Escape") this.escape();
    else if (key === "Enter") this.enter();
    else if (key === " ") this.click(...this.centre());
    else if (key === "Backspace" && drawing.draft) drawing.takeBack();
    else if (key === "Delete" && mode === "pan" && drawing.chosen) drawing.remove(drawing.active);
    else if (key.toLowerCase() === "f" && drawing.parts.length) map.showParts();
    else return false;
    map.tell();
    return true;
  }
  escape() {
    const { drawing, map } = this;
    if (drawing.grip) {
      this.pointer = null;
      drawing.release();
    } else if (!drawing.cancel()) {
      if (this.mode === "pan") drawing.choose(-1);
      else map.setMode("pan");
    }
  }
  enter() {
    const { drawing } = this;
    if (drawing.draft && BY_DRAGGING.includes(this.mode)) drawing.end(...this.centre());
    else if (drawing.draft) drawing.finish();
    else if (this.mode === "country") this.map.setMode("pan");
  }
  centre() {
    return [this.view.width / 2, this.view.height / 2];
  }
}
