// Picks countries on the map: under the pointer, and by their name.

const PATIENCE = 3000; // milliseconds to wait for finer borders

// `map` has: lands, landOf(detail, patience), drawing, view, setMode(mode), isInView(parts), showParts(parts).
class Picker {
  constructor(map) {
    this.map = map;
    this.hovered = null; // the part that it would be
  }
  countries() {
    const { lands } = this.map;
    return (lands[50] || lands[110])?.countries() || [];
  }
  // What the list of names asks of the map.
  host() {
    return {
      countries: () => this.countries(),
      isPicked: (name) => this.indexOf(name) >= 0,
      toggle: (country) => this.toggle(country, true),
      leave: () => this.map.setMode("pan"),
    };
  }
  indexOf(name) {
    return this.map.drawing.parts.findIndex((part) => part.tag === name && part.kind === "Polygon");
  }
  // Borders are taken as fine as there are, even when a hand is quicker than these come.
  async toggle(country, byName) {
    const index = this.indexOf(country.name);
    if (index >= 0) {
      this.map.drawing.remove(index);
      return;
    }
    await this.map.landOf(50, PATIENCE);
    const part = partOfCountry(this.countries().find(({ name }) => name === country.name) || country);
    this.map.drawing.append(part);
    if (byName && !this.map.isInView([part])) this.map.showParts([part]);
  }
  pickAt(x, y) {
    const country = countryAt(this.countries(), ...this.map.view.place(x, y));
    if (country) this.toggle(country, false);
  }
  point(longitude, latitude) {
    const country = countryAt(this.countries(), longitude, latitude);
    this.hover(country);
    return country;
  }
  hover(country) {
    if (country?.name === this.hovered?.tag) return;
    this.hovered = country ? partOfCountry(country) : null;
    this.map.drawing.painter.hover(this.hovered);
  }
  refresh() {
    if (this.hovered) this.map.drawing.painter.hover(this.hovered);
  }
}
