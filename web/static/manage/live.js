// What happens to a booking, as it happens. A ticket opens each connection; after a pause the stream goes on behind
// the last event that was seen.

const TYPES = [
  ...["created", "pending", "assigned", "accepted", "rejected", "started", "completed", "no_show", "cancelled"],
  ...["rescheduled", "payment_asked", "paid", "reminder.due"],
].map((name) => `scheduling.booking.${name}`);
const PAYMENTS = ["authorized", "declined", "captured", "refunded"].map((name) => `payment.${name}`);
const PAUSES = [500, 2000, 5000, 15_000];

export class Live {
  /** `changed` is called whenever the booking may have changed, `connected` with whether it is listened to. */
  constructor(api, bookingId, { changed, connected }) {
    Object.assign(this, { api, bookingId, changed, connected });
    this.tries = 0;
    this.last = null;
    this.isClosed = false;
    this.open();
  }

  async open() {
    try {
      const { ticket } = await this.api.post("/v1/stream-tickets");
      if (this.isClosed) return;
      this.listen(ticket);
    } catch {
      this.again();
    }
  }

  listen(ticket) {
    const url = new URL(`/v1/bookings/${this.bookingId}/events`, this.api.base);
    url.searchParams.set("ticket", ticket);
    if (this.last) url.searchParams.set("after", this.last);
    const source = (this.source = new EventSource(url));
    const heard = (event) => {
      this.last = event.lastEventId || this.last;
      this.changed();
    };
    for (const type of [...TYPES, ...PAYMENTS]) source.addEventListener(type, heard);
    source.addEventListener("open", () => {
      this.tries = 0;
      this.connected(true);
      this.changed(); // whatever happened before anybody listened
    });
    // A used ticket opens nothing again: the browser's own attempt would fail.
    source.addEventListener("error", () => this.again());
    source.addEventListener("stream.ended", () => this.again());
  }

  again() {
    this.source?.close();
    if (this.isClosed) return;
    this.connected(false);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.open(), PAUSES[Math.min(this.tries, PAUSES.length - 1)]);
    this.tries += 1;
  }

  close() {
    this.isClosed = true;
    clearTimeout(this.timer);
    this.source?.close();
  }
}
