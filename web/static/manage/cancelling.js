// Cancelling: what it costs is shown first, and agreed to.

import { newKey } from "../api.js";
import { fill, h, icon } from "../dom.js";
import { button, notice, words } from "../patience.js";

/** What the customer loses: the fee, but no more than was paid here. */
export function costOf({ next, payment }) {
  const { fee, is_due: isDue } = next.cancellation;
  const paid = payment && ["authorized", "captured"].includes(payment.state) ? payment.amount.amount_minor : 0;
  const due = isDue ? Math.min(fee.amount_minor, paid) : 0;
  return { due: { amount_minor: due, currency: fee.currency }, back: { amount_minor: paid - due, currency: fee.currency }, paid };
}

export function cancelDialog(manage) {
  const { t, format, next } = manage;
  const cost = costOf(manage);
  const place = h("div");
  const reason = h("textarea", { id: "reason", class: "input", rows: 2, maxlength: 1000 });
  const agree = h("input", { type: "checkbox", id: "agree" });
  const send = h("button", { type: "submit", class: "main-button danger" }, t("cancel.send"));
  const key = newKey();
  const submit = async (event) => {
    event.preventDefault();
    if (send.getAttribute("aria-disabled") === "true") return;
    if (cost.due.amount_minor > 0 && !agree.checked) {
      fill(place, notice({ kind: "warn", role: "alert", title: t("cancel.agree_first") }));
      return agree.focus();
    }
    send.setAttribute("aria-disabled", "true");
    try {
      await manage.api.post(`/v1/bookings/${manage.booking.id}/cancel`, reason.value.trim() ? { reason: reason.value.trim() } : {}, { key });
      dialog.close();
      await manage.refresh();
      manage.focusStatus();
    } catch (error) {
      fill(place, notice({ kind: "warn", role: "alert", title: t("problem.title"), text: words(t, error) }));
    } finally {
      send.removeAttribute("aria-disabled");
    }
  };
  const until = next.cancellation.free_until && format.moment(new Date(next.cancellation.free_until));
  const dialog = h(
    "dialog",
    { class: "dialog", "aria-labelledby": "cancel-title" },
    h(
      "form",
      { class: "form", novalidate: true, on: { submit } },
      h("h2", { class: "title", id: "cancel-title", tabindex: "-1", autofocus: true }, t("cancel.title")),
      h("div", { class: `notice ${cost.due.amount_minor ? "warn" : ""}` }, icon("price"), h("div", { class: "words" }, costWords(t, format, cost, until))),
      place,
      h("div", { class: "field" }, h("label", { for: "reason" }, t("cancel.reason"), h("span", { class: "optional" }, ` ${t("optional")}`)), reason),
      cost.due.amount_minor > 0 && h("div", { class: "check" }, agree, h("label", { for: "agree" }, t("cancel.agree", { fee: format.money(cost.due) }))),
      h("div", { class: "actions" }, send, button(t("cancel.keep"), () => dialog.close())),
    ),
  );
  dialog.addEventListener("close", () => dialog.remove());
  return dialog;
}

function costWords(t, format, { due, back, paid }, until) {
  const lines = [];
  if (due.amount_minor > 0) lines.push(t("cancel.costs", { fee: format.money(due) }));
  else lines.push(t(until ? "cancel.free_until" : "cancel.free", { until }));
  if (paid > 0 && back.amount_minor > 0) lines.push(t("cancel.back", { amount: format.money(back) }));
  return lines.map((line, index) => h("p", { class: index === 0 ? "notice-title" : null }, line));
}
