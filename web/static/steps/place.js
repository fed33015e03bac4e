// Where: asked only where the business serves certain areas.

import { h } from "../dom.js";
import { Field } from "../fields.js";
import { notice } from "../patience.js";

export function step(booking) {
  const { t, model } = booking;
  const field = new Field(t, {
    name: "postal_code",
    label: t("place.postal_code"),
    hint: t("place.hint"),
    required: true,
    autocomplete: "postal-code",
    maxlength: 20,
    value: model.postalCode ?? "",
  });
  const submit = (event) => {
    event.preventDefault();
    const problem = field.check();
    if (problem) field.input.focus();
    else booking.setPlace(field.value);
  };
  const outside = model.isOutside && notice({
    kind: "warn",
    picture: "place",
    role: "alert",
    title: t("place.outside_title"),
    text: t("place.outside", { code: model.postalCode, business: model.business.name }),
  });
  const form = h(
    "form",
    { class: "form narrow", novalidate: true, on: { submit } },
    outside,
    field.node,
    h("button", { type: "submit", class: "main-button" }, t("place.go_on")),
  );
  return { title: t("place.title"), node: form, focus: model.isOutside ? field.input : null };
}
