// The client of `/v1`: nothing else is asked, and a refusal is a `Problem` with the API's stable code.

const PATIENCE = 20_000;

/** What the API refused (RFC 9457). */
export class Problem extends Error {
  constructor(status, body, retryAfter) {
    super(body.title ?? `HTTP ${status}`);
    this.status = status;
    this.code = body.code ?? "http_error";
    this.detail = body.detail ?? "";
    this.errors = body.errors ?? [];
    this.body = body;
    this.retryAfter = retryAfter;
  }
}

/** Nobody answered: the network or the server is away, or took too long. */
export class Unreachable extends Error {}

export class Api {
  constructor(base, token = null) {
    this.base = base;
    this.token = token;
  }

  /** The same API for the holder of a token. */
  as(token) {
    return new Api(this.base, token);
  }

  async get(path, query = {}) {
    return (await this.request("GET", path, { query })).body;
  }

  async post(path, body, options = {}) {
    return (await this.request("POST", path, { body, ...options })).body;
  }

  /** Send a file under its name. */
  async upload(path, file, key) {
    return (await this.request("POST", path, { file, key, query: { name: file.name } })).body;
  }

  /** The content of a file. */
  async blob(path) {
    return (await this.request("GET", path, { isBlob: true })).body;
  }

  /** The answer as `{body, etag}`. `key` makes a repeated request safe; `match` is the version to change. */
  async request(method, path, { query = {}, body, key, match, hold, file, isBlob } = {}) {
    const url = new URL(path, this.base);
    for (const [name, value] of Object.entries(query)) {
      if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, value);
    }
    const headers = {};
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    if (key) headers["Idempotency-Key"] = key;
    if (match) headers["If-Match"] = match;
    if (hold) headers["Hold-Token"] = hold;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (file) headers["Content-Type"] = file.type;
    const sent = file ?? (body === undefined ? undefined : JSON.stringify(body));
    try {
      const response = await fetch(url, { method, headers, body: sent, signal: AbortSignal.timeout(PATIENCE) });
      if (response.ok && isBlob) return { body: await response.blob() };
      const content = response.status === 204 ? null : await response.json();
      if (response.ok) return { body: content, etag: response.headers.get("ETag") };
      throw new Problem(response.status, content, Number(response.headers.get("Retry-After")) || 0);
    } catch (error) {
      throw error instanceof Problem ? error : new Unreachable(error.message);
    }
  }
}

/** A key that nobody else has. Unlike `crypto.randomUUID` it also works without TLS. */
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Whether the same request may succeed in a moment. */
export function isPassing(error) {
  return error instanceof Unreachable || (error instanceof Problem && (error.status === 429 || error.status >= 500));
}
