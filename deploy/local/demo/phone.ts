import { setTimeout as sleep } from "node:timers/promises";
import { type DemoBankId, demoWorld } from "../world.ts";
import { Mailbox } from "./mailbox.ts";
import { expectSame, type Narrator } from "./narrator.ts";
import { type Json, listOf, objectOf, rest, textOf } from "./rest.ts";
import { Visitor } from "./visitor.ts";
import type { WorldAddresses } from "./world-addresses.ts";

/** Another replica than the one that signed the phone out remembers it for up to five seconds. */
const signOutSeenMsMax = 6_000;

/** A person's phone: the app's REST calls, and its browser for the bank's pages. */
export class Phone {
  readonly email: string;
  readonly mailbox: Mailbox;
  readonly #world: WorldAddresses;
  readonly #narrator: Narrator;
  readonly #deviceId: string;
  #accessToken = "";

  constructor(world: WorldAddresses, narrator: Narrator, email: string, deviceId: string) {
    this.#world = world;
    this.#narrator = narrator;
    this.email = email;
    this.#deviceId = deviceId;
    this.mailbox = new Mailbox(world.mail, email);
  }

  /** The bearer token of the signed-in phone; empty before. */
  get accessToken(): string {
    return this.#accessToken;
  }

  /** Makes an account, then proves the address with the code that was mailed. */
  async signUp(name: string): Promise<void> {
    const device = { deviceId: this.#deviceId, deviceName: "Demo phone", platform: "ios" };
    await this.#post("/device/register", device);
    await this.#post("/auth/register", { email: this.email, name, ...device }, 201);
    const { challenge } = await this.#post("/auth/login", { email: this.email, deviceId: this.#deviceId });
    const code = await this.mailbox.nextCode();
    const answer = await this.#post("/auth/login/verify", { challenge, code, deviceId: this.#deviceId });
    this.#accessToken = textOf(objectOf(answer, "tokens"), "accessToken");
  }

  /** Starts an enrolment and opens the bank's sign-in page. */
  async #openBank(bankId: DemoBankId): Promise<Visitor> {
    const started = await this.#post(`/enrollment/start/${bankId}`, {});
    const browser = new Visitor();
    await browser.open(textOf(started, "authUrl"));
    return browser;
  }

  /** Consents at the bank with all cards; returns the deep link the app is opened with. */
  async enrol(bankId: DemoBankId, customer: string): Promise<URL> {
    const browser = await this.#openBank(bankId);
    await browser.press("Sign in", { Email: customer, Password: demoWorld.password });
    this.#narrator.note(`the bank asks: ${browser.text.slice(0, 150)}…`);
    await browser.press("Allow");
    return this.#deepLink(browser);
  }

  /** Signs in at the bank and refuses. */
  async deny(bankId: DemoBankId, customer: string): Promise<URL> {
    const browser = await this.#openBank(bankId);
    await browser.press("Sign in", { Email: customer, Password: demoWorld.password });
    await browser.press("Deny");
    return this.#deepLink(browser);
  }

  #deepLink(browser: Visitor): URL {
    const link = new URL(browser.current.url);
    expectSame("the app's own scheme", link.protocol, "mwsim:");
    this.#narrator.note(`the app opens ${link.href}`);
    return link;
  }

  /** Balances of every enrolled bank. */
  async accounts(): Promise<Json[]> {
    return listOf(await this.#get("/accounts"), "accounts");
  }

  async enrolments(): Promise<Json[]> {
    return listOf(await this.#get("/enrollment/list"), "enrollments");
  }

  async summary(): Promise<Json> {
    return this.#get("/wallet/summary");
  }

  async removeEnrolment(enrolmentId: string): Promise<Json> {
    return this.#call("DELETE", `/enrollment/${enrolmentId}`);
  }

  async signOut(): Promise<void> {
    await this.#post("/auth/logout", {});
    const until = Date.now() + signOutSeenMsMax;
    while (Date.now() < until && (await this.#isStillSignedIn())) await sleep(250);
    await this.#call("GET", "/accounts", undefined, 401);
  }

  /** Asks twice, for behind a balancer the next answer may be another replica's. */
  async #isStillSignedIn(): Promise<boolean> {
    const headers = { authorization: `Bearer ${this.#accessToken}` };
    const ask = () => fetch(`${this.#world.gateway}/api/mobile/enrollment/list`, { headers });
    return (await ask()).ok || (await ask()).ok;
  }

  #get(path: string): Promise<Json> {
    return this.#call("GET", path);
  }

  #post(path: string, body: unknown, expect = 200): Promise<Json> {
    return this.#call("POST", path, body, expect);
  }

  #call(method: "GET" | "POST" | "DELETE", path: string, body?: unknown, expect = 200): Promise<Json> {
    return rest(this.#narrator, {
      method,
      url: `${this.#world.gateway}/api/mobile${path}`,
      headers: this.#accessToken === "" ? {} : { authorization: `Bearer ${this.#accessToken}` },
      ...(body === undefined ? {} : { body }),
      expect,
    });
  }
}
