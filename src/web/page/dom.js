// Builds elements: h("button.button", { type: "button", onclick: f }, "Go").

const SVG = "http://www.w3.org/2000/svg";

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.setAttribute("class", `${element.getAttribute("class") ?? ""} ${value}`.trim());
    else if (name === "style") for (const [key, x] of Object.entries(value)) element.style.setProperty(key, x);
    else if (name === "value" || name === "checked" || name === "selected" || name === "indeterminate") element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

// "div.card.row" with properties (or null) and children. `style` is an object of CSS properties.
export function h(tag, props, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name || "div");
  if (classes.length) element.className = classes.join(" ");
  return fill(element, props, children);
}

// The same for SVG.
export function s(tag, props, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElementNS(SVG, name);
  if (classes.length) element.setAttribute("class", classes.join(" "));
  return fill(element, props, children);
}

// Replaces what an element holds.
export function put(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

let ids = 0;

// An id that no other element has, for labels.
export const unique = (name) => `${name}-${++ids}`;

// A label above a control.
export function field(text, control, props) {
  control.id ||= unique("field");
  return h("div.field", props, h("label", { for: control.id }, text), control);
}

// A message that screen readers say.
export const error = (message) => h("p.error", { role: "alert" }, message);

// Saves a blob as a file.
export function save(name, blob) {
  const url = URL.createObjectURL(blob);
  const link = h("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

// A number with a sign and so many places.
export const signed = (x, places = 2) => `${x < 0 ? "−" : "+"}${Math.abs(x).toFixed(places)}`;
