// Saves clicks: a checkbox with data-all="name" checks all others of that name.

export function selecting(page: Document): void {
  page.addEventListener("change", (e) => {
    const all = e.target;
    if (!(all instanceof HTMLInputElement) || all.dataset["all"] === undefined) {
      return;
    }
    for (const one of page.querySelectorAll<HTMLInputElement>(`input[type=checkbox][name="${CSS.escape(all.dataset["all"])}"]`)) {
      one.checked = all.checked;
    }
  });
}
