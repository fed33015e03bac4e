// A month of days as a grid (ARIA Authoring Practices, date grid): arrows, Home, End, PageUp and PageDown move,
// Enter and space choose. Days without free times can be reached too, and say so.

import { fill, h, icon } from "./dom.js";
import { addDays, addMonths } from "./format.js";
import { monthOf } from "./slots.js";

const WEEK = 7;

export class Calendar {
  /** `on` has `choose(day)` and `month(first)`; days are `2027-03-31`. */
  constructor({ t, format, first, last, on }) {
    Object.assign(this, { t, format, first, last, on });
    this.focused = first;
    this.selected = null;
    this.counts = null;
    this.title = h("h3", { class: "month", id: "month", "aria-live": "polite" });
    this.before = this.turner("back", -1, "time.previous_month");
    this.after = this.turner("forward", 1, "time.next_month");
    this.body = h("tbody");
    this.grid = h(
      "table",
      { class: "days", role: "grid", "aria-labelledby": "month", on: { keydown: (event) => this.key(event) } },
      h("thead", {}, this.weekdays()),
      this.body,
    );
    this.node = h("div", { class: "calendar" }, h("div", { class: "turn" }, this.before, this.title, this.after), this.grid);
    this.draw();
  }

  get month() {
    return monthOf(this.focused);
  }

  /** Show this month; `counts` are its free times by day, null while they are being read. */
  show(day, counts) {
    this.focused = day < this.first ? this.first : day > this.last ? this.last : day;
    this.counts = counts;
    this.draw();
  }

  select(day) {
    this.selected = day;
    if (day && !this.hasFocus) this.focused = day;
    this.draw();
  }

  turner(picture, months, key) {
    const click = () => this.turn(months);
    return h("button", { type: "button", class: "round", "aria-label": this.t(key), on: { click } }, icon(picture));
  }

  turn(months) {
    if (!this.canTurn(months)) return;
    const target = addMonths(this.month, months);
    this.focused = target < this.first ? this.first : target;
    this.counts = null;
    this.draw();
    this.on.month(this.month);
  }

  canTurn(months) {
    const target = addMonths(this.month, months);
    return target >= monthOf(this.first) && target <= this.last;
  }

  weekdays() {
    const start = this.format.firstWeekday();
    const monday = "2024-01-01";
    const days = Array.from({ length: WEEK }, (_, index) => addDays(monday, ((start - 1 + index) % WEEK)));
    const cell = (day) =>
      h(
        "th",
        { scope: "col", abbr: this.format.day(day, { weekday: "long" }) },
        this.format.day(day, { weekday: "short" }),
      );
    return h("tr", {}, days.map(cell));
  }

  /** Whether somebody moves through the days: then only they move the focus. */
  get hasFocus() {
    return this.body.contains(this.body.getRootNode().activeElement);
  }

  draw() {
    const { hasFocus, month } = this;
    fill(this.title, this.format.month(...month.split("-").slice(0, 2).map(Number)));
    this.before.setAttribute("aria-disabled", String(!this.canTurn(-1)));
    this.after.setAttribute("aria-disabled", String(!this.canTurn(1)));
    this.grid.classList.toggle("reading", this.counts === null);
    this.grid.setAttribute("aria-busy", String(this.counts === null));
    fill(this.body, this.weeks(month).map((week) => h("tr", {}, week.map((day) => this.cell(day, month)))));
    if (hasFocus) this.focus();
  }

  weeks(month) {
    const weekday = ((new Date(`${month}T00:00:00Z`).getUTCDay() + WEEK - this.format.firstWeekday()) % WEEK + WEEK) % WEEK;
    const start = addDays(month, -weekday);
    // Always six weeks: nothing below the calendar moves when the month changes.
    return Array.from({ length: 6 }, (_, week) =>
      Array.from({ length: WEEK }, (_, index) => addDays(start, week * WEEK + index)),
    );
  }

  cell(day, month) {
    if (monthOf(day) !== month) return h("td", { class: "outside" });
    const count = this.counts?.get(day)?.length ?? 0;
    const date = this.format.day(day, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
    const state = this.counts === null ? this.t("time.reading") : count ? this.t("time.count", { n: count }) : this.t("time.none");
    const button = h(
      "button",
      {
        type: "button",
        tabindex: day === this.focused ? "0" : "-1",
        "aria-label": `${date}, ${state}`,
        "aria-disabled": String(!count),
        "aria-current": day === this.first ? "date" : null,
        "data-day": day,
        on: { click: () => this.choose(day) },
      },
      this.format.day(day, { day: "numeric" }).replace(/\D+$/, ""),
    );
    return h("td", { role: "gridcell", "aria-selected": String(day === this.selected), class: count ? "free" : null }, button);
  }

  choose(day) {
    this.move(day);
    if (this.counts?.get(day)?.length) this.on.choose(day);
  }

  key(event) {
    const step = this.step(event);
    if (step === null) return;
    event.preventDefault();
    this.move(step);
  }

  step({ key, shiftKey }) {
    const isRight = getComputedStyle(this.grid).direction === "rtl" ? -1 : 1;
    const column = (new Date(`${this.focused}T00:00:00Z`).getUTCDay() + WEEK - (this.format.firstWeekday() % WEEK)) % WEEK;
    const steps = {
      ArrowLeft: () => addDays(this.focused, -isRight),
      ArrowRight: () => addDays(this.focused, isRight),
      ArrowUp: () => addDays(this.focused, -WEEK),
      ArrowDown: () => addDays(this.focused, WEEK),
      Home: () => addDays(this.focused, -column),
      End: () => addDays(this.focused, WEEK - 1 - column),
      PageUp: () => addMonths(this.focused, shiftKey ? -12 : -1),
      PageDown: () => addMonths(this.focused, shiftKey ? 12 : 1),
    };
    return key in steps ? steps[key]() : null;
  }

  /** Move the focus to a day, into another month if it lies there. */
  move(day) {
    const target = day < this.first ? this.first : day > this.last ? this.last : day;
    const turned = monthOf(target) !== this.month;
    this.focused = target;
    if (turned) this.counts = null;
    this.draw();
    this.focus();
    if (turned) this.on.month(this.month);
  }

  focus() {
    this.body.querySelector("[tabindex='0']")?.focus();
  }
}
