// Keeps the region with the attribute data-live up to date: the server makes it anew and sends it when it has changed. What is the same stays
// in its place, so that nobody's place in it is lost. While somebody is at work in the region it stays as it is, and what came last is shown
// afterwards: while the focus is in it, text is selected, or a pointer is about to press something, which must not become something else.
import { patch } from "./patch";

const restMilliseconds = 1_000;
const aimMilliseconds = 2_000; // a pointer that has rested for longer is not about to press what it is on
const sentMilliseconds = 10_000; // the answer to a form takes the page away before that
const heldMilliseconds = 3_000; // what waits for longer is told of
const lostMilliseconds = 8_000; // a connection that is made anew within that was not lost: the server ends each after a while

export function following(page: Document): void {
  const region = page.querySelector<HTMLElement>("[data-live]");
  if (region === null) {
    return;
  }
  const { say, hold, button } = stateOf(page, region);
  const busy = working(page, region);

  let waiting: string | null = null;
  let since = 0; // when what waits came
  let paused = false;
  const show = (): void => {
    if (waiting === null) {
      return;
    }
    if (paused || busy()) {
      hold(paused ? "Paused: there is something newer." : Date.now() - since > heldMilliseconds ? "There is something newer: it is shown when you leave this part." : "");
      return;
    }
    const made = page.createElement("template");
    made.innerHTML = waiting;
    waiting = null;
    hold("");
    patch(region, made.content);
    region.dispatchEvent(new CustomEvent("live", { bubbles: true }));
  };
  setInterval(show, restMilliseconds);
  button.addEventListener("click", () => {
    paused = !paused;
    button.textContent = paused ? "Continue updates" : "Pause updates";
    hold(paused ? "Paused." : "");
    show();
  });

  let source: EventSource | null = null;
  let lost: ReturnType<typeof setTimeout> | undefined;
  const stop = (): void => {
    clearTimeout(lost);
    lost = undefined;
    source?.close();
    source = null;
  };
  const start = (): void => {
    if (source !== null) {
      return;
    }
    source = new EventSource(location.href);
    source.addEventListener("live", (e) => {
      clearTimeout(lost);
      lost = undefined;
      since = waiting === null ? Date.now() : since;
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
      if (source?.readyState === EventSource.CLOSED) {
        clearTimeout(lost);
        say("Not live: reload the page to see how it is now.", true);
      } else {
        lost ??= setTimeout(() => say("The connection is lost; trying again.", true), lostMilliseconds);
      }
    });
  };
  // A page that nobody sees costs nothing.
  page.addEventListener("visibilitychange", () => (page.hidden ? stop() : start()));
  if (!page.hidden) {
    start();
  }
}

// stateOf puts before the region what says how it is. Whether it is live is announced; that something waits is not, for it waits for whoever
// would hear it. The button stops all changes (WCAG 2.2, success criterion 2.2.2).
function stateOf(page: Document, region: HTMLElement): { say: (text: string, off: boolean) => void; hold: (text: string) => void; button: HTMLButtonElement } {
  const state = page.createElement("div");
  const said = page.createElement("span");
  const held = page.createElement("span");
  const button = page.createElement("button");
  state.className = "live-state";
  said.setAttribute("role", "status");
  button.type = "button";
  button.className = "small";
  button.textContent = "Pause updates";
  state.append(said, held, button);
  region.before(state);
  const write = (to: HTMLElement, text: string): void => {
    if (to.textContent !== text) {
      to.textContent = text;
    }
  };
  return {
    say: (text, off) => {
      write(said, text);
      state.classList.toggle("off", off);
    },
    hold: (text) => write(held, text),
    button,
  };
}

// working says whether somebody is at work in the region.
function working(page: Document, region: HTMLElement): () => boolean {
  let pressed = false;
  let until = 0;
  region.addEventListener("pointerdown", () => { pressed = true; });
  for (const end of ["pointerup", "pointercancel"]) {
    page.addEventListener(end, () => { pressed = false; });
  }
  region.addEventListener("pointermove", (e) => {
    if (e.target instanceof Element && e.target.closest("a, button, summary") !== null) {
      until = Math.max(until, Date.now() + aimMilliseconds);
    }
  });
  region.addEventListener("submit", () => { until = Date.now() + sentMilliseconds; });
  return () => {
    const selection = page.getSelection();
    const selected = selection !== null && !selection.isCollapsed && (region.contains(selection.anchorNode) || region.contains(selection.focusNode));
    const focused = page.activeElement;
    return pressed || Date.now() < until || selected || (focused !== null && focused !== page.body && region.contains(focused));
  };
}
