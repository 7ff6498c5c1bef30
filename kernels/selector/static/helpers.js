// The map: one module for both mounts, anywidget in Jupyter and AnyWidgetComponent in Panel.
// It fetches nothing.  State goes through `model`; the traits are described in ../panel.py.

const ICONS = {
  pan: "M10 2v16M2 10h16M10 2 7.6 4.6M10 2l2.4 2.6M10 18l-2.4-2.6M10 18l2.4-2.6M2 10l2.6-2.4M2 10l2.6 2.4M18 10l-2.6-2.4M18 10l-2.6 2.4",
  polygon: "M10 3 17 8.2 14.4 16.5H5.6L3 8.2Z",
  box: "M3.5 5h13v10h-13Z",
  undo: "M7.5 4 3.5 8l4 4M3.5 8h8.2a4.3 4.3 0 0 1 0 8.6H8",
  clear: "M3.5 5.5h13M8 5.5V3.5h4v2M5.2 5.5l.8 11h8l.8-11M8.4 8.5v5M11.6 8.5v5",
  zoomin: "M10 4v12M4 10h12",
  zoomout: "M4 10h12",
  fit: "M3.5 7.5v-4h4M12.5 3.5h4v4M16.5 12.5v4h-4M7.5 16.5h-4v-4",
};
const HINTS = {
  polygon: "Click to set corners · Enter or double-click closes · Backspace takes one back · Esc cancels",
  box: "Drag from corner to corner · Esc cancels",
};
const MOST_HANDLES = 80; // a country's outline is shown, not edited corner by corner
const CRISP_CELL = 22; // pixels from which single cells are shown as cells
const COLORS = ["outside", "water", "land", "coast", "halo", "border", "grid", "label", "glow"];
const FINE_SCALE = 9; // pixels a degree from which the finer coastlines are worth their bytes

// ---------------------------------------------------------------------------- small helpers
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const round = (value, digits = 4) => Number(value.toFixed(digits));
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

function element(tag, attributes = {}, ...children) {
  const vector = ["svg", "path", "circle", "g", "rect", "title"].includes(tag);
  const node = vector
    ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

function debounced(delay, action) {
  let timer = 0;
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(later.now, delay);
  };
  later.now = () => {
    clearTimeout(timer);
    timer = 0;
    action();
  };
  later.cancel = () => clearTimeout(timer);
  return later;
}

const icon = (name) =>
  element("svg", { viewBox: "0 0 20 20", "aria-hidden": "true" }, element("path", { d: ICONS[name] }));

function degrees(value, positive, negative, digits) {
  const shown = Math.abs(value).toFixed(digits);
  if (Number(shown) === 0) return `${shown}°`;
  return `${shown}° ${value < 0 ? negative : positive}`;
}
const wrap = (longitude) => ((((longitude + 180) % 360) + 360) % 360) - 180;
const latitudeText = (value, digits = 2) => degrees(value, "N", "S", digits);
const longitudeText = (value, digits = 2) => {
  const shown = wrap(value);
  return Math.abs(shown) === 180 ? degrees(180, "", "", digits).trim() : degrees(shown, "E", "W", digits);
};

function number(value, step) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-3) return value.toExponential(2).replace("e+", "e").replace(/\.?0+e/, "e");
  const digits = clamp(Math.ceil(-Math.log10(step || size / 1000) - 1e-9), 0, 8);
  return value.toFixed(digits).replace("-", "−");
}

function bytesText(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let power = 0;
  while (bytes >= 999.5 && power < units.length - 1) {
    bytes /= 1000;
    power += 1;
  }
  return `${power && bytes < 9.95 ? bytes.toFixed(1) : Math.round(bytes)} ${units[power]}`;
}

function niceStep(span, count) {
  const raw = span / Math.max(count, 1);
  const power = 10 ** Math.floor(Math.log10(raw));
  return power * ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= raw * 0.999) || 10);
}

async function inflate(text) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
