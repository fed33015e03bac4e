// Dates, times, lengths and money as the reader writes them.

const WITHOUT_CENTS = { minimumFractionDigits: 0 };

export class Format {
  /** `zone` is the reader's, `home` the business's (IANA). */
  constructor(locale, zone, home) {
    this.locale = locale;
    this.zone = zone;
    this.home = home;
    this.formats = new Map();
  }

  date(moment, options, zone = this.zone) {
    const key = JSON.stringify([options, zone]);
    if (!this.formats.has(key)) {
      this.formats.set(key, new Intl.DateTimeFormat(this.locale, { ...options, timeZone: zone }));
    }
    return this.formats.get(key).format(moment);
  }

  time(moment, zone = this.zone) {
    return this.date(moment, { hour: "numeric", minute: "2-digit" }, zone);
  }

  longDate(moment, zone = this.zone) {
    return this.date(moment, { weekday: "long", day: "numeric", month: "long", year: "numeric" }, zone);
  }

  shortDate(moment, zone = this.zone) {
    return this.date(moment, { weekday: "short", day: "numeric", month: "short" }, zone);
  }

  moment(moment, zone = this.zone) {
    return `${this.shortDate(moment, zone)}, ${this.time(moment, zone)}`;
  }

  /** A day without a zone, as `2027-03-31`. */
  day(iso, options) {
    return this.date(new Date(`${iso}T12:00:00Z`), options, "UTC");
  }

  month(year, month) {
    return this.date(new Date(Date.UTC(year, month - 1, 15)), { month: "long", year: "numeric" }, "UTC");
  }

  /** The zone's name, as "Eastern Time". */
  zoneName(moment, zone = this.zone) {
    if (/^(Etc\/)?UTC$/.test(zone)) return "UTC";
    const options = { timeZone: zone, timeZoneName: "longGeneric" };
    const parts = new Intl.DateTimeFormat(this.locale, options).formatToParts(moment);
    return parts.find((part) => part.type === "timeZoneName")?.value ?? zone;
  }

  /** Whether the clocks of reader and business differ at this moment. */
  differs(moment) {
    return this.time(moment) !== this.time(moment, this.home) || this.shortDate(moment) !== this.shortDate(moment, this.home);
  }

  /** The business's time at this moment, with its day where that is another one. */
  homeTime(moment) {
    const isSameDay = this.shortDate(moment) === this.shortDate(moment, this.home);
    const day = isSameDay ? "" : `${this.date(moment, { weekday: "short" }, this.home)} `;
    return `${day}${this.time(moment, this.home)}`;
  }

  money({ amount_minor: minor, currency }) {
    const format = new Intl.NumberFormat(this.locale, { style: "currency", currency });
    const digits = format.resolvedOptions().maximumFractionDigits;
    const amount = minor / 10 ** digits;
    if (!Number.isInteger(amount)) return format.format(amount);
    return new Intl.NumberFormat(this.locale, { style: "currency", currency, ...WITHOUT_CENTS }).format(amount);
  }

  percent(count) {
    return new Intl.NumberFormat(this.locale, { style: "percent" }).format(count / 100);
  }

  minutes(count) {
    const parts = [
      [Math.floor(count / 1440), "day"],
      [Math.floor((count % 1440) / 60), "hour"],
      [count % 60, "minute"],
    ].filter(([number]) => number > 0);
    return parts
      .map(([number, unit]) =>
        new Intl.NumberFormat(this.locale, { style: "unit", unit, unitDisplay: "short" }).format(number),
      )
      .join(" ");
  }

  /** A moment relative to now, as "in 20 minutes". */
  relative(moment, now = new Date()) {
    const seconds = Math.round((moment - now) / 1000);
    const format = new Intl.RelativeTimeFormat(this.locale, { numeric: "auto" });
    for (const [unit, size] of [["day", 86_400], ["hour", 3600], ["minute", 60]]) {
      if (Math.abs(seconds) >= size) return format.format(Math.round(seconds / size), unit);
    }
    return format.format(seconds, "second");
  }

  firstWeekday() {
    const locale = new Intl.Locale(this.locale);
    return (locale.getWeekInfo?.() ?? locale.weekInfo)?.firstDay ?? 1;
  }
}

/** The day on which a moment falls in a zone, as `2027-03-31`. */
export function dayIn(zone, moment) {
  return new Intl.DateTimeFormat("en-CA", { timeZone: zone, year: "numeric", month: "2-digit", day: "2-digit" }).format(moment);
}

/** The zone of this browser. */
export function ownZone() {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}

export function addDays(iso, days) {
  const day = new Date(`${iso}T00:00:00Z`);
  day.setUTCDate(day.getUTCDate() + days);
  return day.toISOString().slice(0, 10);
}

export function addMonths(iso, months) {
  const [year, month, day] = iso.split("-").map(Number);
  const last = new Date(Date.UTC(year, month - 1 + months + 1, 0)).getUTCDate();
  return new Date(Date.UTC(year, month - 1 + months, Math.min(day, last))).toISOString().slice(0, 10);
}
