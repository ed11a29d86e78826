import { request } from "undici";

const redirectsMax = 20;

/** What the bank sent the user back with. */
export interface BankAnswer {
  readonly code: string;
  readonly state: string;
  readonly iss: string;
  readonly error: string;
}

/** Walks a user's browser through a bank's pages until it is sent to `redirectUri`; keeps cookies as a browser does. */
export async function visitBank(authUrl: string, redirectUri: string): Promise<BankAnswer> {
  const cookies = new Map<string, string>();
  let url = authUrl;
  for (let redirects = 0; redirects < redirectsMax; redirects += 1) {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const answer = await request(url, { headers: cookie === "" ? {} : { cookie } });
    for (const line of [answer.headers["set-cookie"] ?? []].flat()) {
      const [pair = ""] = line.split(";");
      const at = pair.indexOf("=");
      cookies.set(pair.slice(0, at), pair.slice(at + 1));
    }
    const text = await answer.body.text();
    const { location } = answer.headers;
    if (typeof location !== "string") throw new Error(`the bank answered ${answer.statusCode}: ${text.slice(0, 300)}`);
    url = new URL(location, url).href;
    if (url.startsWith(redirectUri)) return answerOf(new URL(url));
  }
  throw new Error("the bank redirects without end");
}

function answerOf(url: URL): BankAnswer {
  const get = (name: string) => url.searchParams.get(name) ?? "";
  return { code: get("code"), state: get("state"), iss: get("iss"), error: get("error") };
}
