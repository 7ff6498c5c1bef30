// What the lists and the rules both need; stands before either of them.

const MINUTE = 60, HOUR = 3600, DAY = 86400;

function make(tag, name, text) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (text !== undefined && text !== null) node.textContent = text;
  return node;
}

function ago(text) {
  const seconds = (Date.now() - Date.parse(text)) / 1000;
  if (!Number.isFinite(seconds)) return text;
  if (seconds < 10) return "just now";
  if (seconds < MINUTE) return `${Math.floor(seconds)} s ago`;
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min ago`;
  if (seconds < DAY) return `${Math.floor(seconds / HOUR)} h ago`;
  return new Date(text).toISOString().slice(0, 16).replace("T", " ");
}
