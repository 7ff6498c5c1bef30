// Rings on the sphere and in the plane of longitude and latitude; places are [longitude, latitude].

const RADIAN = Math.PI / 180;

function distance([west, south], [east, north]) {
  const a = Math.sin(((north - south) * RADIAN) / 2) ** 2;
  const b = Math.cos(south * RADIAN) * Math.cos(north * RADIAN) * Math.sin(((east - west) * RADIAN) / 2) ** 2;
  return 2 * EARTH_RADIUS * Math.asin(Math.min(1, Math.sqrt(a + b)));
}

// Where one comes from a place after some kilometres; longitudes count on from where they were.
function onwards([longitude, latitude], bearing, length) {
  const [angle, reach, lat] = [bearing * RADIAN, length / EARTH_RADIUS, latitude * RADIAN];
  const sine = Math.sin(lat) * Math.cos(reach) + Math.cos(lat) * Math.sin(reach) * Math.cos(angle);
  const turn = Math.atan2(Math.sin(angle) * Math.sin(reach) * Math.cos(lat), Math.cos(reach) - Math.sin(lat) * sine);
  return [longitude + turn / RADIAN, Math.asin(clamp(sine, -1, 1)) / RADIAN];
}

const rectangle = ([west, south], [east, north]) => [[west, south], [east, south], [east, north], [west, north]];

function ellipse([longitude, latitude], [across, along], count = 72) {
  return Array.from({ length: count }, (_, i) => {
    const angle = (i / count) * 2 * Math.PI;
    return [longitude + across * Math.cos(angle), clamp(latitude + along * Math.sin(angle), -90, 90)];
  });
}

// The rings (even-odd) of all that is within some kilometres; a pole in it makes them a cap.
function capRings([longitude, northing], length, count = 96) {
  const around = (x) => rectangle([x - 180, -90], [x + 180, 90]);
  if (length >= Math.PI * EARTH_RADIUS) return [around(longitude)];
  const latitude = clamp(northing, -89.9999, 89.9999); // at the pole itself there are no bearings
  const poles = [latitude + length / DEGREE > 90, latitude - length / DEGREE < -90];
  const ring = [];
  for (let i = 0; i <= count; i += 1) {
    const [x, y] = onwards([longitude, latitude], (360 * i) / count, length);
    const last = ring.length ? ring[ring.length - 1][0] : x;
    ring.push([x - 360 * Math.round((x - last) / 360), y]);
  }
  // With both poles in it, it is all but a hole on the other side.
  if (poles[0] && poles[1]) return [around(ring[0][0]), ring];
  if (!poles[0] && !poles[1]) return [ring];
  const edge = poles[0] ? 90 : -90;
  return [[...ring, [ring[count][0], edge], [ring[0][0], edge]]];
}

// The lines of rings that go around the world, without the edges that only close them at a pole;
// null for rings that need no such care.
function edgesOf(rings) {
  const [west, south, east, north] = boundsOf(rings);
  if (east - west < 359.9 || (south > -89.9 && north < 89.9)) return null;
  const lines = [];
  for (const ring of rings) {
    let line = [];
    for (const place of [...ring, ring[0]]) {
      if (Math.abs(place[1]) < 89.9) line.push(place);
      else {
        if (line.length > 1) lines.push(line);
        line = [];
      }
    }
    if (line.length > 1) lines.push(line);
  }
  return lines;
}

// The convex hull, anticlockwise.
function hull(points) {
  const sorted = [...points].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const turn = (o, a, b) => (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0]);
  const half = (order) => {
    const chain = [];
    for (const point of order) {
      while (chain.length > 1 && turn(chain[chain.length - 2], chain[chain.length - 1], point) <= 0) chain.pop();
      chain.push(point);
    }
    return chain.slice(0, -1);
  };
  return [...half(sorted), ...half(sorted.reverse())];
}

function boundsOf(rings) {
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  for (const ring of rings) {
    for (const [x, y] of ring) {
      box[0] = Math.min(box[0], x);
      box[1] = Math.min(box[1], y);
      box[2] = Math.max(box[2], x);
      box[3] = Math.max(box[3], y);
    }
  }
  return box;
}

function inRings(rings, x, y) {
  let inside = false;
  for (const ring of rings) {
    for (let i = 0, j = ring.length - 1; i < ring.length; j = i, i += 1) {
      const [[ax, ay], [bx, by]] = [ring[i], ring[j]];
      if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
    }
  }
  return inside;
}

// What a brush covers when it is drawn along a line: pieces to be painted together (nonzero).
// `ringAt(place)` is the brush's ring there; between corners it is put down often enough.
function corridor(points, ringAt, closed, coarse) {
  const line = closed && points.length > 2 ? [...points, points[0]] : points;
  const pieces = line.length === 1 ? [hull(ringAt(line[0]))] : [];
  for (let i = 1; i < line.length; i += 1) {
    const [[ax, ay], [bx, by]] = [line[i - 1], line[i]];
    const steps = coarse ? 1 : clamp(Math.ceil(Math.hypot(bx - ax, by - ay) / 3), 1, 60);
    const at = (share) => ringAt([ax + (bx - ax) * share, ay + (by - ay) * share]);
    for (let step = 0; step < steps; step += 1) {
      pieces.push(hull([...at(step / steps), ...at((step + 1) / steps)]));
    }
  }
  return pieces;
}
