// `<holdfast-booking business="…">`: choosing a time, and booking it. A client of `/v1` like any other.

import { Api, Problem, Unreachable, newKey } from "./api.js";
import { aside, backButton, progress } from "./beside.js";
import { fill, h } from "./dom.js";
import { Format, ownZone } from "./format.js";
import { Hold } from "./hold.js";
import { notice, patiently, showFailure } from "./patience.js";
import { Slots } from "./slots.js";
import { priceOf, serviceStep } from "./steps/service.js";
import { timeStep } from "./steps/time.js";
import { chooseLanguage, loadTexts } from "./texts.js";
import sheet from "./widget.css.js";

const STEPS = { service: serviceStep, time: timeStep };
/** Loaded while people look at times: the first look needs none of them. */
const LATER = {
  place: () => import("./steps/place.js"),
  details: () => import("./steps/details.js"),
  move: () => import("./steps/move.js"),
  payment: () => import("./steps/payment.js"),
  done: () => import("./steps/done.js"),
};
const CLOSED = { setup: "closed.setup", suspended: "closed.suspended" };

class HoldfastBooking extends HTMLElement {
  connectedCallback() {
    if (this.root) return;
    this.root = this.attachShadow({ mode: "open" });
    this.root.adoptedStyleSheets = [sheet];
    this.base = new URL(this.getAttribute("api") ?? import.meta.url, document.baseURI).origin;
    this.api = new Api(this.base);
    this.hold = new Hold(this.api);
    this.status = h("p", { class: "unseen", role: "status" });
    this.frame = h("div", { class: "frame" }, this.skeleton());
    this.root.append(this.frame, this.status);
    this.start();
  }

  disconnectedCallback() {
    this.hold?.close();
  }

  skeleton() {
    return h("div", { class: "skeleton page", "aria-hidden": "true" }, Array.from({ length: 4 }, () => h("span")));
  }

  /** Everything that does not depend on a choice, in one round trip. */
  async start() {
    const chosen = chooseLanguage([this.getAttribute("locale"), ...navigator.languages]);
    this.locale = chosen.locale;
    this.frame.lang = chosen.language;
    const key = this.getAttribute("business") ?? "";
    const path = `/v1/businesses/${encodeURIComponent(key)}`;
    this.t ??= await loadTexts("booking", chosen.language);
    try {
      const read = () => Promise.all([this.api.get(path), ...["services", "providers", "areas"].map((part) => this.api.get(`${path}/${part}`))]);
      const slow = () => this.announce(this.t("slow"));
      const [business, { items: services }, { items: providers }, { areas }] = await patiently(read, slow);
      this.format = new Format(this.locale, ownZone(), business.timezone);
      this.model = new Model(business, services, providers, areas);
      if (this.move) return this.openMove();
      this.model.prefill = this.prefilled();
      this.emit("viewed", { business_id: business.id });
      this.open();
    } catch (error) {
      if (error instanceof Problem && error.status === 404) return this.show(notice({ picture: "alert", title: this.t("closed.missing_title"), text: this.t("closed.missing"), level: "h2" }));
      showFailure(this.frame, this.t, error, () => this.start());
    }
  }

  prefilled() {
    return Object.fromEntries(["name", "email", "phone", "notes"].map((name) => [name, this.dataset[name]]).filter(([, value]) => value));
  }

  /** Begin where the attributes lead. */
  open() {
    const { model } = this;
    const { status, name } = model.business;
    if (status in CLOSED) return this.show(notice({ picture: "calendar", title: this.t(`${CLOSED[status]}_title`, { business: name }), text: this.t(CLOSED[status], { business: name }), level: "h2" }));
    if (!model.business.guest_bookings) return this.show(notice({ picture: "person", title: this.t("closed.account_title", { business: name }), text: this.t("closed.account", { business: name }), level: "h2" }));
    const draft = this.draft ?? {};
    model.typed = draft.typed ?? {};
    model.providerId = model.providers.find((one) => [one.id, one.code].includes(this.getAttribute("provider")))?.id ?? null;
    model.postalCode = draft.postalCode ?? null;
    const wanted = draft.service ?? this.getAttribute("service");
    model.service = model.services.find((one) => [one.id, one.code].includes(wanted)) ?? null;
    if (model.service === null && model.services.length === 1 && !draft.step) model.service = model.services[0];
    model.slot = draft.slot ?? null;
    model.key = draft.key ?? null;
    model.booking = draft.booking ?? null;
    const step = this.reachable(draft.step ?? "details");
    if (step === "details") this.hold.take(model);
    this.go(step, { isQuiet: true });
  }

  /** Go back, or forward again, to a state that `holdfast-changed` gave; what is typed stays. */
  return(state) {
    const { model } = this;
    if (!model?.step) return;
    model.service = model.services.find((one) => one.code === state.service) ?? null;
    Object.assign(model, { slot: state.slot, postalCode: state.postalCode, booking: state.booking ?? null });
    this.found = null;
    this.go(this.reachable(state.step));
  }

  /** Another time for a booking that exists: the page around sets `move`. */
  openMove() {
    const { model } = this;
    const { booking } = this.move;
    model.isMove = true;
    model.service = model.services.find((one) => one.id === booking.service_id) ?? null;
    model.providerId = booking.status === "pending" || booking.status === "rejected" ? null : booking.provider_id;
    if (model.service === null) return this.show(notice({ picture: "calendar", title: this.t("closed.missing_title"), level: "h3" }));
    this.go(model.areas.length > 0 ? "place" : "time", { isQuiet: true });
  }

  /** The step itself, or the first one before it that still has to be answered. */
  reachable(step) {
    const { model } = this;
    if (step === "service" || !model.service) return "service";
    if (model.booking && (step === "payment" || step === "done")) return step;
    if (step === "place" || (model.areas.length > 0 && !model.postalCode)) return model.areas.length > 0 ? "place" : "time";
    return step === "time" || !model.slot ? "time" : "details";
  }

  /** Show a step. With `isQuiet` nothing is said or focused: the page has just been opened. */
  async go(step, { isQuiet = false } = {}) {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const make = STEPS[step] ?? (await this.load(step, isQuiet));
    if (!make || turn !== this.turn) return;
    this.current?.leave?.();
    this.model.step = step;
    this.current = make(this);
    const { title, node, focus } = this.current;
    const heading = title && h("h2", { class: "title", tabindex: "-1" }, title);
    this.show(
      h(
        "div",
        { class: `layout at-${step}` },
        step !== "done" && aside(this),
        h("section", { class: "main" }, step !== "done" && progress(this), h("div", { class: "heading" }, step !== "done" && backButton(this), heading), node),
      ),
    );
    if (!isQuiet) {
      const target = focus ?? heading ?? node.querySelector("[tabindex='-1']");
      target?.focus({ preventScroll: true });
      this.scrollToTop();
    }
    this.changed();
    this.emit("step", { step });
  }

  async load(step, isQuiet) {
    try {
      return (await LATER[step]()).step;
    } catch (error) {
      const again = () => this.go(step, { isQuiet });
      showFailure(this.frame, this.t, new Unreachable(error.message), again);
      return null;
    }
  }

  /** Load what comes, once there is time. */
  prepare() {
    const load = () => ["details", this.model.isMove ? "move" : "done"].forEach((step) => LATER[step]().catch(() => {}));
    (globalThis.requestIdleCallback ?? setTimeout)(load);
  }

  show(...nodes) {
    fill(this.frame, nodes);
  }

  scrollToTop() {
    if (this.getBoundingClientRect().top < 0) this.scrollIntoView({ block: "start" });
  }

  /** A time in words, in the visitor's zone, and the business's where it differs. */
  when(slot) {
    const start = new Date(slot.starts_at);
    const { format, t } = this;
    const home = format.differs(start) ? ` (${t("time.home", { time: format.homeTime(start) })})` : "";
    return `${format.shortDate(start)}, ${format.time(start)}${home}`;
  }

  announce(text) {
    this.status.textContent = text;
  }

  // --- what steps ask for -------------------------------------------------------------------------------------

  choose(service) {
    const { model } = this;
    if (model.service !== service) Object.assign(model, { service, slot: null, key: null });
    this.found = null;
    this.emit("service", { service_id: service.id });
    this.go(this.reachable("time"));
  }

  setPlace(postalCode) {
    Object.assign(this.model, { postalCode, isOutside: false });
    this.found = null;
    this.go("time");
  }

  setProvider(providerId) {
    Object.assign(this.model, { providerId, slot: null });
    this.found = null;
    this.go("time");
    this.root.getElementById("provider")?.focus();
  }

  slots() {
    const { model } = this;
    const query = { service_id: model.service.id, provider_id: model.providerId, postal_code: model.postalCode };
    this.found ??= new Slots(this.api, model.business.id, query, this.format.zone, model.service.horizon_days, model.isMove);
    return this.found;
  }

  forgetSlots() {
    this.found = null;
  }

  chooseSlot(slot) {
    if (this.model.isMove) {
      this.model.slot = slot;
      return this.go("move");
    }
    this.keep(slot);
    this.go("details");
  }

  /** Another time for a form that is being filled in. */
  async takeSlot(slot) {
    this.keep(slot);
    this.slotNode?.replaceChildren(this.when(slot));
    this.changed();
  }

  keep(slot) {
    Object.assign(this.model, { slot, key: null });
    this.hold.take(this.model);
    this.emit("time", { service_id: this.model.service.id, starts_at: slot.starts_at });
  }

  typing() {
    this.changed();
    this.hold.renew();
  }

  watchHold(node, onLost) {
    this.hold.watch(node, this.t, onLost);
  }

  setPrice(price) {
    this.model.service = { ...this.model.service, price };
    this.model.key = null;
    this.priceNode?.replaceChildren(priceOf(this.t, this.format, price));
  }

  /** Book. The same key until something changes: a booking whose answer was lost is not made twice. */
  async book(details) {
    const { model } = this;
    const body = {
      business_id: model.business.id,
      service_id: model.service.id,
      starts_at: model.slot.starts_at,
      provider_id: model.providerId ?? undefined,
      expected_price: model.service.price,
      ...details,
      customer: { ...details.customer, locale: this.locale, timezone: this.format.zone },
      attribution: this.attribution,
    };
    model.booking = await this.post(body);
    this.hold.forget();
    this.emit("booked", { booking_id: model.booking.id, reference: model.booking.reference });
    this.go(model.booking.payment === "awaiting" ? "payment" : "done");
  }

  async post(body) {
    const { model } = this;
    const claim = await this.hold.claim();
    const content = JSON.stringify({ ...body, ...claim });
    if (model.key?.content !== content) model.key = { content, value: newKey() };
    this.changed();
    try {
      return await this.api.post("/v1/bookings", { ...body, ...claim }, { key: model.key.value });
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== "hold_expired" || !claim.hold_id) throw error;
      this.hold.forget();
      return this.post(body); // the time may still be free
    }
  }

  get bookingId() {
    return this.model.booking.id;
  }

  get bookingApi() {
    return this.api.as(this.model.booking.manage?.token);
  }

  paid() {
    this.go("done");
  }

  restart() {
    const { business, services, providers, areas, typed, prefill } = this.model;
    this.model = Object.assign(new Model(business, services, providers, areas), { typed, prefill });
    this.found = null;
    this.go("service");
  }

  /** Handle a refusal that leads to another step; false: the step shows it. */
  refuses(error) {
    if (!(error instanceof Problem)) return false;
    if (error.code === "outside_service_area") {
      this.model.isOutside = true;
      this.go("place");
      return true;
    }
    // A zone that the browser knows and the server does not: the business's own is as good.
    const isZone = error.errors.some(({ pointer }) => pointer === "/query/timezone");
    if (!isZone || this.format.zone === this.format.home) return false;
    this.format.zone = this.format.home;
    this.found = null;
    this.go("time", { isQuiet: true });
    return true;
  }

  // --- the page around ----------------------------------------------------------------------------------------

  /** What a page may keep so that a reload loses nothing. */
  changed() {
    const { step, service, slot, postalCode, typed, key, booking } = this.model;
    this.emit("changed", { step, service: service?.code, slot, postalCode, typed, key, booking });
  }

  emit(name, detail) {
    this.dispatchEvent(new CustomEvent(`holdfast-${name}`, { bubbles: true, composed: true, detail }));
  }
}

/** What is known and chosen. */
class Model {
  constructor(business, services, providers, areas) {
    Object.assign(this, { business, services, providers, areas });
    this.typed = {};
    this.prefill = {};
    this.service = this.slot = this.booking = this.key = this.postalCode = this.providerId = null;
    this.region = new Intl.Locale(business.locale).maximize().region;
  }
}

customElements.define("holdfast-booking", HoldfastBooking);
