// The picture: the field, the coastlines and how they are painted.

async function readField(raw) {
  if (!raw || !raw.data) return null;
  const { width, height } = raw;
  const levels =
    raw.encoding === "raw"
      ? Uint8Array.from(atob(raw.data), (letter) => letter.charCodeAt(0))
      : await inflate(raw.data);
  const colors = Uint8Array.from(atob(raw.colors), (letter) => letter.charCodeAt(0));
  const eastward = raw.lon[1] >= raw.lon[0];
  const southward = raw.lat[1] <= raw.lat[0];
  const stepOf = (pair, size) => (size > 1 ? Math.abs(pair[1] - pair[0]) / (size - 1) : 0);
  let stepX = stepOf(raw.lon, width);
  let stepY = stepOf(raw.lat, height);
  stepX = stepX || stepY || 1;
  stepY = stepY || stepX;
  const field = {
    ...raw,
    levels: new Uint8Array(width * height), // north-west cell first
    west: Math.min(...raw.lon),
    north: Math.max(...raw.lat),
    stepX,
    stepY,
    cyclic: stepX * width > 360 - stepX / 2,
    rgb: colors,
  };
  // A cyclic field carries one column more at each end, so that no seam shows.
  const margin = field.cyclic ? 1 : 0;
  const image = new ImageData(width + 2 * margin, height);
  for (let row = 0; row < height; row += 1) {
    const source = (southward ? row : height - 1 - row) * width;
    for (let column = 0; column < width; column += 1) {
      field.levels[row * width + column] = levels[source + (eastward ? column : width - 1 - column)];
    }
    for (let x = 0; x < image.width; x += 1) {
      const level = field.levels[row * width + ((x - margin + width) % width)];
      if (level === 255) continue;
      const at = (row * image.width + x) * 4;
      image.data.set(colors.subarray(level * 3, level * 3 + 3), at);
      image.data[at + 3] = 255;
    }
  }
  field.margin = margin;
  field.image = element("canvas", { width: image.width, height });
  field.image.getContext("2d").putImageData(image, 0, 0);
  field.extent = [
    field.cyclic ? -180 : field.west - stepX / 2,
    Math.max(-90, field.north - stepY * (height - 0.5)),
    field.cyclic ? 180 : field.west + stepX * (width - 0.5),
    Math.min(90, field.north + stepY / 2),
  ];
  return field;
}

function levelAt(field, longitude, latitude) {
  const row = Math.round((field.north - latitude) / field.stepY);
  const offset = longitude - (field.west - field.stepX / 2);
  const column = Math.floor((offset - 360 * Math.floor(offset / 360)) / field.stepX);
  if (row < 0 || row >= field.height || column < 0 || column >= field.width) return 255;
  return field.levels[row * field.width + column];
}

// While the view moves the halo of the coasts is left out: wide lines are what takes longest.
function paint(canvas, view, field, land, colors, moving = false) {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [Math.round(view.width * ratio), Math.round(view.height * ratio)];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.fillStyle = colors.outside;
  pen.fillRect(0, 0, view.width, view.height);
  pen.save();
  pen.beginPath();
  pen.rect(0, view.y(90), view.width, 180 * view.scale);
  pen.clip();
  pen.fillStyle = colors.water;
  pen.fillRect(0, 0, view.width, view.height);
  const across = view.scale * view.squeeze;
  if (land) {
    pen.fillStyle = colors.land;
    pen.fill(trace(land.land, view));
  }
  if (field) {
    pen.imageSmoothingEnabled = field.stepX * across < CRISP_CELL;
    // Better smoothing is several times slower, and shows only where cells are smaller than pixels.
    pen.imageSmoothingQuality = field.stepX * across * ratio < 0.6 ? "medium" : "low";
    const left = field.west - field.stepX * (0.5 + field.margin);
    const top = view.y(field.north + field.stepY / 2);
    for (const turn of view.copies(left, left + field.stepX * field.image.width)) {
      pen.drawImage(
        field.image,
        view.x(left + turn),
        top,
        field.stepX * field.image.width * across,
        field.stepY * field.height * view.scale,
      );
    }
  }
  pen.lineJoin = "round";
  paintGraticule(pen, view, colors);
  const stroke = (path, name, size, dash = []) => {
    pen.setLineDash(dash);
    pen.strokeStyle = colors[name];
    pen.lineWidth = size;
    pen.stroke(path);
  };
  if (land) {
    stroke(trace(land.borders, view), "border", 0.7, [3, 2]);
    for (const line of field && !moving ? land.coasts : []) stroke(trace([line], view), "halo", 2.4);
    stroke(trace(land.coasts, view), "coast", 0.8);
  }
  pen.setLineDash([]);
  pen.restore();
  labelGraticule(pen, view, colors);
}

function graticule(view) {
  const steps = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60];
  const step = steps.find((value) => value * view.scale * view.squeeze >= 80) || 60;
  const [west, south, east, north] = view.bounds();
  const lines = (from, to) => {
    const found = [];
    for (let i = Math.ceil(from / step - 1e-9); i * step <= to + 1e-9; i += 1) found.push(round(i * step, 3));
    return found;
  };
  return { step, longitudes: lines(west, east), latitudes: lines(south, north).filter((value) => Math.abs(value) < 90) };
}

function paintGraticule(pen, view, colors) {
  const { longitudes, latitudes } = graticule(view);
  pen.beginPath();
  for (const longitude of longitudes) {
    pen.moveTo(view.x(longitude), view.y(90));
    pen.lineTo(view.x(longitude), view.y(-90));
  }
  for (const latitude of latitudes) {
    pen.moveTo(0, view.y(latitude));
    pen.lineTo(view.width, view.y(latitude));
  }
  pen.strokeStyle = colors.grid;
  pen.lineWidth = 1;
  pen.stroke();
}

function labelGraticule(pen, view, colors) {
  const { step, longitudes, latitudes } = graticule(view);
  const digits = step >= 1 ? 0 : step >= 0.1 ? 1 : 2;
  pen.font = "10.5px system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";
  pen.strokeStyle = colors.glow;
  pen.fillStyle = colors.label;
  pen.lineWidth = 2.5;
  const write = (text, x, y) => {
    pen.strokeText(text, x, y);
    pen.fillText(text, x, y);
  };
  pen.textAlign = "center";
  for (const longitude of longitudes) {
    const x = view.x(longitude);
    if (x > 60 && x < view.width - 50) write(longitudeText(longitude, digits), x, view.height - 7);
  }
  pen.textAlign = "right";
  for (const latitude of latitudes) {
    const y = view.y(latitude);
    if (y > 48 && y < view.height - 24) write(latitudeText(latitude, digits), view.width - 7, y + 3.5);
  }
}
