interface JarCookie {
  readonly name: string;
  readonly value: string;
  readonly path: string;
}

/** What a browser shows after following redirects within one origin. */
export interface Shown {
  readonly status: number;
  readonly url: string;
  readonly text: string;
  readonly headers: Headers;
  /** Where another origin would have been asked; the browser stops there. */
  readonly leftFor: URL | undefined;
}

/** A browser without scripts: cookies with their paths, redirects, forms. Enough for pages that promise to need no more. */
export class TestBrowser {
  readonly #origin: string;
  readonly #headers: Readonly<Record<string, string>>;
  #cookies: JarCookie[] = [];

  /** `headers` go with every request, as a proxy in between adds them. */
  constructor(origin: string, headers: Readonly<Record<string, string>> = {}) {
    this.#origin = origin;
    this.#headers = headers;
  }

  async open(url: string): Promise<Shown> {
    return this.#follow(new URL(url, this.#origin), {});
  }

  /** Posts a form of the page shown: its hidden and preset fields, changed by `fields`; `button` presses one with an action. */
  async submit(page: Shown, fields: Record<string, string | readonly string[]> = {}, button?: string): Promise<Shown> {
    const form = /<form [^>]*action="([^"]+)">([\s\S]*?)<\/form>/.exec(page.text);
    if (form === null) throw new Error(`no form on ${page.url}: ${page.text.slice(-400)}`);
    const [, action = "", inner = ""] = form;
    const body = new URLSearchParams();
    for (const [tag] of inner.matchAll(/<input [^>]*>/g)) {
      const name = attributeOf(tag, "name");
      const ticks = /type="(checkbox|radio)"/.test(tag) && !/ checked/.test(tag);
      if (name !== undefined && !ticks && !(name in fields)) body.append(name, attributeOf(tag, "value") ?? "");
    }
    for (const [name, value] of Object.entries(fields)) for (const each of [value].flat()) body.append(name, each);
    let target = action;
    if (button !== undefined) {
      const pressed = new RegExp(`<button [^>]*>${button}</button>`).exec(inner)?.[0];
      if (pressed === undefined) throw new Error(`no button ${button} on ${page.url}`);
      target = attributeOf(pressed, "formaction") ?? action;
    }
    return this.#follow(new URL(target, page.url), { method: "POST", body });
  }

  /** The `cookie` header this browser sends to a path. */
  cookieHeader(path: string): string {
    return this.#cookies
      .filter((cookie) => path === cookie.path || path.startsWith(cookie.path.replace(/\/?$/, "/")))
      .map((cookie) => `${cookie.name}=${cookie.value}`)
      .join("; ");
  }

  async #follow(first: URL, init: RequestInit): Promise<Shown> {
    let url = first;
    let request = init;
    for (let hops = 0; hops < 15; hops += 1) {
      const response = await fetch(url, {
        ...request,
        redirect: "manual",
        headers: {
          ...this.#headers,
          accept: "text/html",
          cookie: this.cookieHeader(url.pathname),
          origin: this.#origin,
        },
      });
      this.#keep(response.headers.getSetCookie());
      const location = response.headers.get("location");
      if (location === null) {
        return {
          status: response.status,
          url: url.href,
          text: await response.text(),
          headers: response.headers,
          leftFor: undefined,
        };
      }
      await response.body?.cancel();
      url = new URL(location, url);
      request = {};
      if (url.origin !== this.#origin) {
        return { status: response.status, url: first.href, text: "", headers: response.headers, leftFor: url };
      }
    }
    throw new Error("too many redirects");
  }

  #keep(setCookies: readonly string[]): void {
    for (const line of setCookies) {
      const [pair = "", ...attributes] = line.split("; ");
      const name = pair.slice(0, pair.indexOf("="));
      const value = pair.slice(name.length + 1);
      const path = attributes.find((each) => /^path=/i.test(each))?.slice(5) ?? "/";
      this.#cookies = this.#cookies.filter((cookie) => cookie.name !== name || cookie.path !== path);
      const gone = attributes.some((each) => /^expires=Thu, 01 Jan 1970/i.test(each));
      if (!gone) this.#cookies.push({ name, value, path });
    }
  }
}

function attributeOf(tag: string, name: string): string | undefined {
  const value = new RegExp(` ${name}="([^"]*)"`).exec(tag)?.[1];
  return value
    ?.replaceAll("&quot;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&amp;", "&");
}
