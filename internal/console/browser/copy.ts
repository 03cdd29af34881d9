// Copies the text of a command. The buttons are hidden until there is something that works.

const saidMilliseconds = 1_500;
const nameLength = 60;

export function copying(page: Document): void {
  if (navigator.clipboard === undefined) { // only where the page is trusted: https, or this machine
    return;
  }
  const textOf = (button: HTMLButtonElement): string => button.parentElement?.querySelector("code")?.textContent ?? "";
  const reveal = (): void => {
    for (const button of page.querySelectorAll<HTMLButtonElement>("[data-copy]")) {
      button.hidden = false;
      const text = textOf(button).trim();
      button.ariaLabel = `Copy ${text.length > nameLength ? text.slice(0, nameLength) + "…" : text}`; // there are many on a page
    }
  };
  const said = page.createElement("p");
  said.className = "hidden";
  said.setAttribute("role", "status");
  page.body.append(said);
  reveal();
  page.addEventListener("live", reveal);
  page.addEventListener("click", (e) => {
    const button = e.target instanceof Element ? e.target.closest<HTMLButtonElement>("[data-copy]") : null;
    if (button === null) {
      return;
    }
    const say = (text: string): void => {
      button.textContent = text;
      said.textContent = text;
    };
    navigator.clipboard.writeText(textOf(button)).then(
      () => say("Copied"),
      () => say("Select and copy by hand"),
    ).finally(() => setTimeout(() => {
      button.textContent = "Copy";
      said.textContent = "";
    }, saidMilliseconds));
  });
}
