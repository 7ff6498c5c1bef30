// Shapes as Python writes them, to the parts that lie on the map, and back.

// A part is {kind: "Polygon" | "Box" | "Disk" | "Path" | "Fixed", tag, raw, extra, ...} with places as
// [longitude, latitude].  `raw` is Python's own document, given back as it was until the part is
// edited; `extra` are the further factors of a member of a union.
const LONGITUDE = /^(lon|lng|x$)/i;
const LATITUDE = /^(lat|y$)/i;

// Tells which axes are which: {isLatitude, isLongitude, find(axes) -> [at longitude, at latitude]}.
function namesOf([latitude, longitude] = ["latitude", "longitude"]) {
  const isLatitude = (axis) => axis === latitude || LATITUDE.test(axis);
  const isLongitude = (axis) => axis === longitude || LONGITUDE.test(axis);
  return { isLatitude, isLongitude, find: (axes) => [axes.findIndex(isLongitude), axes.findIndex(isLatitude)] };
}

// All parts of a shape; what of it is for the sliders is left out.
function partsOf(raw, axes, tag = "", member = false) {
  if (!raw?.type) return [];
  if (raw.type === "Union") {
    return raw.shapes.flatMap((shape, i) => partsOf(shape, axes, raw.tags?.[i] || tag, true));
  }
  const names = namesOf(axes);
  const factors = raw.type === "Product" ? flat(raw.shapes) : [raw];
  const coupled = factors.filter((factor) => isOnMap(factor, names));
  const others = factors.filter((factor) => !coupled.includes(factor));
  if (!coupled.length) {
    const found = partOfRanges(others, names);
    if (!found) return [];
    const exact = found.part.kind === "Box" ? boxOf(others, names) : null;
    return [{ tag, raw: member ? raw : exact, extra: member ? found.left : [], ...found.part }];
  }
  return coupled.flatMap((factor) => {
    if (factor.type === "Union") return partsOf(factor, axes, tag, true);
    const part = READERS[factor.type]?.(factor, names);
    return part ? [{ tag, raw: member ? raw : factor, extra: member ? others : [], ...part }] : [];
  });
}

// Whether a factor couples latitude and longitude; a box does not.
function isOnMap(factor, names) {
  if (factor.type === "Union") return true;
  return Boolean(factor.axes?.some(names.isLatitude) && factor.axes.some(names.isLongitude));
}

const flat = (shapes) => shapes.flatMap((shape) => (shape.type === "Product" ? flat(shape.shapes) : [shape]));

// A box of ranges; single values are places or lines that are only shown.
function partOfRanges(factors, { isLatitude, isLongitude }) {
  const found = {};
  const left = [];
  for (const factor of factors) {
    const pairs = factor.type === "Box" ? Object.entries(factor.ranges) : factor.axis ? [[factor.axis, factor]] : [];
    const rest = {};
    for (const [axis, value] of pairs) {
      const side = isLatitude(axis) ? "latitude" : isLongitude(axis) ? "longitude" : null;
      if (!side) rest[axis] = value;
      else if (Array.isArray(value)) found[side] = { range: value.map(Number) };
      else if (factor.type === "Span") found[side] = { range: [Number(factor.lower), Number(factor.upper)] };
      else if (factor.type === "Select") found[side] = { values: [factor.values].flat().map(Number) };
    }
    if (factor.type === "Box" && Object.keys(rest).length) left.push({ type: "Box", ranges: rest });
    else if (factor.type !== "Box" && (!pairs.length || factor.axis in rest)) left.push(factor);
  }
  const { latitude, longitude } = found;
  if (!latitude && !longitude) return null;
  const [south, north] = latitude?.range || [-90, 90];
  const [west, east] = longitude?.range || [-180, 180];
  if (!latitude?.values && !longitude?.values) return { left, part: { kind: "Box", points: [[west, south], [east, north]] } };
  if (latitude?.values && longitude?.values) {
    const dots = longitude.values.flatMap((x) => latitude.values.map((y) => [x, y]));
    return { left, part: fixed("Places", { dots }) };
  }
  const lines = latitude?.values
    ? latitude.values.map((y) => [[west, y], [east, y]])
    : longitude.values.map((x) => [[x, south], [x, north]]);
  return { left, part: fixed("Lines", { lines }) };
}

// The two ranges of a box as they were given; null when it has only one of them.
function boxOf(factors, { isLatitude, isLongitude }) {
  const pairs = factors.flatMap((factor) =>
    factor.type === "Box" ? Object.entries(factor.ranges) : factor.type === "Span" ? [[factor.axis, [factor.lower, factor.upper]]] : [],
  );
  const ranges = pairs.filter(([axis]) => isLatitude(axis) || isLongitude(axis));
  return ranges.length === 2 ? { type: "Box", ranges: Object.fromEntries(ranges) } : null;
}

// Something that is shown and can be removed, not edited.
const fixed = (label, { rings = [], lines = [], dots = [], whole = true }) => ({ kind: "Fixed", label, rings, lines, dots, whole });

const isMany = (points) => Array.isArray(points[0]?.[0]);
const sized = (value, axes) => (Array.isArray(value) ? value.map(Number) : new Array(axes.length).fill(Number(value)));

const READERS = {
  Polygon(factor, names) {
    const read = reader(factor, names);
    const outer = isMany(factor.points) ? factor.points : [factor.points];
    return { kind: "Polygon", rings: outer.map(read), holes: (factor.holes || []).map(read) };
  },
  Disk(factor, names) {
    const [centre] = reader(factor, names)([factor.centre]);
    return { kind: "Disk", centre, unit: factor.unit || "degrees", radius: radiusOf(factor, names) };
  },
  Ellipsoid(factor, names) {
    const [centre] = reader(factor, names)([factor.centre]);
    return fixed("Ellipsoid", { rings: [ellipse(centre, radiusOf(factor, names))], whole: factor.axes.length === 2 });
  },
  ConvexPolytope(factor, names) {
    return fixed("Hull", { rings: [hull(reader(factor, names)(factor.points))], whole: factor.axes.length === 2 });
  },
  Point(factor, names) {
    const points = isMany([factor.points]) ? factor.points : [factor.points];
    return fixed(points.length > 1 ? "Points" : "Point", { dots: reader(factor, names)(points) });
  },
  Path(factor, names) {
    const points = reader(factor, names)(factor.points ?? [factor.start, factor.end]);
    const path = { kind: "Path", points, closed: Boolean(factor.closed), brush: brushOf(factor.shape, names) };
    if (factor.axes.length === 2) return path;
    const ring = (place) => brushRing(path.brush, place, 24);
    return fixed("Track", { rings: corridor(points, ring, path.closed, true), lines: [points], whole: false });
  },
  PathSegment: (factor, names) => READERS.Path(factor, names),
  ShapePath(factor, names) {
    const rings = factor.shapes.map((shape) => brushRing(brushOf(shape, names), middleOf(shape, names)));
    const pieces = rings.slice(1).map((ring, i) => hull([...rings[i], ...ring]));
    return fixed("Growing shape", { rings: pieces, whole: factor.axes.length === 2 });
  },
};

function reader(factor, { find }) {
  const [x, y] = find(factor.axes);
  return (ring) => ring.map((vertex) => [Number(vertex[x]), Number(vertex[y])]);
}

function radiusOf(factor, { find }) {
  const radius = sized(factor.radius, factor.axes);
  return factor.unit === "km" ? radius[0] : find(factor.axes).map((at) => radius[at]);
}

// ---- brushes: what a path draws with
// {unit, radius} for a disk, else Python's own document with the offsets of a ring from its middle.
function brushOf(shape, names) {
  if (shape.type === "Disk") return { unit: shape.unit || "degrees", radius: radiusOf(shape, names) };
  const middle = middleOf(shape, names);
  return { raw: shape, offsets: ringOfBrush(shape, names).map(([x, y]) => [x - middle[0], y - middle[1]]) };
}
function ringOfBrush(shape, names) {
  if (shape.type !== "Box") {
    const part = READERS[shape.type]?.(shape, names);
    return part?.rings?.[0] || [[0, 0]];
  }
  const side = (is) => (Object.entries(shape.ranges).find(([axis]) => is(axis))?.[1] || [0, 0]).map(Number);
  const [[west, east], [south, north]] = [side(names.isLongitude), side(names.isLatitude)];
  return rectangle([west, south], [east, north]);
}
function middleOf(shape, names) {
  if (shape.type === "Disk" || shape.type === "Ellipsoid") return reader(shape, names)([shape.centre])[0];
  const [west, south, east, north] = boundsOf([ringOfBrush(shape, names)]);
  return [(west + east) / 2, (south + north) / 2];
}
function brushRing(brush, place, count = 48) {
  if (brush.offsets) return brush.offsets.map(([x, y]) => [place[0] + x, place[1] + y]);
  return brush.unit === "km" ? capRings(place, brush.radius, count)[0] : ellipse(place, brush.radius, count);
}

// ---- to Python
const WRITERS = {
  Polygon(part, [latitude, longitude], place) {
    const write = (ring) => ring.map(place);
    const rings = part.rings.map(write);
    const points = rings.length > 1 ? rings : rings[0];
    return { type: "Polygon", axes: [latitude, longitude], points, holes: part.holes.map(write) };
  },
  Box(part, [latitude, longitude], place) {
    const [[south, west], [north, east]] = corners(part.points).map(place);
    return { type: "Box", ranges: { [latitude]: [south, north], [longitude]: [west, east] } };
  },
  Disk(part, axes, place) {
    return { ...writeDisk(axes, part), centre: place(part.centre) };
  },
  Path(part, axes, place) {
    const shape = part.brush.raw ? renamed(part.brush.raw, axes) : writeDisk(axes, part.brush);
    return { type: "Path", axes: [...axes], shape, points: part.points.map(place), closed: part.closed };
  },
};

function writeDisk(axes, { unit, radius }) {
  const [across, along] = [radius].flat();
  const round_ = unit === "km" || across === along;
  return { type: "Disk", axes: [...axes], centre: [0, 0], radius: round_ ? across : [along, across], unit };
}

const corners = ([a, b]) => [
  [Math.min(a[0], b[0]), Math.min(a[1], b[1])],
  [Math.max(a[0], b[0]), Math.max(a[1], b[1])],
];

// The names of latitude and longitude as the cube has them, wherever a document says them.
function renamed(raw, axes) {
  const { isLatitude, isLongitude } = namesOf(axes);
  const name = (axis) => (isLatitude(axis) ? axes[0] : isLongitude(axis) ? axes[1] : axis);
  const copy = { ...raw };
  if (raw.axes) copy.axes = raw.axes.map(name);
  if (raw.axis) copy.axis = name(raw.axis);
  if (raw.ranges) copy.ranges = Object.fromEntries(Object.entries(raw.ranges).map(([axis, pair]) => [name(axis), pair]));
  if (raw.shape) copy.shape = renamed(raw.shape, axes);
  if (raw.shapes) copy.shapes = raw.shapes.map((shape) => renamed(shape, axes));
  return copy;
}

function toShape(parts, axes) {
  if (!parts.length) return {};
  const shapes = parts.map((part) => {
    if (part.raw) return parts.length > 1 ? renamed(part.raw, axes) : part.raw;
    // Whole turns are taken off, so that a shape drawn after much panning has usual longitudes.
    const turns = 360 * Math.floor((boundsOf([anchorsOf(part)])[0] + 180) / 360);
    const area = WRITERS[part.kind](part, axes, ([x, y]) => [round(y), round(x - turns)]);
    return part.extra?.length ? { type: "Product", shapes: [area, ...part.extra] } : area;
  });
  if (shapes.length === 1) return shapes[0];
  const tags = parts.some((part) => part.tag) ? labelsOf(parts) : [];
  return { type: "Union", shapes, tags };
}

// A name for each part: its own, or what it is, with a number where there are several.
function labelsOf(parts) {
  const taken = new Set();
  return parts.map((part) => {
    const base = part.tag || part.label || part.kind;
    let label = base;
    for (let number = 2; taken.has(label); number += 1) label = `${base} ${number}`;
    taken.add(label);
    return label;
  });
}

// What a shape looks like, whichever way its document is written.
function looksOf(parts) {
  return parts.map(({ raw, extra, brush, ...part }) => [part, brush && { ...brush, raw: null }]);
}
