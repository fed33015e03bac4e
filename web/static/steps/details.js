// Who, and the booking itself. Whatever is typed stays, whatever happens to the time.

import { Problem, isPassing } from "../api.js";
import { fill, h, icon } from "../dom.js";
import { Field, Summary } from "../fields.js";
import { button, notice, words } from "../patience.js";
import { international } from "../phone.js";

const MEMBERS = { "/body/customer/name": "name", "/body/customer/email": "email", "/body/customer/phone": "phone", "/body/notes": "notes", "/body/address/line1": "line1", "/body/address/city": "city", "/body/address/postal_code": "postal_code" };
const LOST = new Set(["slot_unavailable", "day_full", "hold_expired", "provider_unfit"]);
const MOST_NEAR = 6;

export function step(booking) {
  const details = new DetailsStep(booking);
  return { title: booking.t("details.title"), node: details.node, leave: () => details.remember({ isQuiet: true }) };
}

class DetailsStep {
  constructor(booking) {
    this.booking = booking;
    this.t = booking.t;
    this.fields = this.makeFields();
    this.summary = new Summary(this.t);
    this.place = h("div");
    this.hold = h("p", { class: "hold", hidden: true });
    this.consent = h("input", { type: "checkbox", id: "consent", name: "consent" });
    this.consent.checked = booking.model.typed.consent === true;
    this.send = h("button", { type: "submit", class: "main-button wide" });
    this.node = h(
      "form",
      { class: "form", novalidate: true, on: { submit: (event) => this.submit(event), input: () => this.remember() } },
      this.place,
      this.summary.node,
      Object.values(this.fields).map((field) => field.node),
      this.consentNode(),
      this.terms(),
      this.send,
      this.hold,
    );
    this.setBusy(false);
    booking.watchHold(this.hold, () => this.lost());
  }

  makeFields() {
    const { model } = this.booking;
    const { t } = this;
    const value = (name) => model.typed[name] ?? model.prefill[name] ?? "";
    const make = (name, options) => new Field(t, { name, label: t(`details.${name}`), value: value(name), ...options });
    const fields = {
      name: make("name", { required: true, autocomplete: "name", maxlength: 200 }),
      email: make("email", { type: "email", autocomplete: "email", maxlength: 254, hint: t("details.email_hint"), inputmode: "email" }),
      phone: make("phone", { type: "tel", autocomplete: "tel", maxlength: 40, hint: t("details.phone_hint"), inputmode: "tel" }),
    };
    if (model.areas.length > 0) {
      fields.line1 = make("line1", { required: true, autocomplete: "address-line1", maxlength: 200 });
      fields.city = make("city", { required: true, autocomplete: "address-level2", maxlength: 200 });
    }
    fields.notes = make("notes", { kind: "textarea", optional: true, rows: 3, maxlength: 2000 });
    return fields;
  }

  consentNode() {
    this.consentText = this.t("details.sms_consent", { business: this.booking.model.business.name });
    return h("div", { class: "check" }, this.consent, h("label", { for: "consent" }, this.consentText));
  }

  terms() {
    const { business, service } = this.booking.model;
    const { fee_percent: percent, window_minutes: minutes } = business.booking.cancellation;
    if (!percent || !service.price.amount_minor) return h("p", { class: "terms" }, icon("check"), this.t("details.free_cancellation"));
    const values = { percent: this.booking.format.percent(percent), window: this.booking.format.minutes(minutes) };
    return h("p", { class: "terms" }, icon("alert"), this.t(minutes ? "details.cancellation" : "details.cancellation_always", values));
  }

  /** Keep what is typed; `isQuiet`: the page around is not told. */
  remember({ isQuiet = false } = {}) {
    const { typed } = this.booking.model;
    for (const [name, field] of Object.entries(this.fields)) typed[name] = field.input.value;
    typed.consent = this.consent.checked;
    if (!isQuiet) this.booking.typing();
  }

  check() {
    const { fields, t } = this;
    const wrong = Object.values(fields).filter((field) => field.check() !== null);
    if (!fields.email.value && !fields.phone.value) {
      fields.email.check(t("details.reach"));
      wrong.push(fields.email);
    } else if (fields.email.value && !fields.email.input.validity.valid) {
      fields.email.check(t("details.email_wrong"));
      wrong.push(fields.email);
    }
    const order = Object.values(fields);
    return wrong.sort((one, other) => order.indexOf(one) - order.indexOf(other));
  }

  async submit(event) {
    event.preventDefault();
    if (this.isBusy) return;
    this.remember();
    const wrong = this.check();
    if (wrong.length > 0) return this.summary.show(wrong);
    this.summary.hide();
    fill(this.place);
    this.setBusy(true);
    const slow = setTimeout(() => this.booking.announce(this.t("slow")), 4000);
    try {
      await this.booking.book(this.request());
    } catch (error) {
      this.setBusy(false);
      await this.refused(error);
    } finally {
      clearTimeout(slow);
    }
  }

  request() {
    const { model } = this.booking;
    const value = (name) => this.fields[name]?.value || undefined;
    const region = model.region;
    const phone = value("phone") && international(value("phone"), region);
    const customer = { name: value("name"), email: value("email"), phone, ...(phone && this.consent.checked ? { sms_opt_in: true, sms_consent: this.consentText } : {}) };
    const address = this.fields.line1 && { line1: value("line1"), city: value("city"), postal_code: model.postalCode, country: region };
    return { customer, address, notes: value("notes") };
  }

  async refused(error) {
    if (error instanceof Problem && LOST.has(error.code)) return this.lost();
    if (error instanceof Problem && error.code === "price_changed") return this.repriced(error.body.price);
    if (this.booking.refuses(error)) return;
    const found = this.refusedFields(error);
    if (found.length > 0) return this.summary.show(found);
    const again = isPassing(error) && button(this.t("again"), () => this.node.requestSubmit());
    const title = this.t(navigator.onLine ? "problem.not_booked" : "problem.offline_title");
    this.say(notice({ kind: "warn", role: "alert", picture: navigator.onLine ? "alert" : "offline", title, text: words(this.t, error), actions: again ? [again] : [] }));
    if (!navigator.onLine) addEventListener("online", () => this.node.isConnected && this.node.requestSubmit(), { once: true });
  }

  /** The fields that a 422 points at, with its message. */
  refusedFields(error) {
    if (!(error instanceof Problem)) return [];
    return error.errors.flatMap(({ pointer, message }) => {
      const field = this.fields[MEMBERS[pointer]];
      if (!field) return [];
      field.check(field.name === "phone" ? this.t("details.phone_wrong") : field.name === "email" ? this.t("details.email_wrong") : message);
      return [field];
    });
  }

  /** Somebody else was faster: other times, and everything that was typed. */
  async lost() {
    const { booking, t } = this;
    booking.forgetSlots();
    const near = await booking.slots().near(new Date(booking.model.slot.starts_at), MOST_NEAR).catch(() => []);
    const choice = (slot) => button(booking.when(slot), () => this.take(slot), { class: "slot" });
    this.say(
      notice({
        kind: "warn",
        picture: "clock",
        role: "alert",
        title: t("details.lost_title"),
        text: t(near.length ? "details.lost" : "details.lost_all"),
        actions: [h("ul", { class: "slots near", role: "list" }, near.map((slot) => h("li", {}, choice(slot)))), button(t("details.other_times"), () => booking.go("time"))],
      }),
    );
  }

  async take(slot) {
    fill(this.place);
    await this.booking.takeSlot(slot);
    this.booking.watchHold(this.hold, () => this.lost());
    this.send.focus();
  }

  repriced(price) {
    const { booking, t } = this;
    const old = booking.format.money(booking.model.service.price);
    booking.setPrice(price);
    this.setBusy(false);
    this.say(notice({ kind: "warn", picture: "price", role: "alert", title: t("details.price_title"), text: t("details.price", { old, price: booking.format.money(price) }) }));
  }

  say(node) {
    fill(this.place, node);
    node.querySelector("[tabindex='-1']")?.focus();
    node.scrollIntoView({ block: "nearest" });
  }

  setBusy(isBusy) {
    this.isBusy = isBusy;
    this.send.setAttribute("aria-disabled", String(isBusy));
    const pays = this.booking.model.service.payment_mode !== "none";
    fill(this.send, isBusy ? [h("span", { class: "spinner", "aria-hidden": "true" }), this.t("details.sending")] : this.t(pays ? "details.send_and_pay" : "details.send"));
  }
}
