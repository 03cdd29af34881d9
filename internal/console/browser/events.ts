// The live page: rows for events as they happen come from the server, each message with the cursor behind its events, so that a connection
// that breaks goes on where it ended. While it is paused the rows wait and are counted. Not each row is announced, but now and then how many
// there were.

const rowsMax = 500;
const announceMilliseconds = 30_000;
const lostMilliseconds = 5_000; // a connection that is made anew within that was not lost: the server ends each after a while

export function showingEvents(page: Document): void {
  const table = page.querySelector<HTMLTableElement>("[data-events]");
  const body = table?.tBodies[0];
  const address = table?.dataset["events"];
  const button = page.querySelector<HTMLButtonElement>("#pause");
  const state = page.querySelector<HTMLElement>("#events-state");
  if (body === undefined || address === undefined || button === null || state === null) {
    return;
  }
  let last = "";
  let paused = false;
  let waiting: HTMLTableRowElement[] = []; // oldest first
  let cameWhilePaused = 0;
  let unsaid = 0;
  let problem = "";

  const label = (): void => {
    button.textContent = paused ? `Continue (${cameWhilePaused} new)` : "Pause";
  };
  const say = (): void => {
    const news = unsaid === 0 ? "" : unsaid === 1 ? "1 new event" : `${unsaid} new events`;
    const text = problem !== "" ? problem : paused ? "Paused" : news !== "" ? `Live, ${news}` : "Live";
    if (state.textContent !== text) { // or it would be announced again
      state.textContent = text;
    }
    state.classList.toggle("off", problem !== "");
    unsaid = 0;
  };
  const insert = (rows: HTMLTableRowElement[]): void => {
    if (rows.length > 0) {
      page.querySelector("#events-none")?.remove();
    }
    for (const row of rows.slice(-rowsMax)) {
      body.prepend(row);
    }
    while (body.rows.length > rowsMax) {
      const last = body.rows[body.rows.length - 1];
      if (last?.contains(page.activeElement)) {
        table?.parentElement?.focus(); // the focus stays with the list
      }
      last?.remove();
    }
    unsaid += rows.length;
  };
  const take = (html: string): void => {
    const part = page.createElement("template");
    part.innerHTML = html;
    const rows = [...part.content.querySelectorAll("tr")].reverse();
    if (!paused) {
      insert(rows);
      return;
    }
    cameWhilePaused += rows.length;
    waiting = [...waiting, ...rows].slice(-rowsMax);
    label();
  };
  setInterval(() => {
    if (unsaid > 0 && !paused) {
      say();
    }
  }, announceMilliseconds);

  let source: EventSource | null = null;
  let lost: ReturnType<typeof setTimeout> | undefined;
  const found = (): void => {
    clearTimeout(lost);
    lost = undefined;
  };
  const stop = (): void => {
    found();
    source?.close();
    source = null;
  };
  const start = (): void => {
    if (source !== null) {
      return;
    }
    const url = new URL(address, location.href);
    if (last !== "") {
      url.searchParams.set("after", last);
    }
    source = new EventSource(url);
    source.addEventListener("open", () => {
      found();
      problem = "";
      say();
    });
    source.addEventListener("rows", (e) => {
      const message = e as MessageEvent<string>;
      last = message.lastEventId;
      take(message.data);
    });
    source.addEventListener("skipped", (e) => {
      last = (e as MessageEvent<string>).lastEventId;
      problem = "More happens than can be shown: some events were left out.";
      say();
      problem = "";
    });
    source.addEventListener("stale", () => {
      problem = "The server cannot say what is new; it is asked again.";
      say();
      problem = "";
    });
    source.addEventListener("gone", () => {
      stop();
      problem = "Not live any more: reload the page.";
      say();
    });
    source.addEventListener("error", () => {
      const tell = (text: string): void => {
        problem = text;
        say();
      };
      if (source?.readyState === EventSource.CLOSED) {
        found();
        tell("Not live: reload the page to see what is new.");
      } else {
        lost ??= setTimeout(() => tell("The connection is lost; trying again."), lostMilliseconds);
      }
    });
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    paused = !paused;
    if (!paused) {
      insert(waiting);
      waiting = [];
      cameWhilePaused = 0;
    }
    label();
    say();
  });
  // A page that nobody sees costs nothing; what it has missed comes when it is looked at again.
  page.addEventListener("visibilitychange", () => (page.hidden ? stop() : start()));
  label();
  if (!page.hidden) {
    start();
  }
}
