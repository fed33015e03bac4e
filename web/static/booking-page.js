// The public page around the element: the address and the history follow what is chosen, so that the back button,
// a reload and a shared link do what people expect. What was typed stays in the history entry of this tab.

import "./widget.js";

const booking = document.querySelector("holdfast-booking");
const address = new URL(location.href);
let shown = history.state?.step ?? null;

for (const name of ["service", "provider"]) {
  if (address.searchParams.has(name)) booking.setAttribute(name, address.searchParams.get(name));
}
booking.attribution = attribution(address.searchParams);
booking.draft = history.state ?? undefined;

booking.addEventListener("holdfast-changed", ({ detail }) => {
  const url = new URL(location.href);
  if (detail.service) url.searchParams.set("service", detail.service);
  const isStep = detail.step !== shown;
  const method = isStep && shown !== null ? "pushState" : "replaceState";
  shown = detail.step;
  history[method](structuredClone(detail), "", url);
});

addEventListener("popstate", ({ state }) => {
  if (!state?.step) return;
  shown = state.step;
  booking.return(state);
});

/** Where a visitor comes from, as the API stores it with the booking. */
function attribution(query) {
  const known = /^(utm_\w+|gclid|gbraid|wbraid|fbclid|msclkid|ttclid)$/;
  const found = [...query].filter(([name, value]) => known.test(name) && value).slice(0, 20);
  return found.length > 0 ? Object.fromEntries(found.map(([name, value]) => [name, value.slice(0, 500)])) : undefined;
}
