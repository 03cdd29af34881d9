// Draws the retry schedule anew when a value of it changes: the server makes the drawing, as it does in the page itself.

const restMilliseconds = 250;

export function scheduling(page: Document): void {
  const drawing = page.querySelector<HTMLElement>("[data-schedule]");
  const form = drawing?.closest("form");
  const at = drawing?.dataset["schedule"];
  if (drawing === null || form === null || form === undefined || at === undefined) {
    return;
  }
  form.querySelector<HTMLElement>("[data-draw]")?.setAttribute("hidden", "");
  const said = form.querySelector<HTMLElement>("[data-schedule-said]");
  let rest: ReturnType<typeof setTimeout> | undefined;
  let last: AbortController | null = null;
  const draw = (): void => {
    const query = new URLSearchParams();
    for (const field of form.querySelectorAll<HTMLInputElement>('input[name^="retry."]')) {
      query.set(field.name, field.value);
    }
    last?.abort();
    last = new AbortController();
    fetch(`${at}?${query}`, { signal: last.signal }).then(async (answer) => {
      if (!answer.ok || answer.redirected) { // signed out: the form says so when it is sent
        return;
      }
      const text = await answer.text();
      const open = drawing.querySelector("details")?.open === true;
      drawing.innerHTML = text;
      const table = drawing.querySelector("details");
      if (table !== null) {
        table.open = open;
      }
      const words = drawing.querySelector("strong, .fault")?.textContent ?? "";
      if (said !== null && said.textContent !== words) { // the sentence is announced, and not the whole drawing
        said.textContent = words;
      }
    }).catch(() => undefined); // the next change tries again
  };
  form.addEventListener("input", (e) => {
    if (e.target instanceof HTMLInputElement && e.target.name.startsWith("retry.")) {
      clearTimeout(rest);
      rest = setTimeout(draw, restMilliseconds);
    }
  });
}
