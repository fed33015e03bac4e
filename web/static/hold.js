// A hold keeps the chosen time while the form is filled in: renewed while people type, given back when they leave.
// Where none can be had, booking works without one.

import { Problem } from "./api.js";
import { fill, icon } from "./dom.js";

const LOST = new Set(["slot_unavailable", "day_full", "provider_unfit", "hold_expired"]);
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const RENEWED_EVERY = 20 * SECOND;

export class Hold {
  constructor(api) {
    this.api = api;
    this.made = null;
    this.leave = () => this.release();
    addEventListener("pagehide", this.leave);
  }

  /** Hold the chosen time, and give the former one back. */
  take(model) {
    this.release();
    // Who is found after the booking has no time that could be held before it.
    if (model.business.booking.intake === "dispatch") return;
    const body = {
      business_id: model.business.id,
      service_id: model.service.id,
      starts_at: model.slot.starts_at,
      provider_id: model.providerId ?? undefined,
      postal_code: model.postalCode ?? undefined,
    };
    // By how long it lasts, not by when it ends: this clock and the server's may differ.
    const lasts = model.business.booking.hold_minutes * MINUTE;
    this.made = this.api.post("/v1/holds", body).then(
      (hold) => ({ ...hold, ends: performance.now() + lasts, renewed: performance.now() }),
      (error) => {
        if (error instanceof Problem && LOST.has(error.code)) throw error;
        return null; // the booking itself decides
      },
    );
    this.made.catch(() => {});
  }

  /** What a booking says to redeem it; nothing without a hold. */
  async claim() {
    const hold = await this.made?.catch(() => null);
    return hold && hold.ends > performance.now() ? { hold_id: hold.id, hold_token: hold.token ?? undefined } : {};
  }

  /** Show in `node` how long the time is kept; `onLost` is called if it was taken already. */
  async watch(node, t, onLost) {
    clearInterval(this.timer);
    const made = this.made;
    try {
      const hold = await made;
      if (!hold || made !== this.made) return;
      const show = () => {
        const left = Math.max(0, Math.round((hold.ends - performance.now()) / SECOND));
        node.hidden = left === 0;
        const time = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
        fill(node, icon("clock"), t("details.held", { time }));
        if (left === 0) clearInterval(this.timer);
      };
      show();
      this.timer = setInterval(show, SECOND);
    } catch {
      if (made === this.made) onLost();
    }
  }

  /** Somebody is typing. */
  async renew() {
    const hold = await this.made?.catch(() => null);
    if (!hold?.renewable_until || performance.now() - hold.renewed < RENEWED_EVERY) return;
    hold.renewed = performance.now();
    try {
      const longer = await this.api.post(`/v1/holds/${hold.id}/renew`, undefined, { hold: hold.token });
      hold.ends += new Date(longer.expires_at) - new Date(hold.expires_at);
      hold.expires_at = longer.expires_at;
    } catch {
      hold.renewable_until = null;
    }
  }

  /** Give the time back, also while the page is being left. */
  release() {
    clearInterval(this.timer);
    const made = this.made;
    this.made = null;
    made?.then((hold) => hold && navigator.sendBeacon(`${this.api.base}/v1/holds/${hold.id}/release`, hold.token ?? ""), () => {});
  }

  /** The hold has become a booking, or cannot become one. */
  forget() {
    clearInterval(this.timer);
    this.made = null;
  }

  close() {
    removeEventListener("pagehide", this.leave);
    this.release();
  }
}
