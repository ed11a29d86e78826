import { Agent, request } from "undici";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Fetched, FormBrowser, formsOf, plainText } from "../../platform/testing/form-browser.ts";
import { keepNotices } from "../storage/owner-notices-store.ts";
import { startWorld, type World } from "../testing/payment-page-world.ts";

let world: World;
let people = 0;

beforeAll(async () => {
  world = await startWorld();
});
afterAll(async () => {
  await world?.close();
});

async function signUp(browser: FormBrowser): Promise<{ page: Fetched; email: string }> {
  people += 1;
  const email = `grace${people}@example.com`;
  const form = await browser.open(`${world.issuer}/login?with=sign-up`);
  expect(form.text).toContain("<title>Create your wallet · Wallet</title>");
  const sent = await browser.press(form, "Sign up", { Email: email, Name: "Grace" });
  return { page: await browser.press(sent, "Sign in", { Code: await world.codeFor(email) }), email };
}

describe("the wallet's own pages", () => {
  it("lead from signing up to two banks with their cards, and out again", async () => {
    const browser = new FormBrowser();
    expect((await browser.open(`${world.issuer}/`)).url).toBe(`${world.issuer}/login`);
    const { page, email } = await signUp(browser);
    expect(page.url).toBe(`${world.issuer}/wallet`);
    expect(plainText(page.text)).toContain("Hello, Grace");
    const one = await browser.press(page, "Add North Bank");
    expect(plainText(one.text)).toContain("North Bank was added to your wallet.");
    const two = await browser.press(one, "Add Maple Credit Union");
    const shown = plainText(two.text);
    expect(shown).toContain("Maple Credit Union Connected");
    expect(shown).toMatch(/North Bank Connected .*Visa •••• ending in 1110/);
    const out = await browser.press(two, "Sign out");
    expect(out.url).toBe(`${world.issuer}/login`);
    expect((await browser.open(`${world.issuer}/wallet`)).url).toBe(`${world.issuer}/login`);
    const sent = await browser.press(out, "Continue", { Email: email });
    const back = await browser.press(sent, "Sign in", { Code: await world.codeFor(email) });
    expect(plainText(back.text)).toContain("Maple Credit Union Connected");
  });

  it("lead to the connected accounts after a sign-in that was asked for there, and nowhere else", async () => {
    const browser = new FormBrowser();
    const form = await browser.open(`${world.issuer}/login?next=/connections`);
    expect(form.url).toBe(`${world.issuer}/login/connections`);
    const way = await browser.open(`${world.issuer}/login/connections?with=sign-up`);
    const email = `ada${Date.now()}@example.com`;
    const sent = await browser.press(way, "Sign up", { Email: email, Name: "Ada" });
    const code = { Code: await world.codeFor(email) };
    const end = await browser.press(sent, "Sign in", code, (location) => location.endsWith("/connections"));
    expect(end.url).toBe(`${world.issuer}/connections`);
    const stop = (location: string) => location.endsWith("/connections");
    expect(
      (await browser.open(`${world.issuer}/login?next=/connections`, {}, (at) => stop(at) && !at.includes("login")))
        .url,
    ).toBe(`${world.issuer}/connections`);
    for (const next of ["//evil.example", "https://evil.example/connections", "/connections/../x", "/wallet"]) {
      const stranger = new FormBrowser();
      const page = await stranger.open(`${world.issuer}/login?next=${encodeURIComponent(next)}`);
      expect(new URL(page.url).pathname, next).toBe("/login");
      expect(page.text).not.toContain("evil.example");
    }
  });

  it("tell what has happened to a connection until it is hidden or no longer so", async () => {
    const browser = new FormBrowser();
    const { page, email } = await signUp(browser);
    const { user_id: userId } = await world.deps.db.query
      .selectFrom("users")
      .select("user_id")
      .where("email", "=", email)
      .executeTakeFirstOrThrow();
    world.credential.standings.length = 0;
    const now = world.clock.now();
    const consentEndsAt = new Date("2030-03-04T12:00:00Z");
    const about = (place: string, kind: string) => {
      const [noticeId, connectionId] = [crypto.randomUUID(), `at-${place}`];
      const standing = { connectionId, state: kind === "consent_expiring" ? "ACTIVE" : "EXPIRED", consentEndsAt };
      world.credential.standings.push(standing);
      return {
        noticeId,
        connectionId,
        connector: "plaid",
        place,
        kind,
        consentEndsAt,
        createdAt: now,
        waitsForMail: false,
      };
    };
    const ended = about("<b>Heron</b>", "reauthorization_required");
    const notices = [ended, about("Otter Bank", "consent_expiring"), about("Well", "recovered")];
    await keepNotices(world.deps.db.query, { userId, now }, notices);
    const shown = await browser.open(page.url);
    expect(plainText(shown.text)).toContain("Your consent at Otter Bank ends on March 4, 2030");
    expect(shown.text).toContain("&lt;b&gt;Heron&lt;/b&gt; needs your consent again");
    expect(shown.text).toContain(`href="${world.issuer}/connections"`);
    const hidden = await browser.press(shown, "Hide: Your consent at Otter Bank ends on March 4, 2030");
    expect(hidden.text).not.toContain("Otter Bank");
    Object.assign(world.credential.standings[0] ?? {}, { state: "ACTIVE" });
    expect((await browser.open(page.url)).text).not.toContain("Heron");
  });

  it("end a wallet once its person has said so twice, and the browser is signed out", async () => {
    const browser = new FormBrowser();
    const { page, email } = await signUp(browser);
    const question = await browser.open(`${world.issuer}/wallet/close`);
    expect(plainText((await browser.press(question, "Delete my wallet")).text)).toContain("Tick the box");
    world.credential.erasureFails = true;
    const end = await browser.submit(question, "/wallet/close", { understood: "yes" });
    world.credential.erasureFails = false;
    expect(plainText(end.text)).toContain("Your wallet is deleted Nobody can use it any more.");
    expect((await browser.open(page.url)).url).toBe(`${world.issuer}/login`);
    const known = world.deps.db.query.selectFrom("users").select("user_id").where("email", "=", email);
    expect(await known.execute()).toEqual([]);
  });

  it("make another card the default, take one out, and remove a bank", async () => {
    const browser = new FormBrowser();
    const { page } = await signUp(browser);
    let wallet = await browser.press(page, "Add North Bank");
    const before = plainText(wallet.text);
    wallet = await browser.press(wallet, buttonOn(wallet, "Make default"));
    expect(plainText(wallet.text)).not.toBe(before);
    wallet = await browser.press(wallet, buttonOn(wallet, "Remove Visa"));
    expect(plainText(wallet.text)).not.toContain("ending in 1110");
    wallet = await browser.press(wallet, "Remove North Bank");
    expect(plainText(wallet.text)).toContain("Add your bank");
  });

  it("set a password that signs in from then on, and change it only with the present one", async () => {
    const browser = new FormBrowser();
    const { page, email } = await signUp(browser);
    const short = await browser.press(page, "Save password", { "New password": "short" });
    expect(short.status).toBe(400);
    expect(plainText(short.text)).toContain("8 to 200 characters");
    const saved = await browser.press(short, "Save password", { "New password": "correct horse" });
    expect(plainText(saved.text)).toContain("Your password is saved.");
    const stolen = await browser.press(saved, "Save password", {
      "New password": "mine now!!",
      "Present password": "guess guess",
    });
    expect(plainText(stolen.text)).toContain("That is not your present password.");
    const signIn = async (password: string) => {
      const other = new FormBrowser();
      const form = await other.open(`${world.issuer}/login?with=password`);
      return other.press(form, "Sign in", { Email: email, Password: password });
    };
    expect((await signIn("mine now!!")).status).toBe(400);
    expect(plainText((await signIn("correct horse")).text)).toContain("Hello, Grace");
  });

  it("send codes to the owner of an address whom another client keeps asking for", async () => {
    const nuisance = new Agent({ localAddress: "127.0.0.2" });
    const page = await new FormBrowser().open(`${world.issuer}/login`);
    const csrf = /wsim\.csrf=[^;]+/.exec(page.headers.getSetCookie().join())?.[0] ?? "";
    const form = formsOf(page.text).find((each) => each.buttons.has("Continue"));
    const email = `pestered-${crypto.randomUUID()}@example.com`;
    const ask = () =>
      request(`${world.issuer}/login/login`, {
        method: "POST",
        dispatcher: nuisance,
        headers: { cookie: csrf, accept: "text/html", "content-type": "application/x-www-form-urlencoded" },
        body: new URLSearchParams({ ...form?.values, email }).toString(),
      });
    const answers: string[] = [];
    for (let count = 0; count < 11; count += 1) answers.push(await (await ask()).body.text());
    expect(answers[9]).toContain("Check your mail");
    expect(answers[10]).toContain("Too many tries");
    const browser = new FormBrowser();
    const own = await browser.press(await browser.open(`${world.issuer}/login`), "Continue", { Email: email });
    expect(plainText(own.text)).toContain("Check your mail");
    await nuisance.close();
  });

  it("say the same for a wrong password and for an unknown address", async () => {
    const { email } = await signUp(new FormBrowser());
    const told = async (address: string) => {
      const browser = new FormBrowser();
      const form = await browser.open(`${world.issuer}/login?with=password`);
      const answer = await browser.press(form, "Sign in", { Email: address, Password: "not the password" });
      return { status: answer.status, text: plainText(answer.text) };
    };
    const known = await told(email);
    expect(known).toEqual(await told("nobody@example.com"));
    expect(known.text).toContain("Email or password is wrong");
  });

  it("explain an enrolment that did not work, and show nothing an address made up", async () => {
    const page = await new FormBrowser().open(`${world.issuer}/enroll?error=access_denied&message=Send+money+to+me`);
    expect(plainText(page.text)).toContain("You did not allow it at the bank");
    expect(page.text).not.toContain("Send money");
  });

  it("refuse a form without its token, as a page", async () => {
    const browser = new FormBrowser();
    await signUp(browser);
    const answer = await browser.open(`${world.issuer}/wallet/sign-out`, {
      method: "POST",
      body: new URLSearchParams(),
    });
    expect(answer.status).toBe(403);
    expect(answer.headers.get("content-type")).toContain("text/html");
    expect(plainText(answer.text)).toContain("no longer valid");
    expect((await browser.open(`${world.issuer}/wallet`)).url).toBe(`${world.issuer}/wallet`);
  });

  it("do not change another person's cards or banks", async () => {
    const owner = new FormBrowser();
    const own = await owner.press((await signUp(owner)).page, "Add North Bank");
    const theirs = [...own.text.matchAll(/action="(\/wallet\/(?:cards|enrolments)\/[^"]+\/remove)"/g)].map(
      (match) => match[1],
    );
    expect(theirs.length).toBeGreaterThan(2);
    const browser = new FormBrowser();
    const mine = await browser.press((await signUp(browser)).page, "Add Maple Credit Union");
    const csrf = /name="_csrf" value="([^"]+)"/.exec(mine.text)?.[1] ?? "";
    for (const path of theirs) {
      const answer = await browser.open(`${world.issuer}${path}`, {
        method: "POST",
        body: new URLSearchParams({ _csrf: csrf }),
      });
      expect(answer.status).toBe(404);
    }
    expect(plainText((await owner.open(`${world.issuer}/wallet`)).text)).toContain("North Bank Connected");
  });
});

/** The full name of the first button that begins so. */
function buttonOn(page: Fetched, start: string): string {
  const names = formsOf(page.text).flatMap((form) => [...form.buttons.keys()]);
  return names.find((name) => name.startsWith(start)) ?? start;
}
