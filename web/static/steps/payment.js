// Paying for what has been booked. The time is reserved meanwhile; a refused card costs nothing but another try.

import { Problem, newKey } from "../api.js";
import { fill, h, icon } from "../dom.js";
import { button, notice, words } from "../patience.js";

const POLL = 700;
const SETTLED = new Set(["authorized", "captured"]);
const REFUSED = new Set(["declined", "action_required"]);

export function step(booking) {
  const payment = new PaymentStep(booking);
  payment.open();
  return { title: booking.t("payment.title"), node: payment.node, leave: () => payment.stop() };
}

export class PaymentStep {
  /** `booking` has `t`, `format`, `api` (with the booking's token), `bookingId`, `announce` and `paid`. */
  constructor(booking) {
    this.booking = booking;
    this.t = booking.t;
    this.api = booking.bookingApi;
    this.path = `/v1/bookings/${booking.bookingId}/payment`;
    this.place = h("div");
    this.form = h("div", { class: "form" });
    this.node = h("div", { class: "payment" }, this.place, this.form);
    this.isStopped = false;
  }

  stop() {
    this.isStopped = true;
  }

  async open() {
    try {
      const payment = await this.api.get(this.path);
      if (SETTLED.has(payment.state)) return this.booking.paid();
      this.draw(payment);
    } catch (error) {
      this.refuse(error, () => this.open());
    }
  }

  draw(payment) {
    const { t, booking } = this;
    const until = payment.expires_at && new Date(payment.expires_at);
    const cards = payment.test_methods ?? [];
    if (cards.length === 0) {
      fill(this.form, notice({ picture: "card", title: t("payment.elsewhere_title"), text: t("payment.elsewhere") }));
      return;
    }
    const radio = ([method, key], index) => {
      const input = h("input", { type: "radio", name: "card", id: `card-${index}`, value: method });
      input.checked = index === 0;
      return h("div", { class: "check card" }, input, h("label", { for: `card-${index}` }, icon("card"), t(`payment.card.${key}`)));
    };
    const group = h("fieldset", {}, h("legend", {}, t("payment.card_label")), cards.map((card) => [card.method, card.outcome]).map(radio));
    this.button = h("button", { type: "submit", class: "main-button wide" }, t("payment.pay", { amount: booking.format.money(payment.amount) }));
    const submit = (event) => {
      event.preventDefault();
      this.pay(group.querySelector("input:checked").value);
    };
    fill(
      this.form,
      h("p", { class: "hint" }, t("payment.simulated")),
      h("form", { class: "form", on: { submit } }, group, this.button, until && h("p", { class: "hold" }, icon("clock"), t("payment.until", { time: booking.format.time(until) }))),
    );
  }

  async pay(method) {
    if (this.isBusy) return;
    this.setBusy(true);
    fill(this.place);
    try {
      await this.api.post(this.path, { method }, { key: newKey() });
      await this.wait();
    } catch (error) {
      this.refuse(error, null);
    } finally {
      this.setBusy(false);
    }
  }

  /** Until the gateway has answered. */
  async wait() {
    for (let turn = 0; turn < 60 && !this.isStopped; turn += 1) {
      const payment = await this.api.get(this.path);
      if (SETTLED.has(payment.state)) return this.booking.paid();
      if (REFUSED.has(payment.state)) return this.declined(payment);
      await new Promise((resume) => setTimeout(resume, POLL));
    }
    this.say(notice({ kind: "info", picture: "clock", title: this.t("payment.waiting_title"), text: this.t("payment.waiting") }));
  }

  declined(payment) {
    const needsBank = payment.state === "action_required";
    this.say(
      notice({
        kind: "warn",
        picture: "card",
        role: "alert",
        title: this.t(needsBank ? "payment.bank_title" : "payment.declined_title"),
        text: this.t(needsBank ? "payment.bank" : "payment.declined"),
      }),
    );
  }

  refuse(error, again) {
    if (error instanceof Problem && error.code === "nothing_to_pay") return this.booking.paid();
    this.say(notice({ kind: "warn", role: "alert", title: this.t("problem.title"), text: words(this.t, error), actions: again ? [button(this.t("again"), again)] : [] }));
  }

  say(node) {
    fill(this.place, node);
    node.querySelector("[tabindex='-1']")?.focus();
  }

  setBusy(isBusy) {
    this.isBusy = isBusy;
    this.button?.setAttribute("aria-disabled", String(isBusy));
    this.button?.classList.toggle("busy", isBusy);
  }
}
