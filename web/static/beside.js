// What is shown beside each step: what is chosen, how far one is, and the way back.

import { h, icon } from "./dom.js";
import { button } from "./patience.js";
import { priceOf } from "./steps/service.js";

/** The choice so far; `booking.priceNode` and `booking.slotNode` may change later. */
export function aside(booking) {
  const { model, t, format } = booking;
  const { service, slot } = model;
  const provider = model.providers.find((one) => one.id === model.providerId);
  const change = (step) => button(t("change"), () => booking.go(step), { class: "link" });
  const canChangePlace = model.step !== "place" && model.step !== "payment";
  booking.priceNode = service && h("span", {}, priceOf(t, format, service.price));
  booking.slotNode = slot && h("span", {}, booking.when(slot));
  return h(
    "aside",
    { class: "aside", "aria-label": t("aside") },
    h("p", { class: "business" }, model.business.name),
    h("p", { class: "chosen" }, service ? service.name : t("aside_empty")),
    service &&
      h(
        "ul",
        { class: "facts-column", role: "list" },
        h("li", {}, icon("clock"), format.minutes(service.duration_minutes)),
        h("li", {}, icon("price"), booking.priceNode),
        provider && h("li", {}, icon("person"), provider.name),
        model.postalCode && h("li", {}, icon("place"), model.postalCode, canChangePlace && change("place")),
        slot && model.step !== "time" && h("li", { class: "at" }, icon("calendar"), booking.slotNode),
      ),
  );
}

export function progress({ model, t }) {
  const steps = stepsOf(model);
  const at = steps.indexOf(model.step);
  const stage = (index) => (index < at ? "past" : index === at ? "now" : null);
  const row = (step, index) => h("li", { class: stage(index), "aria-current": index === at ? "step" : null }, t(`step.${step}`));
  return h("ol", { class: "progress", "aria-label": t("progress") }, steps.map(row));
}

export function backButton(booking) {
  const { model, t } = booking;
  const steps = stepsOf(model);
  const before = steps[steps.indexOf(model.step) - 1];
  if (!before || model.step === "payment") return null;
  const click = () => booking.go(before);
  return h("button", { type: "button", class: "round back", "aria-label": t("back"), on: { click } }, icon("back"));
}

function stepsOf(model) {
  const place = model.areas.length > 0 && "place";
  if (model.isMove) return [place, "time", "move"].filter(Boolean);
  const pays = model.service && model.service.payment_mode !== "none";
  return ["service", place, "time", "details", pays && "payment"].filter(Boolean);
}
