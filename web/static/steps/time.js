// When, and with whom.

import { Calendar } from "../calendar.js";
import { fill, h, icon } from "../dom.js";
import { addMonths } from "../format.js";
import { button, notice, patiently, showFailure } from "../patience.js";
import { monthOf } from "../slots.js";

export function timeStep(booking) {
  const step = new TimeStep(booking);
  step.open();
  return { title: booking.t(booking.model.isMove ? "time.title_move" : "time.title"), node: step.node };
}

class TimeStep {
  constructor(booking) {
    this.booking = booking;
    this.t = booking.t;
    this.format = booking.format;
    this.slots = booking.slots();
    this.times = h("div", { class: "times" });
    this.calendar = new Calendar({
      t: this.t,
      format: this.format,
      first: this.slots.today,
      last: this.slots.lastDay,
      on: { choose: (day) => this.showDay(day, true), month: (month) => this.showMonth(month) },
    });
    this.node = h(
      "div",
      { class: "time-step" },
      h("div", { class: "choices" }, this.providers(), this.zones()),
      h("div", { class: "when" }, this.calendar.node, this.times),
    );
  }

  providers() {
    const { model } = this.booking;
    const able = model.providers.filter((one) => one.available && model.service.required_skills.every((skill) => one.skills.includes(skill)));
    if (able.length < 2 && !model.providerId) return null;
    const choose = (event) => this.booking.setProvider(event.target.value || null);
    const options = [["", this.t("provider.anybody")], ...able.map((one) => [one.id, one.name])];
    return h(
      "div",
      { class: "field inline" },
      h("label", { for: "provider" }, this.t("provider.label")),
      h(
        "span",
        { class: "select" },
        h(
          "select",
          { id: "provider", class: "input", on: { change: choose } },
          options.map(([id, name]) => h("option", { value: id, selected: id === (model.providerId ?? "") }, name)),
        ),
        icon("down"),
      ),
    );
  }

  zones() {
    const now = new Date();
    const names = { zone: this.format.zoneName(now), business: this.booking.model.business.name };
    const other = this.format.differs(now) && this.t("time.zone_home", { ...names, home: this.format.zoneName(now, this.format.home) });
    return h("p", { class: "zone" }, icon("globe"), h("span", {}, this.t("time.zone", names), other && ` ${other}`));
  }

  /** The first month with a free time, at its first day. */
  async open() {
    this.showWaiting();
    await this.reading(async () => {
      const wanted = this.booking.model.slot?.starts_at.slice(0, 10);
      const day = await this.slots.firstDay(wanted ?? this.slots.today);
      if (day === null) return this.showNothing();
      await this.showMonth(monthOf(day), day);
    });
  }

  async showMonth(month, day = null) {
    this.showWaiting();
    await this.reading(async () => {
      const counts = await this.slots.month(month);
      if (this.calendar.month !== month && day === null) return; // turned on in the meantime
      const first = day ?? [...counts.keys()].sort()[0] ?? null;
      const { focused, hasFocus } = this.calendar;
      this.calendar.show(day ?? (hasFocus || counts.has(focused) ? focused : (first ?? focused)), counts);
      const next = addMonths(month, 1);
      if (next <= this.slots.lastDay) this.slots.month(next).catch(() => {});
      this.booking.prepare();
      if (first === null) await this.showFull(month);
      else this.showDay(first, false);
    });
  }

  showDay(day, isChosen) {
    this.calendar.select(day);
    const slots = this.calendar.counts?.get(day) ?? [];
    if (isChosen) {
      this.calendar.focus();
      this.booking.announce(`${this.format.day(day, { weekday: "long", day: "numeric", month: "long" })}: ${this.t("time.count", { n: slots.length })}`);
    }
    const parts = Object.entries(Object.groupBy(slots, partOfDay));
    fill(
      this.times,
      h("h3", { class: "day-title" }, this.format.day(day, { weekday: "long", day: "numeric", month: "long" })),
      parts.map(([part, inPart]) => [
        parts.length > 1 && h("h4", { class: "part" }, this.t(`time.${part}`)),
        h("ul", { class: "slots", role: "list" }, inPart.map((slot) => h("li", {}, this.slot(slot)))),
      ]),
    );
  }

  slot(slot) {
    const { model, format, t } = this.booking;
    const start = new Date(slot.starts_at);
    const home = format.differs(start) && format.homeTime(start);
    const seats = model.service.capacity > 1 && t("time.seats", { n: slot.seats_left });
    return h(
      "button",
      {
        type: "button",
        class: "slot",
        "data-at": slot.starts_at,
        "aria-pressed": model.slot?.starts_at === slot.starts_at ? "true" : null,
        on: { click: () => this.booking.chooseSlot(slot) },
      },
      h("span", { class: "slot-time" }, format.time(start)),
      home && h("span", { class: "slot-more" }, t("time.home", { time: home })),
      seats && h("span", { class: "slot-more" }, seats),
    );
  }

  showWaiting() {
    fill(this.times, h("div", { class: "skeleton", "aria-hidden": "true" }, Array.from({ length: 6 }, () => h("span"))), h("p", { class: "unseen" }, this.t("time.reading")));
  }

  /** A month without a free time: which day is the next. */
  async showFull(month) {
    const next = await this.slots.firstDay(month);
    if (next === null) return this.showNothing();
    fill(
      this.times,
      notice({
        picture: "calendar",
        title: this.t("time.full_title", { month: this.format.day(month, { month: "long" }) }),
        text: this.t("time.full"),
        actions: [button(this.t("time.next_free", { day: this.format.day(next, { weekday: "long", day: "numeric", month: "long" }) }), () => this.showMonth(monthOf(next), next), { class: "main-button" })],
      }),
    );
  }

  showNothing() {
    const { model } = this.booking;
    this.calendar.show(this.slots.today, new Map());
    const anybody = model.providerId && button(this.t("time.ask_anybody"), () => this.booking.setProvider(null));
    fill(
      this.times,
      notice({ picture: "calendar", title: this.t("time.nothing_title"), text: this.t("time.nothing", { business: model.business.name }), actions: anybody ? [anybody] : [] }),
    );
  }

  async reading(work) {
    const slow = () => this.times.append(h("p", { class: "slow" }, this.t("slow")));
    try {
      await patiently(work, slow);
    } catch (error) {
      if (this.booking.refuses(error)) return;
      this.slots.forget();
      showFailure(this.times, this.t, error, () => this.open());
    }
  }
}

function partOfDay(slot) {
  const hour = Number(slot.starts_at.slice(11, 13));
  return hour < 12 ? "morning" : hour < 17 ? "afternoon" : "evening";
}
