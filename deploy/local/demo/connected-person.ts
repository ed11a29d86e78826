import { setTimeout as sleep } from "node:timers/promises";
import { type Narrator, Surprise } from "./narrator.ts";
import type { Phone } from "./phone.ts";
import type { ProviderStory } from "./provider-stories.ts";
import { type Json, listOf, rest, textOf } from "./rest.ts";
import { Visitor } from "./visitor.ts";

const waitMsMax = 45_000;
const pagesMax = 8;
const returnUrl = "mwsim://connected";

/** A person's connections at data providers, by the REST calls of an app. */
export class ConnectedPerson {
  readonly phone: Phone;
  readonly #api: string;
  readonly #narrator: Narrator;

  constructor(gateway: string, narrator: Narrator, phone: Phone) {
    this.#api = `${gateway}/api`;
    this.#narrator = narrator;
    this.phone = phone;
  }

  call(
    method: "GET" | "POST" | "DELETE",
    path: string,
    options: { body?: Json; expect?: number; quiet?: boolean } = {},
  ) {
    const headers = { authorization: `Bearer ${this.phone.accessToken}` };
    return rest(this.#narrator, { method, url: `${this.#api}${path}`, headers, ...options });
  }

  /** Connects an institution on the provider's own pages; the connection's id. */
  async connect(story: ProviderStory): Promise<string> {
    const { provider } = story;
    const institutions = listOf(await this.call("GET", `/connectors/${provider}/institutions`), "institutions");
    const institution = institutions.find((each) => each["name"] === story.institution);
    if (institution === undefined) throw new Surprise(`${story.institution} among the institutions`, "it is not there");
    const { institutionId } = institution;
    const link = await this.call("POST", `/connectors/${provider}/link`, { body: { institutionId, returnUrl } });
    const end = await this.#consent(textOf(link, "authUrl"), story);
    const connectionId = end.searchParams.get("connectionId");
    if (connectionId === null) throw new Surprise("a connection's id in the deep link", end.search);
    return connectionId;
  }

  /** Goes through the provider's pages by the buttons that are on them. */
  async #consent(authUrl: string, { institution, username, password }: ProviderStory): Promise<URL> {
    const browser = new Visitor();
    let page = await browser.open(authUrl);
    for (let count = 0; page.url.startsWith("http"); count += 1) {
      const { buttons } = browser;
      const next =
        buttons.find((each) => /^Allow\b/.test(each)) ??
        buttons.find((each) => ["Sign in", institution].includes(each));
      if (count >= pagesMax || next === undefined) {
        throw new Surprise("a consent page", `${page.status} ${browser.text.slice(0, 200)}`);
      }
      this.#narrator.note(`the provider's page: ${browser.text.slice(0, 110)}…`);
      page = await browser.press(next, next === "Sign in" ? { "User name": username, Password: password } : {});
    }
    this.#narrator.note(`the app opens ${page.url}`);
    return new URL(page.url);
  }

  /** Runs of a connection, newest first. */
  async runs(connectionId: string, quiet = true): Promise<Json[]> {
    return listOf(await this.call("GET", `/connectors/connections/${connectionId}/sync-history`, { quiet }), "runs");
  }

  /** Waits for a run that fits and has ended well; told when it has. */
  async awaitRun(connectionId: string, what: string, fits: (run: Json) => boolean): Promise<Json> {
    return await this.eventually(what, async () => {
      const run = (await this.runs(connectionId)).find(fits);
      if (run?.["state"] === "failed") throw new Surprise(`${what} to succeed`, JSON.stringify(run));
      return run?.["state"] === "succeeded" ? run : undefined;
    });
  }

  /** Waits until nothing is queued or under way. */
  async awaitQuiet(connectionId: string): Promise<void> {
    await this.eventually("no run under way", async () => {
      const runs = await this.runs(connectionId);
      return runs.every((run) => run["state"] === "succeeded" || run["state"] === "failed") ? true : undefined;
    });
  }

  /** Looks again and again until there is something. */
  async eventually<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
    const until = Date.now() + waitMsMax;
    while (Date.now() < until) {
      const found = await look();
      if (found !== undefined) return found;
      await sleep(300);
    }
    throw new Surprise(what, `nothing within ${waitMsMax / 1000} s`);
  }
}
