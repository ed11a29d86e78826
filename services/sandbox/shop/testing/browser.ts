/** A page as a browser without script would have it. */
export interface Fetched {
  readonly url: string;
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

/** A browser reduced to cookies, redirects and forms. Cookies are kept by host, ports ignored, as browsers do. */
export class FormBrowser {
  readonly cookies = new Map<string, string>();

  /** Opens a page, following redirects up to the first answer that is none, or that `until` accepts. */
  async open(url: string, init: RequestInit = {}, until?: (location: string) => boolean): Promise<Fetched> {
    let target = url;
    let request = init;
    for (let hops = 0; hops < 20; hops += 1) {
      const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
      const headers = { accept: "text/html", ...Object.fromEntries(new Headers(request.headers)), cookie };
      const answer = await fetch(target, { ...request, headers, redirect: "manual" });
      for (const line of answer.headers.getSetCookie()) this.#keep(line);
      const location = answer.headers.get("location");
      if (location === null)
        return { url: target, status: answer.status, text: await answer.text(), headers: answer.headers };
      await answer.body?.cancel();
      target = new URL(location, target).href;
      if (until?.(target)) return { url: target, status: answer.status, text: "", headers: answer.headers };
      request = {};
    }
    throw new Error(`too many redirects at ${target}`);
  }

  /** Posts the form of a page whose action is the given path, with its hidden fields and the given ones. */
  async submit(
    page: Fetched,
    action: string,
    fields: Record<string, string> = {},
    until?: (location: string) => boolean,
  ): Promise<Fetched> {
    const forms = [...page.text.matchAll(/<form[^>]*action="([^"]*)"[^>]*>([\s\S]*?)<\/form>/g)];
    const found = forms.find((form) => form[1] === action);
    if (found === undefined) throw new Error(`no form for ${action} on ${page.url}`);
    const body = new URLSearchParams();
    for (const input of (found[2] ?? "").matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)">/g)) {
      body.set(input[1] ?? "", input[2] ?? "");
    }
    for (const [name, value] of Object.entries(fields)) body.set(name, value);
    return this.open(new URL(action, page.url).href, { method: "POST", body }, until);
  }

  #keep(line: string): void {
    const [pair = "", ...attributes] = line.split("; ");
    const at = pair.indexOf("=");
    const name = pair.slice(0, at);
    if (attributes.some((each) => /^(max-age=0|expires=thu, 01 jan 1970)/i.test(each))) this.cookies.delete(name);
    else this.cookies.set(name, pair.slice(at + 1));
  }
}
