// Around the map: the legend, a slider for each further axis, and the plan's figures.

function drawLegend(node, field) {
  node.replaceChildren();
  node.hidden = !field;
  if (!field) return;
  const { vmin, vmax, rgb, label, units, caption } = field;
  const stops = [];
  for (let i = 0; i <= 254; i += 6.35) stops.push(`rgb(${[...rgb.subarray(Math.round(i) * 3, Math.round(i) * 3 + 3)]})`);
  const bar = element("div", { class: "bh-bar" });
  bar.style.background = `linear-gradient(to right, ${stops})`;
  const ticks = element("div", { class: "bh-ticks" });
  const step = vmax > vmin ? niceStep(vmax - vmin, 6) : 1;
  for (let i = Math.ceil(vmin / step - 1e-9); i * step <= vmax + step * 1e-9; i += 1) {
    const share = vmax > vmin ? ((i * step - vmin) / (vmax - vmin)) * 100 : 50;
    const tick = element("span", {}, number(round(i * step, 10), step));
    tick.style.left = `${round(share, 2)}%`;
    ticks.append(tick);
  }
  const title = element("div", { class: "bh-title" }, element("b", {}, label || "Field"));
  if (units) title.append(element("span", { class: "bh-units" }, ` ${units === "1" ? "" : units}`));
  if (caption) title.append(element("span", { class: "bh-caption" }, caption));
  const described = `${label}: ${number(vmin)} to ${number(vmax)} ${units}`;
  node.append(title, element("div", { class: "bh-scale", role: "img", "aria-label": described }, bar, ticks));
}

// One row an axis: two handles on one track, or one handle for a single value.
function makeSlider(axis, start, write) {
  const size = axis.size || axis.values.length;
  const name = axis.label || axis.name;
  const units = axis.units ? ` ${axis.units}` : "";
  const text = (index, side) => axis.values[index] ?? axis.shown?.[side] ?? `no. ${index + 1}`;
  const handle = (side) =>
    element("input", {
      type: "range", min: 0, max: size - 1, step: 1, value: start[side], class: side ? "bh-high" : "bh-low", "data-axis": axis.name,
    });
  const [low, high] = [handle(0), handle(1)];
  const filled = element("div", { class: "bh-filled" });
  const said = element("output", { class: "bh-range-text" });
  const single = element("button", { type: "button", class: "bh-single" });
  const range = () => [Number(low.value), Number(high.value)];
  let one = start[0] === start[1];
  let dragged = false;
  const refresh = () => {
    const [a, b] = range();
    filled.style.left = `${(100 * a) / (size - 1)}%`;
    filled.style.right = `${100 - (100 * b) / (size - 1)}%`;
    row.classList.toggle("bh-one", one);
    high.hidden = one;
    // When both handles meet at the far end the lower one must stay within reach.
    low.style.zIndex = a > (size - 1) / 2 ? 3 : 2;
    const whole = a === 0 && b === size - 1;
    const count = a === b ? "" : whole ? `all ${size}` : `${b - a + 1} of ${size}`;
    const words = axis.chosen || (a === b ? text(a, 0) : `${text(a, 0)} – ${text(b, 1)}`) + units;
    said.replaceChildren(words, ...(count ? [element("small", {}, axis.chosen ? "" : count)] : []));
    said.title = said.textContent;
    low.setAttribute("aria-label", one ? name : `${name}: first`);
    high.setAttribute("aria-label", `${name}: last`);
    low.setAttribute("aria-valuetext", text(a, 0) + units);
    high.setAttribute("aria-valuetext", text(b, 1) + units);
    single.textContent = one ? "One" : "Range";
    single.title = one ? `${name}: choose a range` : `${name}: choose a single value`;
    single.setAttribute("aria-label", single.title);
    single.setAttribute("aria-pressed", String(one));
  };
  const later = debounced(140, () => write(axis.name, range()));
  for (const [input, other, limit] of [[low, high, Math.min], [high, low, Math.max]]) {
    input.addEventListener("input", () => {
      if (one) high.value = low.value;
      else input.value = limit(Number(input.value), Number(other.value));
      dragged = true;
      refresh();
      later();
    });
    input.addEventListener("change", () => {
      dragged = false;
      later.now();
    });
  }
  single.addEventListener("click", () => {
    one = !one;
    if (one) high.value = low.value;
    else [low.value, high.value] = [0, size - 1];
    refresh();
    write(axis.name, range());
  });
  const row = element(
    "div", { class: "bh-row", role: "group", "aria-label": name },
    element("span", { class: "bh-axis", title: name }, name),
    element("div", { class: "bh-track" }, element("div", { class: "bh-rail" }), filled, low, high),
    said, single,
  );
  refresh();
  const set = ([a, b], news) => {
    Object.assign(axis, news);
    if (dragged) return; // what comes back is older than what the hand does
    if (a !== b) one = false;
    else if (a !== Number(low.value) || b !== Number(high.value)) one = true;
    [low.value, high.value] = [a, b];
    refresh();
  };
  return { row, set };
}

// `wait` is 0, or 1 when an answer takes long, or 2 when it takes very long.
function drawFigures(node, plan, message, wait) {
  node.replaceChildren();
  node.setAttribute("aria-busy", String(wait > 0));
  if (wait) {
    const words = wait > 1 ? "Python is busy; the figures come when it answers" : "Counting";
    node.append(element("span", { class: "bh-waiting", role: "status" }, element("span", { class: "bh-spinner" }), words));
  } else if (plan?.error) node.append(element("span", { class: "bh-error", role: "alert" }, plan.error));
  else if (plan && plan.points !== undefined) {
    const figure = (value, what) => element("span", { class: "bh-figure" }, element("b", {}, value), ` ${what}`);
    const count = (value, one, many) => figure(value.toLocaleString("en"), value === 1 ? one : many);
    node.append(count(plan.points, "point", "points"));
    if (!plan.points) node.append(element("span", { class: "bh-beyond" }, "between the points of the grid"));
    if (plan.result_bytes) node.append(figure(bytesText(plan.result_bytes), "in the result"));
    if (plan.chunks) node.append(count(plan.chunks, "chunk", "chunks"), figure(bytesText(plan.bytes), "to read"));
    if (plan.beyond?.length) node.append(element("span", { class: "bh-beyond" }, `reaches beyond the cube on ${plan.beyond.join(" and ")}`));
    const saved = plan.box_bytes ? Math.round(100 * (1 - (plan.result_bytes ?? plan.bytes) / plan.box_bytes)) : 0;
    if (saved > 0 && plan.points) node.append(element("span", { class: "bh-saved" }, `${saved} % less than its bounding box`));
  }
  if (message) node.append(element("span", { class: "bh-message" }, message));
  node.hidden = !node.childNodes.length;
}
