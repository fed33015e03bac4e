// Free times, month by month: each month is asked once, and the next one before it is needed.

import { addDays, addMonths, dayIn } from "./format.js";

const FARTHEST_DAYS = 365;
const WINDOW_DAYS = 62;

/** The first day of a day's month. */
export function monthOf(day) {
  return `${day.slice(0, 8)}01`;
}

export class Slots {
  /** `query` is what the API is asked beside the window: service, provider, postal code. */
  constructor(api, business, query, zone, horizonDays, wantsProviders = false) {
    this.api = api;
    this.path = `/v1/businesses/${encodeURIComponent(business)}/slots`;
    this.query = query;
    this.wantsProviders = wantsProviders;
    this.zone = zone;
    this.today = dayIn(zone, new Date());
    this.lastDay = addDays(this.today, Math.min(horizonDays ?? FARTHEST_DAYS, FARTHEST_DAYS));
    this.months = new Map();
  }

  /** Free times of the month by day: a `Map` of `2027-03-31` to slots. */
  month(first) {
    if (!this.months.has(first)) {
      const from = first < this.today ? this.today : first;
      const reading = this.read(from, addMonths(first, 1));
      this.months.set(first, reading);
      reading.catch(() => this.months.delete(first));
    }
    return this.months.get(first);
  }

  /** The first day from this one on that has a free time, and its slots; null: there is none. */
  async firstDay(from = this.today) {
    const first = await this.month(monthOf(from));
    const known = [...first.keys()].filter((day) => day >= from).sort()[0];
    if (known) return known;
    for (let start = addMonths(monthOf(from), 1); start <= this.lastDay; start = addDays(start, WINDOW_DAYS)) {
      const days = await this.read(start, addDays(start, WINDOW_DAYS));
      const found = [...days.keys()].sort()[0];
      if (found) return found;
    }
    return null;
  }

  /** Free times near this moment, the nearest first. */
  async near(moment, count) {
    const day = dayIn(this.zone, moment);
    const from = addDays(day, -2) < this.today ? this.today : addDays(day, -2);
    const days = await this.read(from, addDays(day, 12));
    const distance = (slot) => Math.abs(new Date(slot.starts_at) - moment);
    const found = [...days.values()].flat().sort((one, other) => distance(one) - distance(other));
    return found.slice(0, count).sort((one, other) => one.starts_at.localeCompare(other.starts_at));
  }

  /** Ask again from now on. */
  forget() {
    this.months.clear();
  }

  async read(from, to) {
    const window = { from, to, timezone: this.zone, providers: this.query.provider_id === null && this.wantsProviders };
    const { items } = await this.api.get(this.path, { ...this.query, ...window });
    return Map.groupBy(items, (slot) => slot.starts_at.slice(0, 10));
  }
}
