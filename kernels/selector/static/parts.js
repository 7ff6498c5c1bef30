// What each kind of part looks like on the map, and how it is edited.

const newPart = (kind, values) => ({ kind, tag: "", raw: null, extra: [], ...values });
const newBox = (points) => newPart("Box", { points: corners(points) });
const newPolygon = (rings, holes = []) => newPart("Polygon", { rings, holes });
const newDisk = (centre, radius, unit) => newPart("Disk", { centre, radius: unit === "km" ? radius : [radius, radius], unit });
const newPath = (points, width, unit) =>
  newPart("Path", { points, closed: false, brush: { unit, radius: unit === "km" ? width / 2 : [width / 2, width / 2] } });

// The same part, changed: Python's own document of it no longer holds.
const edited = (part, values) => ({ ...part, raw: null, ...values });

const ringsOf = (part) => [...part.rings, ...part.holes];

// The places that make a part, of which none is left out of sight.
function anchorsOf(part) {
  if (part.kind === "Polygon") return part.rings.flat();
  if (part.kind === "Disk") return [part.centre];
  if (part.kind === "Fixed") return [...part.rings.flat(), ...part.lines.flat(), ...part.dots];
  return part.points;
}

// {rings, rule, lines, dots}: what is filled, by which rule, and what is only stroked.
function outlineOf(part) {
  const nothing = { rule: "evenodd", rings: [], lines: [], dots: [] };
  if (part.kind === "Polygon") return { ...nothing, rings: ringsOf(part) };
  if (part.kind === "Box") return { ...nothing, rings: [rectangle(...corners(part.points))] };
  if (part.kind === "Disk") {
    return { ...nothing, rings: part.unit === "km" ? capRings(part.centre, part.radius) : [ellipse(part.centre, part.radius)] };
  }
  if (part.kind === "Path") {
    const many = part.points.length > 60;
    const rings = corridor(part.points, (place) => brushRing(part.brush, place, many ? 20 : 48), part.closed, many);
    const line = part.closed ? [...part.points, part.points[0]] : part.points;
    return { ...nothing, rule: "nonzero", rings, lines: [line] };
  }
  return { rule: "nonzero", rings: part.rings, lines: part.lines, dots: part.dots };
}

function extentOf(part) {
  const { rings, lines, dots } = outlineOf(part);
  return boundsOf([...rings, ...lines, dots]);
}

// ---- handles: {id, place, role: "corner" | "between" | "radius" | "grip"}
const middle = (a, b) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];

function handlesOf(part) {
  const found = [];
  const line = (points, key, closed) =>
    points.forEach((place, i) => {
      found.push({ id: `${key}${i}`, place, role: "corner", number: found.length });
      const next = points[i + 1] || (closed && points[0]);
      if (next) found.push({ id: `+${key}${i}`, place: middle(place, next), role: "between", ends: [place, next] });
    });
  if (part.kind === "Polygon") ringsOf(part).forEach((ring, i) => line(ring, `${i}.`, true));
  else if (part.kind === "Path") line(part.points, "0.", part.closed);
  else if (part.kind === "Box") {
    rectangle(...part.points).forEach((place, i) => found.push({ id: `0.${i}`, place, role: "corner" }));
  } else if (part.kind === "Disk") {
    [90, 180, 270, 0].forEach((bearing, i) => found.push({ id: `r${i}`, place: rimOf(part, bearing), role: "radius" }));
  }
  if (part.kind !== "Fixed") found.push({ id: "grip", place: gripOf(part), role: "grip" });
  return found;
}

function rimOf({ centre, radius, unit }, bearing) {
  if (unit === "km") return onwards(centre, bearing, radius);
  const angle = (90 - bearing) * RADIAN;
  return [centre[0] + radius[0] * Math.cos(angle), clamp(centre[1] + radius[1] * Math.sin(angle), -90, 90)];
}

function gripOf(part) {
  if (part.kind === "Disk") return part.centre;
  if (part.kind === "Path") {
    // Beside the line, where no corner is.
    const at = Math.floor((part.points.length - 1) / 2);
    const [a, b] = [part.points[at], part.points[at + 1] || part.points[at]];
    return [a[0] + (b[0] - a[0]) / 4, a[1] + (b[1] - a[1]) / 4];
  }
  const [west, south, east, north] = boundsOf([part.kind === "Polygon" ? largest(part.rings) : part.points]);
  return [(west + east) / 2, (south + north) / 2];
}

const largest = (rings) => rings.reduce((a, b) => (a.length >= b.length ? a : b));

// Takes hold of a handle: a part that may be changed in place, and what to do with the pointer.
function grasp(part, id) {
  const copy = structuredClone(edited(part, {}));
  if (id === "grip") {
    const from = gripOf(part);
    return { part: copy, to: ([x, y]) => shifted(copy, part, x - from[0], y - from[1]) };
  }
  if (copy.kind === "Disk") {
    const far = (place) => {
      if (copy.unit === "km") return Object.assign(copy, { radius: tidy(distance(copy.centre, place)) });
      const [across, along] = part.radius;
      const share = Math.hypot((place[0] - copy.centre[0]) / across, (place[1] - copy.centre[1]) / along);
      return Object.assign(copy, { radius: [tidy(across * share), tidy(along * share)] });
    };
    return { part: copy, to: far };
  }
  const [ring, index] = id.replace("+", "").split(".").map(Number);
  if (copy.kind === "Box") {
    const opposite = rectangle(...part.points)[(index + 2) % 4];
    return { part: copy, to: (place) => Object.assign(copy, { points: corners([opposite, place]) }) };
  }
  const points = copy.kind === "Path" ? copy.points : ringsOf(copy)[ring];
  let at = index;
  if (id.startsWith("+")) {
    points.splice(index + 1, 0, middle(points[index], points[(index + 1) % points.length]));
    at = index + 1;
  }
  return {
    part: copy,
    to: (place) => {
      points[at] = place;
      return copy;
    },
  };
}

// Everything by the same way; no corner leaves the world at a pole.
function shifted(copy, part, dx, dy) {
  const [, south, , north] = boundsOf([anchorsOf(part)]);
  const up = clamp(dy, -90 - south, 90 - north);
  const move = ([x, y]) => [x + dx, y + up];
  if (part.kind === "Polygon") {
    return Object.assign(copy, { rings: part.rings.map((ring) => ring.map(move)), holes: part.holes.map((ring) => ring.map(move)) });
  }
  if (part.kind === "Disk") return Object.assign(copy, { centre: move(part.centre) });
  return Object.assign(copy, { points: part.points.map(move) });
}

// Without one corner; null when it is needed.
function withoutCorner(part, id) {
  const [ring, index] = id.split(".").map(Number);
  if (part.kind === "Path") {
    return part.points.length < 3 ? null : edited(part, { points: part.points.filter((_, i) => i !== index) });
  }
  if (part.kind !== "Polygon" || ringsOf(part)[ring].length < 4) return null;
  const cut = (rings, offset) => rings.map((points, i) => (i + offset === ring ? points.filter((_, k) => k !== index) : points));
  return edited(part, { rings: cut(part.rings, 0), holes: cut(part.holes, part.rings.length) });
}

// Lengths from a hand: three or four digits, as one would say them.
function tidy(length) {
  if (!(length > 0)) return 0;
  const digits = clamp(3 - Math.floor(Math.log10(length)), 0, 4);
  return round(length, length > 100 ? 0 : digits);
}

// The same length said in the other unit.
const inUnit = (length, from, to) => (from === to ? length : tidy(to === "km" ? length * DEGREE : length / DEGREE));

const partSentence = (part) => {
  if (part.kind === "Polygon") {
    const count = ringsOf(part).reduce((sum, ring) => sum + ring.length, 0);
    return part.rings.length > 1 ? `${part.rings.length} rings, ${count.toLocaleString("en")} corners` : `${count.toLocaleString("en")} corners`;
  }
  if (part.kind === "Path") return `${part.points.length} corners`;
  if (part.kind === "Fixed") return part.whole ? "Set in Python" : "Set in Python, along more axes than these";
  return "";
};
