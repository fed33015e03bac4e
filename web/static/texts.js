// Texts in the reader's language, from the message catalogue.

const MODULES = {
  booking: {
    en: () => import("./texts/booking.en.js"),
    de: () => import("./texts/booking.de.js"),
    es: () => import("./texts/booking.es.js"),
    ja: () => import("./texts/booking.ja.js"),
  },
  manage: {
    en: () => import("./texts/manage.en.js"),
    de: () => import("./texts/manage.de.js"),
    es: () => import("./texts/manage.es.js"),
    ja: () => import("./texts/manage.ja.js"),
  },
};

/** The best language for these tags (RFC 4647 lookup), and the tag by which dates and money are written. */
export function chooseLanguage(wanted) {
  for (const tag of wanted.filter(Boolean)) {
    const language = tag.toLowerCase().split("-")[0];
    if (language in MODULES.booking) {
      const regional = navigator.languages.find((one) => one.toLowerCase().split("-")[0] === language);
      return { language, locale: tag.includes("-") ? tag : (regional ?? tag) };
    }
  }
  return { language: "en", locale: "en" };
}

/** `t(key, values)` for a section. A number `n` in the values chooses among the forms of a text. */
export async function loadTexts(section, language) {
  const texts = (await MODULES[section][language]()).default;
  const plural = new Intl.PluralRules(language);
  return (key, values = {}) => {
    const form = "n" in values ? `${key}.${plural.select(values.n)}` : key;
    const text = texts[form] ?? texts[`${key}.other`] ?? texts[key] ?? key;
    return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
  };
}

/** Whether there is such a text. */
export function has(t, key) {
  return t(key) !== key;
}
