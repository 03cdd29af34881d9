// Copies the text of a command. The buttons are hidden until there is something that works.

const saidMilliseconds = 1_500;

export function copying(page: Document): void {
  if (navigator.clipboard === undefined) { // only where the page is trusted: https, or this machine
    return;
  }
  const reveal = (): void => {
    for (const button of page.querySelectorAll<HTMLButtonElement>("[data-copy]")) {
      button.hidden = false;
    }
  };
  reveal();
  page.addEventListener("live", reveal);
  page.addEventListener("click", (e) => {
    const button = e.target instanceof Element ? e.target.closest<HTMLButtonElement>("[data-copy]") : null;
    const text = button?.parentElement?.querySelector("code")?.textContent;
    if (button === null || text === undefined || text === null) {
      return;
    }
    const label = button.textContent;
    navigator.clipboard.writeText(text).then(
      () => { button.textContent = "Copied"; },
      () => { button.textContent = "Select and copy by hand"; },
    ).finally(() => setTimeout(() => { button.textContent = label; }, saidMilliseconds));
  });
}
