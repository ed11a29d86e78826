import { type CheerioAPI, load } from "cheerio";
import { CookieJar } from "tough-cookie";

/** A page, or the address of an application that a redirect opened in place of one. */
export interface Visit {
  readonly url: string;
  readonly status: number;
  readonly html: string;
}

/** One request and its answer, as the demo shows them. */
export interface Exchange {
  readonly method: string;
  readonly url: string;
  readonly status: number;
  readonly location: string | undefined;
}

export interface VisitorOptions {
  /** Told of every request, redirects included. */
  readonly onExchange?: (exchange: Exchange) => void;
}

const redirectsMax = 20;
const timeoutMs = 20_000;

/**
 * A browser without scripts: cookies, redirects, and forms found by the names a person sees. It follows redirects across
 * origins and stops at an application's own scheme (`mwsim://`), which a phone would open.
 */
export class Visitor {
  readonly #jar = new CookieJar();
  readonly #onExchange: (exchange: Exchange) => void;
  #current: Visit = { url: "about:blank", status: 0, html: "" };

  constructor(options: VisitorOptions = {}) {
    this.#onExchange = options.onExchange ?? (() => {});
  }

  get current(): Visit {
    return this.#current;
  }

  /** The text of the page, spaces folded, as a person reads it. */
  get text(): string {
    const page = this.#page();
    page("script, style, head").remove();
    return page.root().text().replace(/\s+/g, " ").trim();
  }

  /** Opens an address. */
  async open(url: string): Promise<Visit> {
    return this.#go("GET", url);
  }

  /** Follows the link with this text. */
  async follow(name: string): Promise<Visit> {
    const page = this.#page();
    const link = page("a[href]").filter((_, element) => folded(page(element).text()) === name);
    const href = link.first().attr("href");
    if (href === undefined) throw this.#lost(`no link "${name}"`);
    return this.#go("GET", new URL(href, this.#current.url).href);
  }

  /**
   * Fills the form that has this button, by the labels of its fields, and presses it. A radio button or checkbox is named
   * by any part of its label (a card by its bank's name) and set by true or false.
   */
  async press(button: string, fields: Readonly<Record<string, string | boolean>> = {}): Promise<Visit> {
    const page = this.#page();
    const pressed = page("form button, form input[type=submit]")
      .filter((_, element) => folded(page(element).text() || (page(element).attr("value") ?? "")) === button)
      .first();
    if (pressed.length === 0) throw this.#lost(`no button "${button}"`);
    const form = pressed.closest("form");
    for (const [label, value] of Object.entries(fields)) this.#fill(page, form, label, value);
    const body = new URLSearchParams();
    form.find("input, select, textarea").each((_, element) => {
      const field = page(element);
      const name = field.attr("name");
      const type = field.attr("type") ?? "text";
      if (name === undefined || type === "submit" || field.attr("disabled") !== undefined) return;
      const ticked = type === "radio" || type === "checkbox";
      if (ticked && field.attr("checked") === undefined) return;
      body.append(name, String(field.val() ?? (ticked ? "on" : "")));
    });
    const name = pressed.attr("name");
    if (name !== undefined) body.append(name, pressed.attr("value") ?? "");
    const action = new URL(pressed.attr("formaction") ?? form.attr("action") ?? "", this.#current.url);
    if ((form.attr("method") ?? "get").toLowerCase() === "post") return this.#go("POST", action.href, body);
    action.search = body.toString();
    return this.#go("GET", action.href);
  }

  /** The buttons of the page, for messages and for choices by name. */
  get buttons(): string[] {
    const page = this.#page();
    return page("form button")
      .toArray()
      .map((element) => folded(page(element).text()));
  }

  #fill(page: CheerioAPI, form: ReturnType<CheerioAPI>, label: string, value: string | boolean): void {
    const labelled = form
      .find("label")
      .filter((_, element) => {
        const text = folded(page(element).text());
        return typeof value === "boolean" ? text.includes(label) : text.startsWith(label);
      })
      .first();
    const id = labelled.attr("for");
    const field = id === undefined ? labelled.find("input, select, textarea").first() : form.find(`[id="${id}"]`);
    if (field.length === 0) throw this.#lost(`no field "${label}"`);
    if (typeof value === "string") {
      field.val(value);
      return;
    }
    if (field.attr("type") === "radio" && value) form.find(`[name="${field.attr("name")}"]`).removeAttr("checked");
    if (value) field.attr("checked", "checked");
    else field.removeAttr("checked");
  }

  #page(): CheerioAPI {
    return load(this.#current.html);
  }

  #lost(what: string): Error {
    return new Error(`${what} at ${this.#current.url} (${this.#current.status}): ${this.text.slice(0, 300)}`);
  }

  async #go(method: string, start: string, form?: URLSearchParams): Promise<Visit> {
    let url = start;
    let body = form;
    let verb = method;
    for (let hops = 0; hops <= redirectsMax; hops += 1) {
      const response = await fetch(url, {
        method: verb,
        redirect: "manual",
        signal: AbortSignal.timeout(timeoutMs),
        headers: {
          accept: "text/html,application/xhtml+xml",
          cookie: await this.#jar.getCookieString(url),
          ...(body === undefined ? {} : { origin: new URL(this.#current.url).origin }),
        },
        ...(body === undefined ? {} : { body }),
      });
      for (const cookie of response.headers.getSetCookie()) await this.#jar.setCookie(cookie, url);
      const location = response.headers.get("location") ?? undefined;
      this.#onExchange({ method: verb, url, status: response.status, location });
      if (location === undefined || response.status < 300 || response.status > 399) {
        this.#current = { url, status: response.status, html: await response.text() };
        return this.#current;
      }
      await response.body?.cancel();
      const next = new URL(location, url);
      if (!next.protocol.startsWith("http")) {
        this.#current = { url: next.href, status: response.status, html: "" };
        return this.#current;
      }
      url = next.href;
      if (response.status !== 307 && response.status !== 308) {
        verb = "GET";
        body = undefined;
      }
    }
    throw new Error(`more than ${redirectsMax} redirects from ${start}`);
  }
}

function folded(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}
