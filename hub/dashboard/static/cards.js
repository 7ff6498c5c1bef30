// Lists of things: arrivals, runs, results, the catalog, notices.  One row is one plain
// object (see ../cards.py); all text goes through textContent, so nothing in it is markup.

function lasting(from, to) {
  const seconds = ((to ? Date.parse(to) : Date.now()) - Date.parse(from)) / 1000;
  if (!Number.isFinite(seconds) || seconds < 0) return "";
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < MINUTE) return `${Math.round(seconds)} s`;
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min ${Math.round(seconds % MINUTE)} s`;
  return `${Math.floor(seconds / HOUR)} h ${Math.floor((seconds % HOUR) / MINUTE)} min`;
}

function tick(root) {
  for (const node of root.querySelectorAll("time[data-at]")) node.textContent = ago(node.dataset.at);
  for (const node of root.querySelectorAll("[data-from]")) {
    node.textContent = lasting(node.dataset.from, node.dataset.to);
  }
}

function sparkline(values) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 100 40");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const known = values.filter((value) => value !== null);
  const low = Math.min(...known), high = Math.max(...known);
  let begin = true, path = "";
  values.forEach((value, index) => {
    if (value === null) { begin = true; return; }
    const x = (100 * index) / Math.max(values.length - 1, 1);
    const y = high > low ? 37 - (34 * (value - low)) / (high - low) : 20;
    path += `${begin ? "M" : "L"}${x.toFixed(2)} ${y.toFixed(2)}`;
    begin = false;
  });
  const line = document.createElementNS(space, "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Plain http under a host name has no clipboard; the old way still works there.
    const area = make("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  const said = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = said; }, 1500);
}

function ask(model, key) {
  // Counted, so that a second click on the same thing is a change too.
  model.set("asked", [key, (model.get("asked")[1] || 0) + 1]);
  model.save_changes();
}

function picture(row) {
  if (!row.image && !row.line) return [];
  const frame = make("div", "picture");
  if (row.image) {
    const image = make("img");
    image.src = row.image;
    image.alt = row.picture || "";
    frame.append(image);
  } else {
    frame.append(sparkline(row.line));
  }
  if (row.caption) frame.append(make("span", "caption", row.caption));
  return [frame];
}

function heading(row, model) {
  const line = make("div", "head");
  if (row.mark) line.append(make("span", `mark ${row.mark}`));
  if (row.action) {
    const button = make("button", "title", row.title);
    button.type = "button";
    button.dataset.part = "title";
    if (row.selected) button.setAttribute("aria-current", "true");
    button.addEventListener("click", () => ask(model, row.key));
    line.append(button);
  } else {
    const title = make("span", "title", row.title);
    if (model.get("layout") === "heading") {
      title.setAttribute("role", "heading");
      title.setAttribute("aria-level", "2");
    }
    line.append(title);
  }
  if (row.badge) line.append(make("span", `badge ${row.tone || ""}`, row.badge));
  return line;
}

function details(row) {
  const line = make("div", "sub");
  for (const text of row.details || []) line.append(make("span", "", text));
  if (row.started) {
    const span = make("span", "lasting");
    span.dataset.from = row.started;
    if (row.finished) span.dataset.to = row.finished;
    line.append(span);
  }
  if (row.time) {
    const moment = make("time");
    moment.dataset.at = row.time;
    moment.dateTime = row.time;
    moment.title = row.time;
    line.append(moment);
  }
  return line.childNodes.length ? [line] : [];
}

function progress(row) {
  if (!row.total) return [];
  const done = row.done || 0;
  const line = make("div", "progress");
  const bar = make("div", `bar ${row.tone || ""}`);
  bar.setAttribute("role", "progressbar");
  bar.setAttribute("aria-label", `${row.title}: cells`);
  bar.setAttribute("aria-valuemin", 0);
  bar.setAttribute("aria-valuemax", row.total);
  bar.setAttribute("aria-valuenow", done);
  const fill = make("i");
  fill.style.width = `${(100 * done) / row.total}%`;
  bar.append(fill);
  line.append(bar, make("span", "cells", `${done}/${row.total} cells`));
  return [line];
}

function links(row, model) {
  const line = make("div", "links");
  for (const { text, href, key } of row.links || []) {
    if (href) {
      const link = make("a", "", text);
      link.href = href;
      link.target = "_blank";
      link.rel = "noopener";
      line.append(link);
    } else {
      const button = make("button", "link", text);
      button.type = "button";
      button.addEventListener("click", () => ask(model, key));
      line.append(button);
    }
  }
  if (row.code) {
    const button = make("button", "link copy", "Copy code");
    button.type = "button";
    button.title = row.code;
    button.addEventListener("click", () => copy(row.code, button));
    line.append(button);
  }
  return line.childNodes.length ? [line] : [];
}

function fill(item, row, model) {
  const hadFocus = item.contains(item.getRootNode().activeElement);
  item.className = ["row", row.tone || "", row.selected ? "selected" : ""].join(" ").trim();
  item.replaceChildren(
    ...picture(row),
    heading(row, model),
    ...details(row),
    ...progress(row),
    ...(row.text ? [make("p", "text", row.text)] : []),
    ...links(row, model),
  );
  if (hadFocus) item.querySelector("[data-part]")?.focus();
}

function render({ model, el }) {
  const box = make("div", `cards ${model.get("layout")}`);
  const list = make("ul");
  if (model.get("label")) list.setAttribute("aria-label", model.get("label"));
  const empty = make("p", "empty");
  const wait = make("p", "wait", "Loading");
  box.append(list, empty, wait);
  const items = new Map(); // key -> {item, text}
  let first = true;

  function draw() {
    const rows = model.get("rows"), loaded = model.get("loaded");
    const wanted = new Set(rows.map((row) => row.key));
    for (const [key, { item }] of items) {
      if (!wanted.has(key)) {
        item.remove();
        items.delete(key);
      }
    }
    for (const node of list.querySelectorAll("li.group")) node.remove();
    let group = "", before = list.firstChild;
    for (const row of rows) {
      if (row.group && row.group !== group) {
        group = row.group;
        list.insertBefore(make("li", "group", group), before);
      }
      const text = JSON.stringify(row);
      let known = items.get(row.key);
      if (!known) {
        known = { item: make("li"), text: "" };
        items.set(row.key, known);
        if (!first && row.live) {
          known.item.style.animation = "arrive 2.4s ease-out";
          known.item.addEventListener("animationend", () => { known.item.style.animation = ""; });
        }
      }
      if (known.text !== text) {
        fill(known.item, row, model);
        known.text = text;
      }
      if (known.item === before) before = before.nextSibling;
      else list.insertBefore(known.item, before);
    }
    if (loaded) first = false;
    empty.textContent = model.get("empty");
    empty.hidden = !loaded || rows.length > 0 || !model.get("empty");
    wait.hidden = loaded;
    tick(box);
  }

  for (const name of ["rows", "loaded", "empty"]) model.on(`change:${name}`, draw);
  draw();
  el.append(box);
  const timer = setInterval(() => tick(box), 1000);
  return () => clearInterval(timer);
}

export default { render };
