// The buttons: what the pointer does, steps back and forth, and the view.

const ICONS = {
  pan: "M10 2v16M2 10h16M10 2 7.6 4.6M10 2l2.4 2.6M10 18l-2.4-2.6M10 18l2.4-2.6M2 10l2.6-2.4M2 10l2.6 2.4M18 10l-2.6-2.4M18 10l-2.6 2.4",
  polygon: "M10 3 17 8.2 14.4 16.5H5.6L3 8.2Z",
  box: "M3.5 5h13v10h-13Z",
  disk: "M10 3a7 7 0 1 0 0 14a7 7 0 1 0 0-14ZM10 10h3.6M10 9.6a.4.4 0 1 0 0 .8a.4.4 0 1 0 0-.8Z",
  path: "M3.5 15.5 7.3 6.5 12.3 12.5 16.5 4.5M3.5 14.2a1.3 1.3 0 1 0 0 2.6a1.3 1.3 0 1 0 0-2.6ZM16.5 3.2a1.3 1.3 0 1 0 0 2.6a1.3 1.3 0 1 0 0-2.6Z",
  country: "M5 17.5V3M5 3.6c3-1.4 6 1.6 10.5 0v7.6c-4.5 1.6-7.5-1.4-10.5 0",
  undo: "M7.5 4 3.5 8l4 4M3.5 8h8.2a4.3 4.3 0 0 1 0 8.6H8",
  redo: "M12.5 4l4 4-4 4M16.5 8H8.3a4.3 4.3 0 0 0 0 8.6H12",
  clear: "M3.5 5.5h13M8 5.5V3.5h4v2M5.2 5.5l.8 11h8l.8-11M8.4 8.5v5M11.6 8.5v5",
  zoomin: "M10 4v12M4 10h12",
  zoomout: "M4 10h12",
  fit: "M3.5 7.5v-4h4M12.5 3.5h4v4M16.5 12.5v4h-4M7.5 16.5h-4v-4",
  near: "M3.5 7.5v-4h4M12.5 3.5h4v4M16.5 12.5v4h-4M7.5 16.5h-4v-4M10 7l3.2 2.3-1.2 3.7H8L6.8 9.3Z",
  remove: "M6 6l8 8M14 6l-8 8",
};
// A mode of the pointer: its key, its word, and what is to be known of it.
const MODES = {
  pan: { key: "m", word: "Move", label: "Move the map and edit (M)", hint: "" },
  polygon: { key: "p", word: "Polygon", label: "Draw a polygon (P)", kind: "Polygon", hint: "Click to set corners · Enter or double-click closes · Backspace takes one back · Esc cancels" },
  box: { key: "b", word: "Box", label: "Draw a box (B)", kind: "Box", hint: "Drag from corner to corner · Esc cancels" },
  disk: { key: "d", word: "Disk", label: "Draw a disk (D)", kind: "Disk", hint: "Drag from the centre to the edge · Esc cancels" },
  path: { key: "l", word: "Path", label: "Draw a path with a width (L)", kind: "Path", hint: "Click along the line · Enter or double-click ends · Backspace takes one back · Esc cancels" },
  country: { key: "c", word: "Countries", label: "Pick countries (C)", hint: "Click countries or type their names · a second click takes one out · Esc ends" },
};
const BY_CLICKS = ["polygon", "path"];
const BY_DRAGGING = ["box", "disk"];

const icon = (name) =>
  element("svg", { class: "bh-icon", viewBox: "0 0 20 20", "aria-hidden": "true" }, element("path", { d: ICONS[name] }));

function makeButton(name, label, action, word = "") {
  return element(
    "button",
    { type: "button", class: "bh-button", "data-name": name, "aria-label": label, "data-tip": label, onclick: action },
    icon(name), ...(word ? [element("span", { class: "bh-word" }, word)] : []),
  );
}

// `host` has: setMode(mode), drawing, glide(change), home(), showParts(), stage.
function makeToolbar(host) {
  const modes = element(
    "div", { class: "bh-group", role: "group", "aria-label": "What the pointer does" },
    ...Object.entries(MODES).map(([name, { label, word }]) => makeButton(name, label, () => host.setMode(name), word)),
  );
  const undo = makeButton("undo", "Undo (Ctrl+Z)", () => host.drawing.undo());
  const redo = makeButton("redo", "Redo (Ctrl+Shift+Z)", () => host.drawing.redo());
  const clear = makeButton("clear", "Clear the shape", () => host.drawing.clear());
  const edits = element("div", { class: "bh-group", role: "group", "aria-label": "Steps" }, undo, redo, clear);
  const node = element("div", { class: "bh-toolbar", role: "toolbar", "aria-label": "Drawing" }, modes, edits);
  const near = makeButton("near", "Show the shape (F)", () => host.showParts());
  const zooms = element(
    "div", { class: "bh-group bh-zooms", role: "group", "aria-label": "View" },
    makeButton("zoomin", "Zoom in (+)", () => host.glide((view) => view.zoom(2))),
    makeButton("zoomout", "Zoom out (−)", () => host.glide((view) => view.zoom(0.5))),
    makeButton("fit", "Show all (0)", () => host.glide((view) => view.fit(host.home()))),
    near,
  );
  const refresh = (mode) => {
    const { drawing } = host;
    node.hidden = mode === "view";
    near.hidden = mode === "view";
    near.disabled = !drawing.parts.length;
    for (const button of modes.children) {
      const on = button.dataset.name === mode;
      button.classList.toggle("bh-on", on);
      button.setAttribute("aria-pressed", String(on));
    }
    undo.disabled = !drawing.canUndo();
    redo.disabled = !drawing.future.length || Boolean(drawing.draft);
    clear.disabled = !(drawing.parts.length || drawing.draft);
    // A button that goes out under the focus would keep the keys for itself.
    for (const button of [undo, redo, clear]) {
      if (button.disabled && button.getRootNode().activeElement === button) host.stage.focus({ preventScroll: true });
    }
  };
  return { node, zooms, refresh };
}

// Arrows go from button to button, as in any toolbar; true when one was taken.
function walkToolbar(event) {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const bar = event.target.closest?.(".bh-toolbar");
  if (!step || !bar) return false;
  const buttons = [...bar.querySelectorAll("button:enabled")];
  buttons[(buttons.indexOf(event.target.closest("button")) + step + buttons.length) % buttons.length]?.focus();
  return true;
}
