// Countries: which one lies under the pointer, and the list in which one types a name.

const MOST_MATCHES = 8;

const plain = (text) => text.normalize("NFD").replace(/[\u0300-\u036f]/g, "").toLowerCase().replace(/[^a-z0-9]+/g, " ").trim();

// Returns [{name, words, rings, holes, extent}].  `ringOf(arcs)` is a ring that stays whole at the
// date line; the further islands of a country are brought next to its largest part.
function readCountries(geometries, ringOf) {
  return geometries.map(({ type, arcs, name, also }) => {
    const polygons = (type === "Polygon" ? [arcs] : arcs)
      .map((rings) => rings.map((ring) => distinct(ringOf(ring))).filter(isArea))
      .filter((rings) => rings.length);
    const wide = (ring) => {
      const [west, south, east, north] = boundsOf([ring]);
      return (east - west) * (north - south);
    };
    const main = polygons.reduce((a, b) => (wide(a[0]) >= wide(b[0]) ? a : b));
    const [west, , east] = boundsOf([main[0]]);
    const rings = [];
    const holes = [];
    for (const polygon of polygons) {
      const [left, , right] = boundsOf([polygon[0]]);
      const turns = 360 * Math.round((west + east - left - right) / 720);
      const place = ([x, y]) => [round(x + turns), round(y)];
      polygon.forEach((ring, i) => (i ? holes : rings).push(ring.map(place)));
    }
    return { name, words: plain(`${name} ${also || ""}`), rings, holes, extent: boundsOf(rings) };
  });
}

// A ring of a topology ends where it begins; of ours no corner is there twice.
const distinct = (ring) => {
  const places = ring.map(([x, y]) => [round(x), round(y)]);
  return places.filter((place, i) => !same(place, places[i ? i - 1 : places.length - 1]));
};

// Some rings are but a line, or the edge of the data next to the pole.
const isArea = (ring) => ring.length > 2 && boundsOf([ring])[3] > -89.9;

function countryAt(countries, longitude, latitude) {
  return countries.find(({ extent, rings, holes }) => {
    const [west, south, east, north] = extent;
    if (latitude < south || latitude > north) return false;
    const x = longitude + 360 * Math.ceil((west - longitude) / 360);
    return x <= east && inRings([...rings, ...holes], x, latitude);
  });
}

// Those whose name begins with the text come first, then those with a word that does.
function countriesLike(countries, text) {
  const wanted = plain(text);
  if (!wanted) return [];
  const close = (words) => words.replaceAll(" ", "");
  const rank = ({ words, name }) => {
    if (close(plain(name)).startsWith(close(wanted))) return 0;
    if (` ${words}`.includes(` ${wanted}`)) return 1;
    return wanted.length > 2 && words.includes(wanted) ? 2 : 3;
  };
  return countries
    .map((country) => [rank(country), country])
    .filter(([place]) => place < 3)
    .sort((a, b) => a[0] - b[0] || a[1].name.localeCompare(b[1].name))
    .slice(0, MOST_MATCHES)
    .map(([, country]) => country);
}

const partOfCountry = ({ name, rings, holes }) => ({ ...newPolygon(rings, holes), tag: name });

// A text field with the list of what is meant; arrows and Enter choose from it.
// `host` has: countries(), isPicked(name), toggle(country), leave().
function makeCountryList(host, id) {
  let matches = [];
  let at = 0;
  const list = element("ul", { class: "bh-options", role: "listbox", id, "aria-label": "Countries", hidden: "" });
  const input = element("input", {
    type: "text", class: "bh-search", placeholder: "Country", autocomplete: "off", spellcheck: "false", role: "combobox",
    "aria-label": "Name of a country", "aria-autocomplete": "list", "aria-controls": id, "aria-expanded": "false",
  });
  const refresh = () => {
    list.replaceChildren(
      ...matches.map((country, i) => {
        const picked = host.isPicked(country.name);
        const option = element(
          "li",
          { role: "option", id: `${id}-${i}`, "aria-selected": String(i === at), class: picked ? "bh-picked" : "" },
          element("span", {}, country.name),
        );
        option.addEventListener("pointerdown", (event) => {
          event.preventDefault();
          take(country);
        });
        return option;
      }),
    );
    if (input.value && !matches.length) list.append(element("li", { class: "bh-nothing" }, "No country of that name"));
    list.hidden = !list.childNodes.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
    if (matches.length) input.setAttribute("aria-activedescendant", `${id}-${at}`);
    else input.removeAttribute("aria-activedescendant");
  };
  const look = () => {
    matches = countriesLike(host.countries(), input.value);
    at = 0;
    refresh();
  };
  const take = (country) => {
    host.toggle(country);
    input.value = "";
    look();
  };
  input.addEventListener("input", look);
  input.addEventListener("focus", look);
  input.addEventListener("blur", () => {
    matches = [];
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
  });
  input.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && matches.length) at = (at + step + matches.length) % matches.length;
    else if (event.key === "Enter" && matches.length) return finish(event, () => take(matches[at]));
    else if (event.key === "Escape") return finish(event, () => (input.value ? ((input.value = ""), look()) : host.leave()));
    else return undefined;
    return finish(event, refresh);
  });
  const finish = (event, action) => {
    event.preventDefault();
    event.stopPropagation();
    action();
  };
  return { node: element("div", { class: "bh-combo" }, input, list), input };
}
