// Another time for a booking: from when to when, and then it is moved.

import { Problem, newKey } from "../api.js";
import { fill, h, icon } from "../dom.js";
import { notice, words } from "../patience.js";

const LOST = new Set(["slot_unavailable", "day_full", "provider_unfit"]);

export function step(booking) {
  const { t, model, move } = booking;
  const place = h("div");
  const send = h("button", { type: "button", class: "main-button" }, t("move.send"));
  const key = newKey();
  send.addEventListener("click", async () => {
    if (send.getAttribute("aria-disabled") === "true") return;
    send.setAttribute("aria-disabled", "true");
    try {
      await reschedule(booking, move, key);
      booking.emit("moved", { booking_id: move.booking.id });
    } catch (error) {
      const isLost = error instanceof Problem && LOST.has(error.code);
      if (isLost) booking.forgetSlots();
      const text = isLost ? t("move.lost") : words(t, error);
      fill(place, notice({ kind: "warn", role: "alert", title: t("problem.title"), text }));
      send.removeAttribute("aria-disabled");
    }
  });
  const row = (key, slot) => h("div", {}, h("dt", {}, t(key)), h("dd", {}, booking.when(slot)));
  const node = h(
    "div",
    { class: "form" },
    h("dl", { class: "facts-list" }, row("move.from", move.booking), row("move.to", model.slot)),
    h("p", { class: "terms" }, icon("alert"), t("move.terms")),
    place,
    h("div", { class: "actions" }, send),
  );
  return { title: t("move.confirm"), node };
}

async function reschedule({ model }, move, key) {
  const isOther = model.providerId !== move.booking.provider_id;
  const providerId = isOther ? (model.providerId ?? model.slot.provider_ids[0]) : undefined;
  const body = { starts_at: model.slot.starts_at, provider_id: providerId };
  await move.api.post(`/v1/bookings/${move.booking.id}/reschedule`, body, { key, match: move.etag() });
}
