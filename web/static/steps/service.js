// What people book.

import { h, icon } from "../dom.js";
import { notice } from "../patience.js";

export function serviceStep(booking) {
  const { t, model } = booking;
  if (model.services.length === 0) {
    return { title: t("service.title"), node: notice({ picture: "calendar", title: t("service.empty_title"), text: t("service.empty", { business: model.business.name }) }) };
  }
  const list = h("ul", { class: "services", role: "list" }, model.services.map((service) => h("li", {}, card(booking, service))));
  return { title: t("service.title"), node: list };
}

function card(booking, service) {
  const { t, format } = booking;
  return h(
    "button",
    { type: "button", class: "service", on: { click: () => booking.choose(service) } },
    h(
      "span",
      { class: "service-words" },
      h("span", { class: "service-name" }, service.name),
      service.description && h("span", { class: "service-text" }, service.description),
      h(
        "span",
        { class: "facts" },
        h("span", {}, icon("clock"), format.minutes(service.duration_minutes)),
        h("span", {}, icon("price"), priceOf(t, format, service.price)),
      ),
    ),
    icon("forward"),
  );
}

export function priceOf(t, format, price) {
  return price.amount_minor === 0 ? t("free") : format.money(price);
}
