// The appointment for calendars: a file (RFC 5545), and the pages of two of them. No link to the booking goes there.

import { h, icon } from "../dom.js";

const LONGEST_LINE = 60;

export function calendarEntry(manage) {
  const { t, booking } = manage;
  const click = () => save(`${booking.reference}.ics`, icsOf(manage));
  const link = (key, url) => h("a", { class: "plain", href: url, target: "_blank", rel: "noopener noreferrer" }, t(key));
  return h(
    "div",
    { class: "actions" },
    h("button", { type: "button", class: "plain", on: { click } }, icon("calendar"), t("calendar.file")),
    link("calendar.google", googleOf(manage)),
    link("calendar.outlook", outlookOf(manage)),
  );
}

export function icsOf({ booking, business, service, t }) {
  const lines = [
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    "PRODID:-//Holdfast//Booking//EN",
    "METHOD:PUBLISH",
    "BEGIN:VEVENT",
    `UID:${booking.id}`,
    `SEQUENCE:${booking.version}`,
    `DTSTAMP:${stamp(booking.updated_at)}`,
    `DTSTART:${stamp(booking.starts_at)}`,
    `DTEND:${stamp(booking.ends_at)}`,
    `STATUS:${booking.status === "cancelled" ? "CANCELLED" : "CONFIRMED"}`,
    `SUMMARY:${escaped(`${service.name} – ${business.name}`)}`,
    `DESCRIPTION:${escaped(t("calendar.text", { reference: booking.reference }))}`,
    "END:VEVENT",
    "END:VCALENDAR",
  ];
  return `${lines.map(folded).join("\r\n")}\r\n`;
}

function googleOf({ booking, business, service, t }) {
  const url = new URL("https://calendar.google.com/calendar/render");
  url.search = new URLSearchParams({
    action: "TEMPLATE",
    text: `${service.name} – ${business.name}`,
    dates: `${stamp(booking.starts_at)}/${stamp(booking.ends_at)}`,
    details: t("calendar.text", { reference: booking.reference }),
  });
  return url.href;
}

function outlookOf({ booking, business, service, t }) {
  const url = new URL("https://outlook.live.com/calendar/0/deeplink/compose");
  url.search = new URLSearchParams({
    path: "/calendar/action/compose",
    rru: "addevent",
    subject: `${service.name} – ${business.name}`,
    startdt: new Date(booking.starts_at).toISOString(),
    enddt: new Date(booking.ends_at).toISOString(),
    body: t("calendar.text", { reference: booking.reference }),
  });
  return url.href;
}

/** Let the browser save a file. */
export function save(name, content, type = "text/calendar") {
  const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

function stamp(iso) {
  return new Date(iso).toISOString().replace(/[-:]|\.\d{3}/g, "");
}

function escaped(text) {
  return text.replace(/[\\;,]/g, "\\$&").replace(/\r?\n/g, "\\n");
}

/** Lines of at most 75 bytes: no character has more than four, so shorter lines than that are safe to cut by count. */
function folded(line) {
  const characters = [...line];
  const pieces = [];
  let size = 0;
  let piece = "";
  for (const one of characters) {
    const bytes = new TextEncoder().encode(one).length;
    if (size + bytes > LONGEST_LINE) {
      pieces.push(piece);
      [piece, size] = ["", 0];
    }
    piece += one;
    size += bytes;
  }
  return [...pieces, piece].join("\r\n ");
}
