// `<holdfast-manage>`: a booking in its customer's hand, by the token of its manage link.

import { Api, Problem } from "./api.js";
import { fill, h, icon } from "./dom.js";
import { Format, ownZone } from "./format.js";
import { calendarEntry } from "./manage/calendar-entry.js";
import { cancelDialog } from "./manage/cancelling.js";
import { Files } from "./manage/files.js";
import { lifecycle } from "./manage/lifecycle.js";
import { Live } from "./manage/live.js";
import manageSheet from "./manage.css.js";
import { button, notice, showFailure } from "./patience.js";
import { PaymentStep } from "./steps/payment.js";
import { chooseLanguage, loadTexts } from "./texts.js";
import "./widget.js";
import sheet from "./widget.css.js";

const MOVABLE = new Set(["pending", "assigned", "accepted", "rejected"]);
const CANCELLABLE = new Set([...MOVABLE, "in_progress", "no_show"]);
const MINUTE = 60_000;

class HoldfastManage extends HTMLElement {
  connectedCallback() {
    this.root ??= this.attachShadow({ mode: "open" });
    this.root.adoptedStyleSheets = [sheet, manageSheet];
    this.frame = h("div", { class: "frame manage" }, h("div", { class: "skeleton page", "aria-hidden": "true" }, Array.from({ length: 4 }, () => h("span"))));
    this.status = h("p", { class: "unseen", role: "status" });
    this.root.append(this.frame, this.status);
  }

  disconnectedCallback() {
    this.close();
  }

  /** The token of the link; setting it opens the booking. */
  set token(token) {
    this.close();
    const base = new URL(import.meta.url).origin;
    this.api = new Api(base, token);
    this.start();
  }

  close() {
    this.live?.close();
    clearInterval(this.clock);
    document.removeEventListener("visibilitychange", this.watch);
  }

  async start() {
    const { language, locale } = chooseLanguage([this.getAttribute("locale"), ...navigator.languages]);
    this.frame.lang = language;
    const [own, shared] = await Promise.all([loadTexts("manage", language), loadTexts("booking", language)]);
    this.t = (key, values) => (own(key, values) === key ? shared(key, values) : own(key, values));
    this.locale = locale;
    if (!this.api.token) return this.refuse("no_link");
    try {
      // A link opens one booking, and is all that is known of it.
      const { items } = await this.api.get("/v1/bookings", { limit: 1 });
      if (items.length === 0) return this.refuse("ended");
      this.bookingId = items[0].id;
      await this.read();
      await this.readPlace();
      this.draw();
    } catch (error) {
      if (error instanceof Problem && [401, 404].includes(error.status)) return this.refuse("ended");
      return showFailure(this.frame, this.t, error, () => this.start());
    }
    this.listen();
    this.clock = setInterval(() => this.drawStatus(), MINUTE);
    // A browser has few connections to one server: a page that nobody sees keeps none.
    this.watch = () => (document.hidden ? this.live?.close() : this.listen());
    document.addEventListener("visibilitychange", this.watch);
  }

  listen() {
    this.live?.close();
    const connected = (isThere) => this.showConnection(isThere);
    this.live = new Live(this.api, this.bookingId, { changed: () => this.refresh(), connected });
  }

  refuse(name) {
    fill(this.frame, notice({ picture: "alert", level: "h1", title: this.t(`${name}.title`), text: this.t(`${name}.text`) }));
  }

  /** The booking as it is now. */
  async read() {
    const path = `/v1/bookings/${this.bookingId}`;
    const payment = this.api.get(`${path}/payment`).catch((error) => {
      if (error instanceof Problem && error.status === 404) return null;
      throw error;
    });
    const [booking, next, history, paid] = await Promise.all([this.api.request("GET", path), this.api.get(`${path}/next`), this.api.get(`${path}/history`), payment]);
    Object.assign(this, { booking: booking.body, etag: booking.etag, next, history: history.items, payment: paid });
  }

  /** What does not change with the booking. */
  async readPlace() {
    const path = `/v1/businesses/${this.booking.business_id}`;
    const open = new Api(this.api.base); // the catalogue is public, and cached without a token
    const [business, services, providers] = await Promise.all([open.get(path), open.get(`${path}/services`), open.get(`${path}/providers`)]);
    this.business = business;
    this.service = services.items.find((one) => one.id === this.booking.service_id) ?? null;
    this.service ??= await open.get(`${path}/services/${this.booking.service_id}`).catch(() => ({ name: this.t("service_gone"), id: null }));
    this.providers = providers.items;
    this.format = new Format(this.locale, ownZone(), this.booking.timezone);
    document.title = `${this.service.name} – ${business.name}`;
  }

  /** Read again, and say what is new. Calls while one runs lead to one more. */
  async refresh() {
    if (this.reading) {
      this.isStale = true;
      return this.reading;
    }
    this.reading = (async () => {
      do {
        this.isStale = false;
        const before = this.booking;
        await this.read();
        if (before.version !== this.booking.version) this.status.textContent = this.headline();
        this.draw();
      } while (this.isStale);
    })()
      .catch(() => this.showConnection(false))
      .finally(() => (this.reading = null));
    return this.reading;
  }

  // --- what is shown ------------------------------------------------------------------------------------------

  /** Draw everything once, later only what changes: an open dialog or a chosen file stays. */
  draw() {
    if (!this.parts) {
      this.heading = h("h1", { class: "status-title", tabindex: "-1" });
      this.parts = { status: h("div"), actions: h("div", { class: "sections" }), payment: h("div"), facts: h("div"), move: h("div", { class: "move" }) };
      this.files = new Files(this);
      const { status, actions, payment, facts, move } = this.parts;
      this.connection = h("p", { class: "connection", hidden: true }, icon("offline"), this.t("live.lost"));
      fill(
        this.frame,
        h(
          "div",
          { class: "columns" },
          h("section", { class: "main" }, this.connection, h("div", {}, h("p", { class: "eyebrow" }, this.business.name), this.heading, status), payment, actions, move),
          h("aside", { class: "aside", "aria-label": this.t("facts") }, facts, this.files.node),
        ),
      );
    }
    this.drawStatus();
    this.drawPayment();
    // Only what has changed: a button that is focused, or an opened history, is not taken away.
    const { booking, payment, next } = this;
    const shown = JSON.stringify([booking.version, payment, next.movable_until]);
    if (shown === this.shown) return;
    this.shown = shown;
    const wasFocused = this.parts.actions.contains(this.root.activeElement);
    this.drawActions();
    fill(this.parts.facts, this.facts());
    if (wasFocused) this.heading.focus();
  }

  headline() {
    const { booking, next, t } = this;
    const special = { awaiting_payment: "payment", awaiting_decision: "decision" }[next.phase];
    return t(`headline.${special ?? booking.status}`, { business: this.business.name });
  }

  drawStatus() {
    const { booking, format, t } = this;
    const start = new Date(booking.starts_at);
    const isAhead = MOVABLE.has(booking.status) && start > Date.now();
    fill(this.heading, this.headline());
    fill(
      this.parts.status,
      h("p", { class: "when-line" }, h("strong", {}, format.longDate(start)), " ", h("span", {}, `${format.time(start)} – ${format.time(new Date(booking.ends_at))}`), isAhead && [" ", h("span", { class: "quiet" }, `· ${format.relative(start)}`)]),
      this.homeTime(start),
      lifecycle(this),
      this.nextWords(),
    );
  }

  homeTime(start) {
    const { format, t } = this;
    if (!format.differs(start)) return null;
    return h("p", { class: "quiet" }, t("home_time", { time: format.time(start, format.home), date: format.shortDate(start, format.home), zone: format.zoneName(start, format.home) }));
  }

  /** What happens next, and when. */
  nextWords() {
    const { t, format, next, booking } = this;
    const provider = this.providers.find((one) => one.id === booking.provider_id)?.name;
    const at = next.deadline && format.moment(new Date(next.deadline.at));
    const phase = next.phase === "ended" ? `ended_${booking.status}` : next.phase;
    const known = provider && ["awaiting_answer", "awaiting_start", "in_progress"].includes(next.phase);
    const key = `next.${phase}${known ? "_by" : ""}`;
    const reminder = next.reminders[0] && booking.status === "accepted" && t("next.reminder", { time: format.moment(new Date(next.reminders[0].at)) });
    return h(
      "div",
      { class: "next" },
      h("h2", { class: "block-title" }, t("next.title")),
      h("p", {}, t(key, { provider, at: at ?? "", business: this.business.name })),
      next.deadline && DEADLINES.has(next.deadline.kind) && h("p", { class: "quiet" }, t(`deadline.${next.deadline.kind}`, { at })),
      reminder && h("p", { class: "quiet" }, reminder),
    );
  }

  facts() {
    const { t, format, booking, service, payment } = this;
    const provider = this.providers.find((one) => one.id === booking.provider_id);
    const shows = provider && ["accepted", "in_progress", "completed"].includes(booking.status);
    const fact = (key, ...value) => h("div", {}, h("dt", {}, t(key)), h("dd", {}, value));
    return [
      h(
        "dl",
        { class: "facts-list plain-list" },
        fact("fact.service", service.name),
        shows && fact("fact.provider", provider.name),
        fact("fact.price", booking.price.amount_minor ? format.money(booking.price) : t("free")),
        payment && fact("fact.payment", t(`payment_state.${payment.state}`, { amount: format.money(payment.state === "refunded" ? payment.refunded : payment.amount) }), payment.keep?.amount_minor > 0 && h("span", { class: "quiet" }, ` ${t("payment_kept", { amount: format.money(payment.keep) })}`)),
        fact("fact.reference", h("strong", { class: "reference" }, booking.reference)),
      ),
      this.historyNode(),
    ];
  }

  historyNode() {
    const { t, format, history } = this;
    const wasOpen = this.parts.facts.querySelector("details")?.open;
    const words = (step) => t(`history.${OF_THEIR_KIND.has(step.kind) ? step.kind : step.new_status}`);
    const row = (step) => h("li", {}, h("span", {}, words(step)), h("span", { class: "quiet" }, format.moment(new Date(step.occurred_at))));
    const shown = history.filter((step) => !INTERNAL.has(step.kind) && step.new_status !== "pending" || OF_THEIR_KIND.has(step.kind));
    return h("details", { class: "history", open: Boolean(wasOpen) }, h("summary", {}, t("history.title")), h("ol", { role: "list" }, shown.map(row)));
  }

  drawActions() {
    const { t, booking, next } = this;
    const isMovable = next.movable_until && new Date(next.movable_until) > Date.now() && this.service.id && this.business.status === "active";
    const isCancellable = CANCELLABLE.has(booking.status);
    const isLive = booking.status !== "cancelled" && booking.status !== "completed";
    const again = `${this.api.base}/b/${this.business.slug}${this.service.code ? `?service=${this.service.code}` : ""}`;
    fill(
      this.parts.actions,
      isLive && h("section", { class: "block" }, h("h2", { class: "block-title" }, t("calendar.title")), calendarEntry(this)),
      h(
        "section",
        { class: "block" },
        h("h2", { class: "block-title" }, t("actions")),
        h(
          "div",
          { class: "actions" },
          isMovable && button(t("move.open"), () => this.openMove(), { class: "plain", id: "move" }),
          isCancellable && button(t("cancel.open"), () => this.openCancel(), { class: "plain danger-line" }),
          !isLive && h("a", { class: "main-button", href: again }, t("again_link")),
        ),
      ),
    );
    if (!isMovable) fill(this.parts.move);
  }

  drawPayment() {
    const waits = this.next.phase === "awaiting_payment";
    if (!waits) {
      this.paying?.stop();
      this.paying = null;
      return fill(this.parts.payment);
    }
    if (this.paying) return;
    this.paying = new PaymentStep({ t: this.t, format: this.format, bookingApi: this.api, bookingId: this.booking.id, paid: () => this.refresh() });
    this.paying.open();
    fill(this.parts.payment, h("section", { class: "block" }, h("h2", { class: "block-title" }, this.t("payment.title")), this.paying.node));
  }

  openCancel() {
    const dialog = cancelDialog(this);
    this.root.append(dialog);
    dialog.showModal();
  }

  openMove() {
    const element = document.createElement("holdfast-booking");
    element.setAttribute("business", this.business.id);
    element.setAttribute("locale", this.locale);
    element.move = { booking: this.booking, api: this.api, etag: () => this.etag };
    element.addEventListener("holdfast-moved", async () => {
      fill(this.parts.move);
      await this.refresh();
      this.focusStatus();
    });
    const close = () => {
      fill(this.parts.move);
      this.root.getElementById("move")?.focus();
    };
    fill(this.parts.move, h("section", { class: "block" }, h("div", { class: "move-head" }, h("h2", { class: "block-title", tabindex: "-1" }, this.t("move.title")), button(this.t("move.close"), close)), element));
    this.parts.move.querySelector("h2").focus();
    this.parts.move.scrollIntoView({ block: "start" });
  }

  focusStatus() {
    this.heading.focus();
    this.heading.scrollIntoView({ block: "center" });
  }

  showConnection(isThere) {
    if (this.connection) this.connection.hidden = isThere;
  }
}

/** Deadlines that concern the customer. */
const DEADLINES = new Set(["payment_expires", "offer_expires", "booking_expires"]);

/** Steps that are named by their kind, and steps that do not concern the customer. */
const OF_THEIR_KIND = new Set(["created", "rescheduled", "payment_asked", "paid"]);
const INTERNAL = new Set(["attempt_failed", "flagged"]);

customElements.define("holdfast-manage", HoldfastManage);
