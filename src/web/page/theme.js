// Light, dark, or as the system has it: decided before the page is first painted, so this one script is no module.
{
  const system = matchMedia("(prefers-color-scheme: dark)");
  const decide = () => {
    document.documentElement.dataset.theme = localStorage.getItem("trimtab-theme") ?? (system.matches ? "dark" : "light");
  };
  system.addEventListener("change", () => {
    decide();
    dispatchEvent(new Event("themechange"));
  });
  decide();
}
