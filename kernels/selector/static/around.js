// Around the map: the legend and the plan's figures.

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
    if (plan.result_bytes) node.append(figure(bytesText(plan.result_bytes), "in the result"));
    if (plan.chunks) node.append(count(plan.chunks, "chunk", "chunks"), figure(bytesText(plan.bytes), "to read"));
    if (plan.beyond?.length) node.append(element("span", { class: "bh-beyond" }, `reaches beyond the cube on ${plan.beyond.join(" and ")}`));
    const saved = plan.box_bytes ? Math.floor(100 * (1 - (plan.result_bytes ?? plan.bytes) / plan.box_bytes)) : 0;
    if (saved > 0 && plan.points) node.append(element("span", { class: "bh-saved" }, `${saved} % less than its bounding box`));
  }
  if (message) node.append(element("span", { class: "bh-message" }, message));
  node.hidden = !node.childNodes.length;
}
