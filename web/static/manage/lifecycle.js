// The way of a booking as a picture: what is behind it, where it is, and what comes.

import { h, icon } from "../dom.js";

/** How far each status has come along the stages; a stage before it is done, the stage itself is under way. */
const REACHED = { pending: "confirmed", assigned: "confirmed", rejected: "confirmed", accepted: "started", in_progress: "completed", no_show: "completed" };
const ENTERED = { confirmed: "accepted", started: "in_progress", completed: "completed" };

export function stagesOf({ booking, history, next }) {
  const names = ["requested", booking.payment && "paid", "confirmed", "started", "completed"].filter(Boolean);
  const at = (status) => history.findLast((step) => step.new_status === status && step.old_status !== status)?.occurred_at;
  const times = { requested: booking.created_at, paid: history.find((step) => step.kind === "paid")?.occurred_at };
  for (const [stage, status] of Object.entries(ENTERED)) times[stage] = at(status);
  const isOver = booking.status === "completed" || booking.status === "cancelled";
  const now = isOver ? null : next.phase === "awaiting_payment" ? "paid" : REACHED[booking.status];
  const reached = now === null ? names.length : names.indexOf(now);
  const stages = names.map((name, index) => ({
    name,
    time: index < reached ? times[name] : null,
    state: name === now ? "now" : index < reached ? "done" : "later",
  }));
  if (booking.status !== "cancelled") return stages;
  const happened = stages.filter((stage) => stage.name === "requested" || times[stage.name]);
  return [...happened, { name: "cancelled", time: at("cancelled"), state: "ended" }];
}

export function lifecycle(manage) {
  const { t, format } = manage;
  const row = ({ name, time, state }) =>
    h(
      "li",
      { class: `stage is-${state}`, "aria-current": state === "now" ? "step" : null },
      h("span", { class: "mark", "aria-hidden": "true" }, state === "done" && icon("check"), state === "ended" && icon("cross")),
      h(
        "span",
        { class: "stage-words" },
        h("span", { class: "stage-name" }, t(`stage.${name}`), h("span", { class: "unseen" }, ` – ${t(`stage_state.${state}`)}`)),
        time && h("span", { class: "stage-time" }, format.moment(new Date(time))),
      ),
    );
  return h("ol", { class: "lifecycle", "aria-label": t("lifecycle") }, stagesOf(manage).map(row));
}
