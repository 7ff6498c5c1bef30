// What part of the world is on the screen: places to pixels and back.

class View {
  constructor() {
    Object.assign(this, { lon: 0, lat: 0, scale: 2, squeeze: 1, width: 1, height: 1 });
  }
  x(longitude) {
    return this.width / 2 + (longitude - this.lon) * this.scale * this.squeeze;
  }
  y(latitude) {
    return this.height / 2 - (latitude - this.lat) * this.scale;
  }
  place(x, y) {
    return [
      this.lon + (x - this.width / 2) / (this.scale * this.squeeze),
      clamp(this.lat - (y - this.height / 2) / this.scale, -90, 90),
    ];
  }
  smallest() {
    return Math.min(this.width / (360 * this.squeeze), this.height / 180);
  }
  settle() {
    this.scale = clamp(this.scale, this.smallest(), 4000);
    const reach = Math.max(0, 90 - this.height / 2 / this.scale);
    this.lat = clamp(this.lat, -reach, reach);
    return this;
  }
  fit([west, south, east, north], margin = null) {
    const whole = north - south > 100 || east - west > 200;
    // Away from the equator a degree of longitude is shorter: regions keep their shape.
    this.squeeze = whole ? 1 : Math.max(0.25, Math.cos(((north + south) / 2) * (Math.PI / 180)));
    const room = 1 - 2 * (margin ?? (whole ? 0 : 0.06));
    this.lon = (west + east) / 2;
    this.lat = (south + north) / 2;
    this.scale = Math.min(
      (this.width * room) / (Math.max(east - west, 0.05) * this.squeeze),
      (this.height * room) / Math.max(north - south, 0.05),
    );
    return this.settle();
  }
  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const before = this.place(x, y);
    this.scale *= factor;
    this.settle();
    const after = this.place(x, y);
    this.lon += before[0] - after[0];
    this.lat += before[1] - after[1];
    return this.settle();
  }
  bounds() {
    const [west, north] = this.place(0, 0);
    const [east, south] = this.place(this.width, this.height);
    return [west, south, east, north].map((value) => round(value));
  }
  // Whole turns that bring a longitude next to the middle of the view.
  turns(longitude) {
    return 360 * Math.round((this.lon - longitude) / 360);
  }
  copies(west, east) {
    const [left] = this.place(0, 0);
    const [right] = this.place(this.width, 0);
    const found = [];
    for (let k = Math.ceil((left - east) / 360); k <= Math.floor((right - west) / 360); k += 1) found.push(360 * k);
    return found;
  }
}
