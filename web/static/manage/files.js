// Files that belong to the booking.

import { newKey } from "../api.js";
import { fill, h, icon } from "../dom.js";
import { notice, words } from "../patience.js";
import { save } from "./calendar-entry.js";

const TYPES = "application/pdf,image/png,image/jpeg,image/webp,image/heic,text/plain,text/csv";
const BIGGEST = 10 * 1024 * 1024;

export class Files {
  constructor(manage) {
    this.manage = manage;
    this.t = manage.t;
    this.path = `/v1/bookings/${manage.booking.id}/attachments`;
    this.place = h("div");
    this.list = h("ul", { class: "files", role: "list" });
    this.input = h("input", { type: "file", id: "file", accept: TYPES, class: "unseen-input", multiple: true, on: { change: () => this.add() } });
    this.node = h(
      "section",
      { class: "block", "aria-labelledby": "files-title" },
      h("h2", { id: "files-title", class: "block-title" }, this.t("files.title")),
      h("p", { class: "hint" }, this.t("files.hint")),
      this.place,
      this.list,
      h("div", { class: "file-button" }, this.input, h("label", { class: "plain", for: "file" }, icon("file"), this.t("files.add"))),
    );
    this.show();
  }

  async show() {
    try {
      const { items } = await this.manage.api.get(this.path);
      fill(this.list, items.map((file) => h("li", {}, icon("file"), h("span", { class: "file-name" }, file.name), this.button("files.open", file, () => this.open(file)), this.button("files.remove", file, () => this.remove(file)))));
    } catch (error) {
      this.say(error);
    }
  }

  button(key, file, click) {
    return h("button", { type: "button", class: "link", "aria-label": `${this.t(key)}: ${file.name}`, on: { click } }, this.t(key));
  }

  async add() {
    fill(this.place);
    for (const file of this.input.files) {
      if (file.size > BIGGEST) {
        fill(this.place, notice({ kind: "warn", role: "alert", title: this.t("files.too_big", { name: file.name }) }));
        continue;
      }
      try {
        await this.manage.api.upload(this.path, file, newKey());
      } catch (error) {
        this.say(error);
      }
    }
    this.input.value = "";
    await this.show();
  }

  async open(file) {
    try {
      save(file.name, await this.manage.api.blob(`${this.path}/${file.id}`));
    } catch (error) {
      this.say(error);
    }
  }

  async remove(file) {
    try {
      await this.manage.api.request("DELETE", `${this.path}/${file.id}`);
      await this.show();
      this.input.focus();
    } catch (error) {
      this.say(error);
    }
  }

  say(error) {
    fill(this.place, notice({ kind: "warn", role: "alert", title: this.t("problem.title"), text: words(this.t, error) }));
  }
}
