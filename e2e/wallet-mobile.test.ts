import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { Visitor } from "../deploy/local/demo/visitor.ts";
import { type Answer, call } from "./harness/call.ts";
import { sharedMesh } from "./harness/shared-mesh.ts";

const { urls } = sharedMesh();
const mobile = `${urls.gateway}/api/mobile`;
const password = "demo-password";
const unauthorized = { error: "unauthorized", code: 16, details: [] };

type Body = Record<string, unknown>;

/** A person's phone against the gateway. */
class Phone {
  readonly email: string;
  readonly deviceId = `device-${randomBytes(8).toString("hex")}`;
  accessToken = "";
  refreshToken = "";

  constructor(email = `phone-${randomBytes(6).toString("hex")}@example.com`) {
    this.email = email;
  }

  async signUp(): Promise<Answer> {
    const device = { deviceId: this.deviceId, deviceName: "Test phone", platform: "android" };
    return this.#keepTokens(await this.post("/auth/register", { email: this.email, name: "Ada Lovelace", ...device }));
  }

  async signInByCode(): Promise<Answer> {
    const { body } = await this.post("/auth/login", { email: this.email, deviceId: this.deviceId });
    const code = await codeFor(this.email);
    const { challenge } = body;
    return this.#keepTokens(await this.post("/auth/login/verify", { challenge, code, deviceId: this.deviceId }));
  }

  #keepTokens(answer: Answer): Answer {
    const tokens = answer.body["tokens"] as Record<"accessToken" | "refreshToken", string> | undefined;
    this.accessToken = tokens?.accessToken ?? "";
    this.refreshToken = tokens?.refreshToken ?? "";
    return answer;
  }

  get headers(): Record<string, string> {
    return this.accessToken === "" ? {} : { authorization: `Bearer ${this.accessToken}` };
  }

  get(path: string): Promise<Answer> {
    return call("GET", `${mobile}${path}`, { headers: this.headers });
  }

  post(path: string, body: unknown = {}): Promise<Answer> {
    return call("POST", `${mobile}${path}`, { headers: this.headers, body });
  }

  delete(path: string): Promise<Answer> {
    return call("DELETE", `${mobile}${path}`, { headers: this.headers });
  }

  /** Signs in at the bank and presses a button there; gives the deep link's query. */
  async enrol(bank: string, customer: string, button = "Allow"): Promise<URLSearchParams> {
    const { body } = await this.post(`/enrollment/start/${bank}`);
    return await walkThroughBank(String(body["authUrl"]), customer, button);
  }

  async cards(): Promise<Body[]> {
    const answer = await call("GET", `${urls.gateway}/api/wallet/cards`, { headers: this.headers });
    return answer.body["cards"] as Body[];
  }

  async enrolments(): Promise<Body[]> {
    return (await this.get("/enrollment/list")).body["enrollments"] as Body[];
  }
}

async function walkThroughBank(authUrl: string, customer: string, button: string): Promise<URLSearchParams> {
  const browser = new Visitor();
  await browser.open(authUrl);
  await browser.press("Sign in", { Email: customer, Password: password });
  await browser.press(button);
  const link = new URL(browser.current.url);
  expect(link.protocol).toBe("mwsim:");
  return link.searchParams;
}

async function codeFor(email: string): Promise<string> {
  let code: string | undefined;
  await expect
    .poll(
      async () => {
        const { body } = await call("GET", `${urls.mail}/api/messages?to=${encodeURIComponent(email)}`);
        const messages = body["messages"] as { text: string }[];
        code = /^\d{6}$/m.exec(messages.at(-1)?.text ?? "")?.[0];
        return code;
      },
      { interval: 100 },
    )
    .toBeDefined();
  return code ?? "";
}

describe("a phone and its wallet, through the gateway", { timeout: 90_000 }, () => {
  it("signs up, enrols two banks and sees real balances of both", async () => {
    const phone = new Phone();
    const made = await phone.signUp();
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({ user: { email: phone.email }, tokens: { expiresIn: 3600 } });
    expect(await phone.get("/accounts")).toMatchObject({ status: 200, body: { accounts: [] } });
    expect((await phone.get("/accounts")).text).toBe('{"accounts":[]}');
    expect((await phone.signInByCode()).status).toBe(200);

    const link = await phone.enrol("north-bank", "customer1@example.com");
    expect(Object.fromEntries(link)).toEqual({
      success: "true",
      bsimId: "north-bank",
      bankName: "North Bank",
      cardCount: "2",
    });
    await phone.enrol("maple-bank", "customer2@example.com");
    const { body } = await phone.get("/accounts");
    expect(body["errors"]).toBeUndefined();
    const accounts = body["accounts"] as Body[];
    expect(accounts).toHaveLength(4);
    expect(new Set(accounts.map((account) => account["bankName"]))).toEqual(
      new Set(["North Bank", "Maple Credit Union"]),
    );
    for (const account of accounts) {
      expect(account["balance"]).toBeTypeOf("number");
      expect(account["displayName"]).toMatch(/^[A-Z]+ \*{4}\d{4}$/);
    }
    const cards = await phone.cards();
    expect(cards).toHaveLength(4);
    for (const card of cards) expect(card["walletCardToken"]).toMatch(/^wsim_(north|maple)-bank_[0-9a-f]{12}$/);
    const summary = await phone.get("/wallet/summary");
    expect(summary.body).toMatchObject({ user: { isVerified: true, verificationLevel: "basic" } });
    expect(await phone.enrolments()).toMatchObject([
      { bsimId: "north-bank", bankName: "North Bank", cardCount: 2, reauthRequired: false },
      { bsimId: "maple-bank", bankName: "Maple Credit Union", cardCount: 2, reauthRequired: false },
    ]);
  });

  it("keeps card ids and tokens when a bank is enrolled again, and removes everything when it is taken out", async () => {
    const phone = new Phone();
    await phone.signUp();
    await phone.enrol("north-bank", "customer2@example.com");
    const before = await phone.cards();
    await phone.enrol("north-bank", "customer2@example.com");
    const identity = (card: Body) => `${card["id"]} ${card["walletCardToken"]}`;
    expect((await phone.cards()).map(identity).sort()).toEqual(before.map(identity).sort());
    const [enrolment] = await phone.enrolments();
    const removed = await phone.delete(`/enrollment/${enrolment?.["id"]}`);
    expect(removed).toMatchObject({ status: 200, body: { success: true, deletedCards: 2 } });
    expect(await phone.cards()).toEqual([]);
    expect((await phone.get("/accounts")).text).toBe('{"accounts":[]}');
  });

  it("tells the app when consent is denied or a state comes twice", async () => {
    const phone = new Phone();
    await phone.signUp();
    const denied = await phone.enrol("maple-bank", "customer1@example.com", "Deny");
    expect(denied.get("success")).toBe("false");
    expect(denied.get("error")).toBe("access_denied");
    const replay = await call("GET", `${mobile}/enrollment/callback/maple-bank?code=x&state=unknown`);
    expect(replay.status).toBe(302);
    expect(replay.headers.get("location")).toBe("mwsim://enrollment/callback?success=false&error=invalid_state");
    const unknown = await phone.post("/enrollment/start/no-such-bank");
    expect(unknown).toMatchObject({ status: 404, body: { error: "not_found" } });
  });

  it("ends tokens at sign-out and a refresh storm at its second request", async () => {
    const phone = new Phone();
    await phone.signUp();
    const refreshed = await phone.post("/auth/token/refresh", { refreshToken: phone.refreshToken });
    expect(refreshed.status).toBe(200);
    expect(Object.keys(refreshed.body).sort()).toEqual(["accessToken", "expiresIn", "refreshToken"]);
    expect(await phone.post("/auth/logout")).toMatchObject({ status: 200, body: { success: true } });
    expect(await phone.get("/enrollment/list")).toMatchObject({ status: 401, body: unauthorized });
    const old = { refreshToken: refreshed.body["refreshToken"] };
    expect(await phone.post("/auth/token/refresh", old)).toMatchObject({ status: 401, body: unauthorized });
    const again = await phone.post("/auth/token/refresh", old);
    expect(again).toMatchObject({ status: 429, body: { error: "rate_limit_exceeded" } });
  });

  it("answers for what is another user's as for what is not there", async () => {
    const owner = new Phone();
    await owner.signUp();
    await owner.enrol("north-bank", "customer1@example.com");
    const stranger = new Phone();
    await stranger.signUp();
    const [card] = await owner.cards();
    const [enrolment] = await owner.enrolments();
    const notFound = { status: 404, body: { error: "not_found" } };
    expect(await stranger.delete(`/wallet/cards/${card?.["id"]}`)).toMatchObject(notFound);
    expect(await stranger.post(`/wallet/cards/${card?.["id"]}/default`)).toMatchObject(notFound);
    expect(await stranger.delete(`/enrollment/${enrolment?.["id"]}`)).toMatchObject(notFound);
    expect(await owner.cards()).toHaveLength(2);
  });

  it("deletes an account at once, for every phone of it, and frees its address", async () => {
    const phone = new Phone();
    await phone.signUp();
    const answer = await phone.delete("/account");
    expect(answer).toMatchObject({ status: 200, body: { success: true } });
    expect(answer.body).not.toHaveProperty("message");
    expect(await phone.get("/wallet/summary")).toMatchObject({ status: 401, body: unauthorized });
    // 429 where somebody else at this address was refused just before.
    const refreshed = await phone.post("/auth/token/refresh", { refreshToken: phone.refreshToken });
    expect([401, 429]).toContain(refreshed.status);
    expect((await new Phone(phone.email).signUp()).status).toBe(201);
  });

  it("gives a browser a session with the start of an enrolment and an account at its end", async () => {
    const start = await call("POST", `${urls.gateway}/api/enrollment/start/maple-bank`, { body: {} });
    expect(start.status).toBe(200);
    expect(start.headers.get("set-cookie")).toMatch(/^wsim\.sid=[\w-]{43}; Path=\/; .*HttpOnly; SameSite=Lax/);
    const session = await call("GET", `${urls.gateway}/api/auth/session`);
    expect(session).toMatchObject({ status: 200, body: { authenticated: false } });
    const me = await call("GET", `${urls.gateway}/api/auth/me`);
    expect(me).toMatchObject({ status: 401, body: unauthorized });
  });
});
