// Makes what is in an element like what the server has made, and touches nothing that is the same: what is scrolled, open or being read
// stays so. What has an id is known by it, and all else by its place.

export function patch(old: Element, made: Element | DocumentFragment): void {
  const wanted = [...made.childNodes];
  wanted.forEach((next, i) => {
    const at = old.childNodes[i] ?? null;
    const same = counterpart(old, at, next);
    if (same === null) {
      old.insertBefore(next, at);
      return;
    }
    if (same !== at) {
      old.insertBefore(same, at);
    }
    if (same instanceof Element && next instanceof Element) {
      attributes(same, next);
      patch(same, next);
    } else if (same.nodeValue !== next.nodeValue) {
      same.nodeValue = next.nodeValue;
    }
  });
  while (old.childNodes.length > wanted.length) {
    old.lastChild?.remove();
  }
}

// counterpart is the node that becomes like another one, or null.
function counterpart(old: Element, at: ChildNode | null, next: ChildNode): ChildNode | null {
  if (next instanceof Element && next.id !== "") {
    return [...old.children].find((e) => e.id === next.id && e.nodeName === next.nodeName) ?? null;
  }
  const alike = at !== null && at.nodeName === next.nodeName && !(at instanceof Element && at.id !== "");
  return alike ? at : null;
}

// attributes takes over those of another element, but what somebody has opened or closed and what the script has shown.
function attributes(old: Element, next: Element): void {
  const ours = (name: string): boolean => (name === "open" && old instanceof HTMLDetailsElement) || old.hasAttribute("data-copy");
  for (const { name } of [...old.attributes]) {
    if (!next.hasAttribute(name) && !ours(name)) {
      old.removeAttribute(name);
    }
  }
  for (const { name, value } of [...next.attributes]) {
    if (old.getAttribute(name) !== value && !ours(name)) {
      old.setAttribute(name, value);
    }
  }
}
