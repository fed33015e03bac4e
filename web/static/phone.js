// Numbers as people write them at home, with their country's code in front (ITU-T E.164).

const CODES = {
  AT: "43", AU: "61", BE: "32", BR: "55", CA: "1", CH: "41", CZ: "420", DE: "49", DK: "45", ES: "34", FI: "358",
  FR: "33", GB: "44", GR: "30", IE: "353", IN: "91", IT: "39", JP: "81", KR: "82", LU: "352", MX: "52", NL: "31",
  NO: "47", NZ: "64", PL: "48", PT: "351", SE: "46", SG: "65", US: "1", ZA: "27",
};
/** Countries whose numbers keep their first zero, or have none. */
const WITHOUT_PREFIX = new Set(["CZ", "DK", "ES", "GR", "IT", "LU", "MX", "NO", "PL", "PT", "SG"]);

/** The number for the API; as it was typed where the country's code is not known. */
export function international(typed, region) {
  const digits = typed.normalize("NFKC").replace(/[^\d+]/g, "");
  if (digits.startsWith("+")) return digits;
  if (digits.startsWith("00")) return `+${digits.slice(2)}`;
  const code = CODES[region];
  if (!code) return typed;
  if (code === "1") return `+${digits.length === 11 && digits.startsWith("1") ? digits : `1${digits}`}`;
  return `+${code}${WITHOUT_PREFIX.has(region) ? digits : digits.replace(/^0/, "")}`;
}
