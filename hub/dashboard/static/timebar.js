// The time line: one step back, play, one step forward, and a slider with real times.

const QUICKEST = 450; // milliseconds that a frame stays at least while playing
const PATHS = {
  back: "M12.5 4.5 7 10l5.5 5.500",
  next: "M7.500 4.500 13 10l-5.500 5.500",
  play: "M6.500 4v12l9-6Z",
  pause: "M6.500 4.500v11M13.500 4.500v11",
};

function make(tag, name) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  return node;
}

function button(label, act) {
  const node = make("button");
  node.type = "button";
  node.innerHTML = '<svg viewBox="0 0 20 20" aria-hidden="true"><path/></svg>';
  node.addEventListener("click", act);
  const show = (name, text) => {
    node.querySelector("path").setAttribute("d", PATHS[name]);
    node.classList.toggle("solid", name === "play");
    node.setAttribute("aria-label", text);
    node.title = text;
  };
  show(label[0], label[1]);
  return { node, show };
}

function render({ model, el }) {
  const get = (name) => model.get(name);
  const bar = make("div", "timebar");
  const slider = make("input");
  slider.type = "range";
  slider.min = 0;
  slider.step = 1;
  const now = make("output");
  const ends = make("div", "ends");
  const [left, right] = [make("span"), make("span")];
  ends.append(left, right);
  const track = make("div", "track");
  track.append(slider, ends);
  let playing = false, timer = 0, shownAt = 0;

  const last = () => get("labels").length - 1;
  const go = (index) => {
    const wanted = Math.min(Math.max(index, 0), last());
    if (wanted !== get("value")) {
      model.set("value", wanted);
      model.save_changes();
    }
    draw();
  };
  const back = button(["back", "One step back"], () => { stop(); go(get("value") - 1); });
  const next = button(["next", "One step forward"], () => { stop(); go(get("value") + 1); });
  const play = button(["play", "Play"], () => (playing ? stop() : start()));

  function start() {
    playing = true;
    play.show("pause", "Pause");
    if (get("value") >= last()) go(0);
    turn();
  }
  function stop() {
    playing = false;
    clearTimeout(timer);
    play.show("play", "Play");
  }
  function turn() {
    clearTimeout(timer);
    if (!playing) return;
    // The next frame is asked for when this one is on the screen, so playing never runs ahead.
    const ready = get("drawn") === get("value");
    const wait = ready ? Math.max(0, QUICKEST - (Date.now() - shownAt)) : 60;
    timer = setTimeout(() => {
      if (!playing) return;
      if (get("drawn") === get("value") && Date.now() - shownAt >= QUICKEST) {
        if (get("value") >= last()) { stop(); return; }
        go(get("value") + 1);
      }
      turn();
    }, wait);
  }
  function draw() {
    const labels = get("labels");
    bar.hidden = labels.length < 1;
    const several = labels.length > 1;
    for (const part of [back.node, next.node, play.node, track]) part.hidden = !several;
    slider.max = Math.max(last(), 1);
    slider.value = get("value");
    const text = labels[get("value")] || "";
    slider.setAttribute("aria-label", get("title") || "Time");
    slider.setAttribute("aria-valuetext", text);
    const share = several ? (100 * get("value")) / last() : 0;
    slider.style.setProperty("--share", `${share}%`);
    now.textContent = several ? `${text}` : text;
    left.textContent = labels[0] || "";
    right.textContent = labels[last()] || "";
    back.node.disabled = get("value") <= 0;
    next.node.disabled = get("value") >= last();
  }

  slider.addEventListener("input", () => { stop(); go(Number(slider.value)); });
  model.on("change:labels", draw);
  model.on("change:value", draw);
  model.on("change:title", draw);
  model.on("change:drawn", () => { shownAt = Date.now(); });
  const buttons = make("div", "buttons");
  buttons.append(back.node, play.node, next.node);
  bar.append(buttons, now, track);
  draw();
  el.append(bar);
  return stop;
}

export default { render };
