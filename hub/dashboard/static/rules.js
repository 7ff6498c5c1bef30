// The visitor's rules: a switch each, what they did, and a drawer with their deliveries.  One
// rule and one delivery are plain objects (see ../rules_card.py); all text goes through
// textContent, so nothing in it is markup.

function moment(text) {
  const node = make("time");
  node.dataset.at = text;
  node.dateTime = text;
  node.title = text;
  node.textContent = ago(text);
  return node;
}

function ask(model, action, key) {
  // Counted, so that a second click on the same thing is a change too.
  model.set("asked", [action, key, (model.get("asked")[2] || 0) + 1]);
  model.save_changes();
}

function toggle(rule, model) {
  const button = make("button", "switch");
  button.type = "button";
  button.dataset.part = "switch";
  button.setAttribute("role", "switch");
  button.setAttribute("aria-checked", String(!rule.paused));
  button.setAttribute("aria-label", `${rule.name} is on`);
  button.title = rule.paused ? "Paused: let it go on" : "On: pause it";
  button.disabled = Boolean(rule.busy);
  button.append(make("i"));
  button.addEventListener("click", () => ask(model, rule.paused ? "resume" : "pause", rule.key));
  return button;
}

function counts(rule) {
  const line = make("div", "counts");
  const several = (count) => `${count}${rule.more ? "+" : ""}`;
  line.append(make("span", "", `${several(rule.done || 0)} done`));
  if (rule.waiting) line.append(make("span", "busy", `${several(rule.waiting)} waiting`));
  if (rule.dead) {
    line.append(make("span", "bad", `${several(rule.dead)} dead letter${rule.dead > 1 ? "s" : ""}`));
  }
  return line;
}

function last(rule) {
  const line = make("div", "last");
  if (!rule.time) {
    line.append(make("span", "", "not yet set off"));
    return line;
  }
  line.append(make("span", `word ${rule.tone || ""}`, rule.state), moment(rule.time));
  return line;
}

function fill(item, rule, model) {
  const part = item.getRootNode().activeElement?.dataset?.part;
  const hadFocus = part && item.contains(item.getRootNode().activeElement);
  item.className = `rule${rule.paused ? " paused" : ""}`;
  const opened = model.get("open") === rule.key;
  const what = make("div", "what");
  what.append(make("div", "name", rule.name));
  const says = make("div", "says");
  says.append(make("span", "when", rule.when), make("span", "then", rule.then));
  what.append(says);
  const history = make("button", "link", opened ? "Close" : "History");
  history.type = "button";
  history.dataset.part = "history";
  history.setAttribute("aria-expanded", String(opened));
  history.setAttribute("aria-label", `History of ${rule.name}`);
  history.addEventListener("click", () => ask(model, opened ? "close" : "history", rule.key));
  const line = make("div", "line");
  line.append(toggle(rule, model), what, counts(rule), last(rule), history);
  item.replaceChildren(line);
  if (rule.error && !opened) item.append(make("p", "trouble", rule.error));
  if (opened) item.append(drawer(rule, model));
  if (hadFocus) item.querySelector(`[data-part="${part}"]`)?.focus();
}

function drawer(rule, model) {
  const box = make("div", "drawer");
  const { key, state, text, rows } = model.get("drawer");
  if (key !== rule.key || state === "loading") {
    box.append(make("p", "wait", "Loading"));
    return box;
  }
  if (state === "error" || !rows.length) {
    box.append(make("p", state === "error" ? "trouble" : "empty", text));
    return box;
  }
  const list = make("ul");
  list.setAttribute("aria-label", `History of ${rule.name}`);
  for (const row of rows) list.append(delivery(row, model));
  box.append(list);
  if (text) box.append(make("p", "empty", text));
  return box;
}

function delivery(row, model) {
  const item = make("li", "delivery");
  item.append(make("span", `badge ${row.tone || ""}`, row.state));
  const about = make("div", "about");
  const first = make("div", "first");
  if (row.time) first.append(moment(row.time));
  for (const detail of row.details || []) first.append(make("span", "", detail));
  about.append(first);
  if (row.text) about.append(make("p", row.tone === "bad" ? "trouble" : "text", row.text));
  item.append(about);
  const links = make("div", "links");
  if (row.href) {
    const link = make("a", "", "Notebook");
    link.href = row.href;
    link.target = "_blank";
    link.rel = "noopener";
    links.append(link);
  }
  if (row.retry) {
    const again = make("button", "link", "Try again");
    again.type = "button";
    again.addEventListener("click", () => {
      again.disabled = true;
      ask(model, "retry", row.key);
    });
    links.append(again);
  }
  item.append(links);
  return item;
}

function render({ model, el }) {
  const box = make("div", "rules");
  const list = make("ul");
  list.setAttribute("aria-label", "Rules");
  const empty = make("p", "empty"), wait = make("p", "wait", "Loading");
  box.append(list, empty, wait);
  const items = new Map(); // key -> {item, text}

  function draw() {
    const rules = model.get("rules"), loaded = model.get("loaded");
    const wanted = new Set(rules.map((rule) => rule.key));
    for (const [key, { item }] of items) {
      if (!wanted.has(key)) {
        item.remove();
        items.delete(key);
      }
    }
    let before = list.firstChild;
    for (const rule of rules) {
      const opened = model.get("open") === rule.key;
      const text = JSON.stringify([rule, opened, opened ? model.get("drawer") : 0]);
      const known = items.get(rule.key) || { item: make("li"), text: "" };
      items.set(rule.key, known);
      if (known.item === before) before = before.nextSibling;
      else list.insertBefore(known.item, before);
      if (known.text !== text) {
        fill(known.item, rule, model);
        known.text = text;
      }
    }
    empty.textContent = model.get("empty");
    empty.hidden = !loaded || rules.length > 0;
    wait.hidden = loaded;
  }

  for (const name of ["rules", "loaded", "empty", "open", "drawer"]) model.on(`change:${name}`, draw);
  draw();
  el.append(box);
  const timer = setInterval(() => {
    for (const node of box.querySelectorAll("time[data-at]")) node.textContent = ago(node.dataset.at);
  }, 1000);
  return () => clearInterval(timer);
}

export default { render };
