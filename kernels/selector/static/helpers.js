// The map: one module for both mounts, anywidget in Jupyter and AnyWidgetComponent in Panel.
// It fetches nothing.  State goes through `model`; the traits are described in ../panel.py.

const MOST_HANDLES = 120; // of the corners that are in view; with more of them one could not be hit
const CRISP_CELL = 22; // pixels from which single cells are shown as cells
const COLORS = ["outside", "water", "land", "coast", "halo", "border", "grid", "label", "glow"];
const FINE_SCALE = 9; // pixels a degree from which the finer coastlines are worth their bytes
const EARTH_RADIUS = 6371.0088; // km, of the sphere on which Python counts too
const DEGREE = (EARTH_RADIUS * Math.PI) / 180; // km of a degree on a great circle

// ---------------------------------------------------------------------------- small helpers
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const round = (value, digits = 4) => Number(value.toFixed(digits));
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

function element(tag, attributes = {}, ...children) {
  const vector = ["svg", "path", "circle", "g", "rect", "title", "mask", "defs"].includes(tag);
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

const lengthText = (value, unit) => (unit === "km" ? `${value.toLocaleString("en")} km` : `${value}°`);

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
