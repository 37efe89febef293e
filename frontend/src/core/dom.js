/* Elements without a library.  Text from outside only ever becomes a text node or an attribute
 * value: there is no way through here by which a label turns into markup.  Read next: shapes.js. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * A new HTML element: `h("button", { type: "button", onclick }, "Save")`.
 *
 * Functions among the attributes become listeners, `undefined`, `null` and `false` are left out,
 * children are elements or text.
 */
export function h(name, attributes, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same for SVG. */
export function s(name, attributes, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(element, attributes, children) {
  set(element, attributes);
  element.append(...children.filter((child) => child != null && child !== false));
  return element;
}

/** Change attributes by the same rules. */
export function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (typeof value === "function") element[name] = value;
    else if (value == null || value === false) element.removeAttribute(name);
    else element.setAttribute(name, value === true ? "" : value);
  }
  return element;
}
