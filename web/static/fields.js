// Fields of a form: label, hint, and the error beside the field.

import { fill, h, icon } from "./dom.js";

export class Field {
  constructor(t, { name, label, hint, type = "text", required = false, optional = false, value = "", kind = "input", options = [], ...attributes }) {
    this.t = t;
    this.name = name;
    this.label = label;
    this.required = required;
    this.input = h(kind, {
      id: `field-${name}`,
      name,
      class: "input",
      ...(kind === "input" ? { type } : {}),
      "aria-required": required ? "true" : null,
      "aria-describedby": [hint && `hint-${name}`, `error-${name}`].filter(Boolean).join(" "),
      ...attributes,
    }, options.map(([key, text]) => h("option", { value: key }, text)));
    this.input.value = value;
    this.error = h("p", { class: "error", id: `error-${name}` });
    this.node = h(
      "div",
      { class: "field" },
      h("label", { for: `field-${name}` }, label, optional && h("span", { class: "optional" }, ` ${t("optional")}`)),
      hint && h("p", { class: "hint", id: `hint-${name}` }, hint),
      this.input,
      this.error,
    );
    this.input.addEventListener("input", () => this.say(null));
  }

  get value() {
    return this.input.value.trim();
  }

  /** The problem with what is typed, which is shown beside the field; null: there is none. */
  check(problem = null) {
    const found = problem ?? (this.required && !this.value ? this.t("field.required", { label: this.label }) : null);
    this.say(found);
    return found;
  }

  say(problem) {
    this.node.classList.toggle("wrong", problem !== null);
    if (problem) this.input.setAttribute("aria-invalid", "true");
    else this.input.removeAttribute("aria-invalid");
    fill(this.error, problem && [icon("alert"), problem]);
  }
}

/** The errors of a form in one place, each leading to its field. */
export class Summary {
  constructor(t) {
    this.t = t;
    this.node = h("div", { class: "summary-of-errors", role: "alert", tabindex: "-1", hidden: true });
  }

  show(fields) {
    const link = (field) => {
      const click = (event) => {
        event.preventDefault();
        field.input.focus();
      };
      return h("li", {}, h("a", { href: `#field-${field.name}`, on: { click } }, field.error.textContent));
    };
    fill(this.node, h("h3", {}, this.t("field.summary", { n: fields.length })), h("ul", {}, fields.map(link)));
    this.node.hidden = false;
    this.node.focus();
  }

  hide() {
    this.node.hidden = true;
  }
}
