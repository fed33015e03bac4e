// Waiting, as people see it: nothing at first, a word after a while, and a way on when it failed.

import { fill, h, icon } from "./dom.js";
import { Problem, Unreachable } from "./api.js";
import { has } from "./texts.js";

const SLOW = 4000;

/** Run `work`; `onSlow` is called if it takes long. */
export async function patiently(work, onSlow) {
  const timer = setTimeout(onSlow, SLOW);
  try {
    return await work();
  } finally {
    clearTimeout(timer);
  }
}

/** What to tell people about a failure. */
export function words(t, error) {
  if (error instanceof Unreachable) return t(navigator.onLine ? "problem.unreachable" : "problem.offline");
  if (!(error instanceof Problem)) throw error;
  if (has(t, `problem.${error.code}`)) return t(`problem.${error.code}`);
  if (error.status >= 500) return t("problem.server", { id: error.body.request_id ?? "" });
  return error.detail || t("problem.other");
}

/** A panel that says what happened and what can be done. `kind` is `info`, `warn` or `good`. */
export function notice({ kind = "info", picture = "alert", title, text, actions = [], role = null, level = "h3" }) {
  return h(
    "div",
    { class: `notice ${kind}`, role },
    icon(picture),
    h("div", { class: "words" }, title && h(level, { class: "notice-title", tabindex: "-1" }, title), text && h("p", {}, text), actions.length > 0 && h("div", { class: "actions" }, actions)),
  );
}

export function button(label, click, attributes = {}) {
  return h("button", { type: "button", class: "plain", on: { click }, ...attributes }, label);
}

/** Show a failure in `place`, with a button that tries again; it tries by itself when the network is back. */
export function showFailure(place, t, error, again) {
  const isOffline = error instanceof Unreachable && !navigator.onLine;
  const retry = () => {
    removeEventListener("online", retry);
    again();
  };
  if (isOffline) addEventListener("online", retry, { once: true });
  fill(
    place,
    notice({
      kind: "warn",
      picture: isOffline ? "offline" : "alert",
      role: "alert",
      title: t(isOffline ? "problem.offline_title" : "problem.title"),
      text: words(t, error),
      actions: [button(t("again"), retry)],
    }),
  );
}
