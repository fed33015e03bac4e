// What was booked, and what happens next.

import { h, icon } from "../dom.js";

export function step(booking) {
  const { t, format, model } = booking;
  const made = model.booking;
  const start = new Date(made.starts_at);
  const home = format.differs(start) && t("done.home", { time: format.homeTime(start), zone: format.zoneName(start, format.home) });
  const reach = model.typed.email ? t("done.mail", { email: model.typed.email }) : t("done.keep_link");
  const node = h(
    "div",
    { class: "done" },
    h("div", { class: "seal", "aria-hidden": "true" }, icon("check")),
    h("h2", { class: "done-title", tabindex: "-1" }, t("done.title")),
    h("p", { class: "lead" }, t(model.business.booking.intake === "dispatch" ? "done.lead_dispatch" : "done.lead", { business: model.business.name })),
    h(
      "dl",
      { class: "facts-list" },
      fact(t("done.service"), model.service.name),
      fact(t("done.when"), [format.longDate(start), h("br"), `${format.time(start)} – ${format.time(new Date(made.ends_at))}`, home && h("span", { class: "quiet" }, ` ${home}`)]),
      fact(t("done.reference"), h("strong", { class: "reference" }, made.reference)),
    ),
    h("p", { class: "quiet" }, reach),
    h(
      "div",
      { class: "actions" },
      made.manage && h("a", { class: "main-button", href: `${booking.base}/m#${made.manage.token}` }, t("done.manage")),
      h("button", { type: "button", class: "plain", on: { click: () => booking.restart() } }, t("done.another")),
    ),
  );
  return { title: null, node };
}

function fact(name, value) {
  return h("div", {}, h("dt", {}, name), h("dd", {}, value));
}
