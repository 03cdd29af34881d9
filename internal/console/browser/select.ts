// Saves clicks: a checkbox with data-all="name" checks all others of that name, and says whether they are. It is hidden until then.

export function selecting(page: Document): void {
  for (const all of page.querySelectorAll<HTMLInputElement>("input[data-all]")) {
    const others = (): HTMLInputElement[] =>
      [...page.querySelectorAll<HTMLInputElement>(`input[type=checkbox][name="${CSS.escape(all.dataset["all"] ?? "")}"]`)];
    const tell = (): void => {
      const checked = others().filter((one) => one.checked).length;
      all.checked = checked > 0 && checked === others().length;
      all.indeterminate = checked > 0 && !all.checked;
    };
    all.hidden = false;
    page.addEventListener("change", (e) => {
      if (e.target === all) {
        for (const one of others()) {
          one.checked = all.checked;
        }
      }
      tell();
    });
    window.addEventListener("pageshow", tell); // who comes back finds what was checked
  }
}
