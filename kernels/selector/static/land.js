// The coastlines and borders: read once, and traced for each picture with only what can be seen.

const VISIBLE = 0.7; // pixels; of points closer together only one is drawn

// A line is {points: [x0, y0, x1, y1, ...] in degrees, west, south, east, north, closed}.
function newLine(pairs, closed = false) {
  const line = { points: new Float32Array(pairs.flat()), closed, west: Infinity, south: Infinity, east: -Infinity, north: -Infinity };
  for (const [x, y] of pairs) {
    line.west = Math.min(line.west, x);
    line.east = Math.max(line.east, x);
    line.south = Math.min(line.south, y);
    line.north = Math.max(line.north, y);
  }
  return line;
}

// Returns {detail, land, coasts, borders, countries()}: lines of each.
async function readLand(text) {
  if (!text) return null;
  const topology = JSON.parse(new TextDecoder().decode(await inflate(text)));
  const { scale, translate } = topology.transform;
  const arcs = topology.arcs.map((arc) => {
    let x = 0;
    let y = 0;
    return arc.map(([dx, dy]) => {
      x += dx;
      y += dy;
      return [x * scale[0] + translate[0], y * scale[1] + translate[1]];
    });
  });
  const uses = new Array(arcs.length).fill(0);
  const eachRing = (geometries, visit) => {
    for (const { type, arcs: parts } of geometries) {
      for (const polygon of type === "Polygon" ? [parts] : parts) polygon.forEach(visit);
    }
  };
  eachRing(topology.objects.countries.geometries, (ring) => {
    for (const arc of ring) uses[arc < 0 ? ~arc : arc] += 1;
  });
  // A ring that crosses the date line goes on beyond it; one around the pole closes over the pole.
  const ringOf = (ring) => {
    let turns = 0;
    const pairs = [];
    for (const arc of ring) {
      const points = arc < 0 ? [...arcs[~arc]].reverse() : arcs[arc];
      for (const [x, y] of pairs.length ? points.slice(1) : points) {
        const last = pairs.length ? pairs[pairs.length - 1][0] : x;
        if (Math.abs(x + turns - last) > 180) turns += x + turns > last ? -360 : 360;
        pairs.push([x + turns, y]);
      }
    }
    if (turns) pairs.push([pairs[pairs.length - 1][0], -90], [pairs[0][0], -90], pairs[0]);
    return pairs;
  };
  const land = [];
  eachRing(topology.objects.land.geometries, (ring) => land.push(newLine(ringOf(ring), true)));
  const coasts = [];
  const borders = [];
  // Jumps over the date line and the edge at the pole are no coasts.
  const cut = (a, b) =>
    Math.abs(a[0] - b[0]) > 180 || (Math.abs(a[0]) > 179.99 && Math.abs(b[0]) > 179.99) || (a[1] < -89.9 && b[1] < -89.9);
  arcs.forEach((points, index) => {
    let from = 0;
    for (let i = 1; i <= points.length; i += 1) {
      if (i < points.length && !cut(points[i - 1], points[i])) continue;
      if (i - from > 1) (uses[index] > 1 ? borders : coasts).push(newLine(points.slice(from, i)));
      from = i;
    }
  });
  let countries = null; // read when they are first asked for
  return {
    detail: topology.detail, land, coasts, borders,
    countries: () => (countries ??= readCountries(topology.objects.countries.geometries, ringOf)),
  };
}

// The path of what can be seen of some lines.
function trace(lines, view) {
  const path = new Path2D();
  const [west, south, east, north] = view.bounds();
  const across = view.scale * view.squeeze;
  const outside = (x, y) => (x < -4 ? 1 : x > view.width + 4 ? 2 : 0) | (y < -4 ? 4 : y > view.height + 4 ? 8 : 0);
  for (const line of lines) {
    if (line.north < south || line.south > north) continue;
    const { points } = line;
    for (const turn of view.copies(line.west, line.east)) {
      if (line.east + turn < west || line.west + turn > east) continue;
      const left = view.x(turn);
      const top = view.y(0);
      let [lastX, lastY, lastSide] = [NaN, NaN, 0];
      for (let i = 0; i < points.length; i += 2) {
        const x = left + points[i] * across;
        const y = top - points[i + 1] * view.scale;
        const side = outside(x, y);
        if (i === 0) path.moveTo(x, y);
        else if (i + 2 < points.length) {
          if (Math.abs(x - lastX) + Math.abs(y - lastY) < VISIBLE) continue;
          // Between neighbours that lie beyond the same edge a point shows nothing.
          if (side & lastSide && side & outside(left + points[i + 2] * across, top - points[i + 3] * view.scale) & lastSide) continue;
          path.lineTo(x, y);
        } else path.lineTo(x, y);
        [lastX, lastY, lastSide] = [x, y, side];
      }
      if (line.closed) path.closePath();
    }
  }
  return path;
}
