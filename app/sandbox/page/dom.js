// Elements from plain values: text always becomes a text node, never markup.

export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") listen(node, value);
    else if (name === "style") dress(node, value);
    else if (name === "class") node.className = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...flat(children));
  return node;
}

export function fragment(...children) {
  const node = document.createDocumentFragment();
  node.append(...flat(children));
  return node;
}

function flat(children) {
  return children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : document.createTextNode(String(child))));
}

function listen(node, listeners) {
  for (const [type, listener] of Object.entries(listeners)) {
    node.addEventListener(type, listener);
  }
}

// The content security policy refuses style attributes, not the style object.
function dress(node, style) {
  for (const [name, value] of Object.entries(style)) node.style.setProperty(name, value);
}

// Turn `old` into `fresh` with as few changes as possible, so that focus, selection
// and scroll position outlive an edit. No node that stays is ever moved: a moved node
// loses the focus. Returns the node that is now in place.
export function patch(old, fresh) {
  if (!isSame(old, fresh)) {
    old.replaceWith(fresh);
    return fresh;
  }
  if (old.nodeType === Node.TEXT_NODE) {
    if (fresh.data.startsWith(old.data)) old.appendData(fresh.data.slice(old.data.length));
    else old.data = fresh.data;
    return old;
  }
  patchAttributes(old, fresh);
  if (!old.hasAttribute("data-keep")) patchChildren(old, fresh);
  return old;
}

export function patchChildren(old, fresh) {
  let place = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const found = place && findSame(place, child);
    if (!found) {
      old.insertBefore(child, place);
      continue;
    }
    while (place !== found) {
      const gone = place;
      place = place.nextSibling;
      gone.remove();
    }
    place = patch(found, child).nextSibling;
  }
  while (place) {
    const gone = place;
    place = place.nextSibling;
    gone.remove();
  }
}

function findSame(start, fresh) {
  if (!keyOf(fresh)) return isSame(start, fresh) ? start : null;
  for (let node = start; node; node = node.nextSibling) {
    if (isSame(node, fresh)) return node;
  }
  return null;
}

function isSame(old, fresh) {
  return (
    old.nodeType === fresh.nodeType &&
    old.nodeName === fresh.nodeName &&
    keyOf(old) === keyOf(fresh)
  );
}

function keyOf(node) {
  return node.nodeType === Node.ELEMENT_NODE ? node.getAttribute("data-key") : null;
}

function patchAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) {
    if (name !== "style" && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (name !== "style" && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  if (old.style.cssText !== fresh.style.cssText) old.style.cssText = fresh.style.cssText;
}
