// Keeps the region with the attribute data-live up to date: the server makes it anew and sends it when it has changed. While somebody is at
// work in the region (the focus is in it, or text is selected) it stays as it is, and what came last is shown afterwards.

const restMilliseconds = 1_000;

export function following(page: Document): void {
  const region = page.querySelector<HTMLElement>("[data-live]");
  if (region === null) {
    return;
  }
  const state = page.createElement("p");
  state.className = "live-state";
  state.setAttribute("role", "status");
  region.after(state);
  const say = (text: string, off: boolean): void => {
    if (state.textContent !== text) {
      state.textContent = text;
      state.classList.toggle("off", off);
    }
  };

  let waiting: string | null = null;
  const busy = (): boolean => {
    const selection = page.getSelection();
    const selected = selection !== null && !selection.isCollapsed && region.contains(selection.anchorNode);
    const focused = page.activeElement;
    return selected || (focused !== null && focused !== page.body && region.contains(focused));
  };
  const show = (): void => {
    if (waiting === null || busy()) {
      return;
    }
    const opened = openParts(region);
    region.innerHTML = waiting;
    waiting = null;
    openParts(region, opened);
    region.dispatchEvent(new CustomEvent("live", { bubbles: true }));
  };
  setInterval(show, restMilliseconds);

  let source: EventSource | null = null;
  const stop = (): void => {
    source?.close();
    source = null;
  };
  const start = (): void => {
    if (source !== null) {
      return;
    }
    source = new EventSource(location.href);
    source.addEventListener("live", (e) => {
      waiting = (e as MessageEvent<string>).data;
      say("Live", false);
      show();
    });
    source.addEventListener("stale", () => say("The server cannot say how it is now; it is asked again.", true));
    source.addEventListener("gone", () => {
      stop();
      say("Not live any more: reload the page.", true);
    });
    source.addEventListener("error", () => {
      const over = source?.readyState === EventSource.CLOSED;
      say(over ? "Not live: reload the page to see how it is now." : "The connection is lost; trying again.", true);
    });
  };
  // A page that nobody sees costs nothing.
  page.addEventListener("visibilitychange", () => (page.hidden ? stop() : start()));
  if (!page.hidden) {
    start();
  }
}

// openParts remembers which details are open by their ids, or opens those again.
function openParts(region: HTMLElement, again?: Set<string>): Set<string> {
  const opened = new Set<string>();
  for (const part of region.querySelectorAll("details")) {
    if (again?.has(part.id)) {
      part.open = true;
    }
    if (part.open && part.id !== "") {
      opened.add(part.id);
    }
  }
  return opened;
}
