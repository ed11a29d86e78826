/** A page as a browser without script has it. */
export interface Fetched {
  readonly url: string;
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

/** Stops following redirects at an address it accepts. */
export type StopAt = (location: string) => boolean;

const hopsMax = 20;

interface StoredCookie {
  readonly name: string;
  readonly value: string;
  readonly path: string;
}

/**
 * A browser reduced to cookies, redirects and forms, for tests and demonstrations over plain HTTP. Cookies are kept by path,
 * and hosts and ports are ignored: everything of the local world is one host.
 */
export class FormBrowser {
  readonly #cookies = new Map<string, StoredCookie>();

  /** Opens a page, following redirects up to the first answer that is none, or the first that `until` accepts. */
  async open(url: string, init: RequestInit = {}, until?: StopAt): Promise<Fetched> {
    let target = url;
    let request = init;
    for (let hops = 0; hops < hopsMax; hops += 1) {
      const headers = {
        accept: "text/html",
        ...Object.fromEntries(new Headers(request.headers)),
        cookie: this.#header(target),
      };
      const answer = await fetch(target, { ...request, headers, redirect: "manual" });
      for (const line of answer.headers.getSetCookie()) this.#keep(line, target);
      const location = answer.headers.get("location");
      if (location === null) {
        return { url: target, status: answer.status, text: await answer.text(), headers: answer.headers };
      }
      await answer.body?.cancel();
      target = new URL(location, target).href;
      if (until?.(target)) return { url: target, status: answer.status, text: "", headers: answer.headers };
      request = {};
    }
    throw new Error(`too many redirects at ${target}`);
  }

  /** Presses the button of that name, with the form's own values and those given by their labels. */
  async press(
    page: Fetched,
    buttonName: string,
    fields: Readonly<Record<string, string>> = {},
    until?: StopAt,
  ): Promise<Fetched> {
    const form = formsOf(page.text).find((each) => each.buttons.has(buttonName));
    if (form === undefined) throw new Error(`no button "${buttonName}" on ${page.url}: ${plainText(page.text)}`);
    const body = new URLSearchParams(form.values);
    for (const [label, value] of Object.entries(fields)) {
      const name = form.labels.get(label);
      if (name === undefined) throw new Error(`no field "${label}" beside "${buttonName}" on ${page.url}`);
      body.set(name, value);
    }
    const action = form.buttons.get(buttonName) ?? form.action;
    return this.open(new URL(action, page.url).href, { method: "POST", body }, until);
  }

  /** Posts the form with that action, with its own values and those given by their names. */
  async submit(
    page: Fetched,
    action: string,
    fields: Readonly<Record<string, string>> = {},
    until?: StopAt,
  ): Promise<Fetched> {
    const form = formsOf(page.text).find((each) => each.action === action);
    if (form === undefined) throw new Error(`no form for ${action} on ${page.url}: ${plainText(page.text)}`);
    const body = new URLSearchParams(form.values);
    for (const [name, value] of Object.entries(fields)) body.set(name, value);
    return this.open(new URL(action, page.url).href, { method: "POST", body }, until);
  }

  /** Takes away every cookie, as a private window does. */
  forget(): void {
    this.#cookies.clear();
  }

  /** The value of a cookie, whatever its path. */
  cookie(name: string): string | undefined {
    return [...this.#cookies.values()].find((each) => each.name === name)?.value;
  }

  #header(url: string): string {
    const { pathname } = new URL(url);
    return [...this.#cookies.values()]
      .filter(({ path }) => pathname === path || pathname.startsWith(path.endsWith("/") ? path : `${path}/`))
      .map(({ name, value }) => `${name}=${value}`)
      .join("; ");
  }

  #keep(line: string, url: string): void {
    const [pair = "", ...attributes] = line.split(/;\s*/);
    const at = pair.indexOf("=");
    const name = pair.slice(0, at);
    const value = pair.slice(at + 1);
    const given = attributes.find((each) => /^path=/i.test(each))?.slice(5);
    const path = given ?? (new URL(url).pathname.replace(/\/[^/]*$/, "") || "/");
    const ended = attributes.some((each) => /^max-age=0$|^expires=thu, 01 jan 1970/i.test(each));
    if (ended || value === "") this.#cookies.delete(`${name} ${path}`);
    else this.#cookies.set(`${name} ${path}`, { name, value, path });
  }
}

/** A form of a page: where it posts, what it sends by itself, its fields by label and its buttons by name. */
export interface FoundForm {
  readonly action: string;
  readonly values: Readonly<Record<string, string>>;
  readonly labels: ReadonlyMap<string, string>;
  /** Button name to its own action, where it has one. */
  readonly buttons: ReadonlyMap<string, string | undefined>;
}

/** The posting forms of a page. */
export function formsOf(text: string): readonly FoundForm[] {
  return [...text.matchAll(/<form[^>]*method="post"[^>]*>[\s\S]*?<\/form>/g)].map(([form]) => {
    const values: Record<string, string> = {};
    const names = new Map<string, string>();
    for (const [input] of form.matchAll(/<input[^>]*>/g)) {
      const name = attribute(input, "name") ?? "";
      const type = attribute(input, "type");
      names.set(attribute(input, "id") ?? name, name);
      const silent = (type === "radio" || type === "checkbox") && !/\schecked/.test(input);
      if (!silent) values[name] = attribute(input, "value") ?? "";
    }
    const labels = new Map<string, string>();
    for (const [label, id = "", inner = ""] of form.matchAll(/<label[^>]*for="([^"]*)"[^>]*>([\s\S]*?)<\/label>/g)) {
      if (label !== "") labels.set(plainText(inner), names.get(id) ?? id);
    }
    const buttons = new Map<string, string | undefined>();
    for (const [button, inner = ""] of form.matchAll(/<button[^>]*>([\s\S]*?)<\/button>/g)) {
      buttons.set(attribute(button, "aria-label") ?? plainText(inner), attribute(button, "formaction"));
    }
    return { action: attribute(form, "action") ?? "", values, labels, buttons };
  });
}

function attribute(tag: string, name: string): string | undefined {
  const value = new RegExp(`\\s${name}="([^"]*)"`).exec(tag)?.[1];
  return value === undefined ? undefined : unescapeHtml(value);
}

/** The words of a piece of HTML, as they are read. */
export function plainText(text: string): string {
  const words = text.replaceAll(/<(style|title)[\s\S]*?<\/\1>/g, " ").replaceAll(/<[^>]*>/g, " ");
  return unescapeHtml(words).replaceAll(/\s+/g, " ").trim();
}

function unescapeHtml(text: string): string {
  return text
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&amp;", "&");
}
