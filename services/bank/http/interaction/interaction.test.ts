import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type IdentityUnderTest,
  merchant,
  password,
  startIdentity,
  type TestCustomer,
  wallet,
  walletScope,
} from "../../testing/identity-under-test.ts";

let bank: IdentityUnderTest;
beforeAll(async () => {
  bank = await startIdentity();
});
afterAll(() => bank.stop());

async function atConsent(customer: TestCustomer, browser = bank.browser()) {
  const { url, verifier } = bank.authUrl(wallet, walletScope);
  const consent = await bank.signIn(browser, await browser.open(url), customer);
  return { browser, consent, verifier };
}

describe("sign-in page", () => {
  it("has labelled fields and a named button, and keeps form-action out because the form ends elsewhere", async () => {
    const browser = bank.browser();
    const page = await browser.open(bank.authUrl(wallet, walletScope).url);
    expect(page.text).toMatch(/<label for="field-email">Email<\/label>/);
    expect(page.text).toMatch(/<label for="field-password">Password<\/label>/);
    expect(page.text).toMatch(/<button [^>]*>Sign in<\/button>/);
    expect(page.text).toContain("Pocket Wallet");
    expect(page.text).not.toContain("<script");
    const policy = page.headers.get("content-security-policy");
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain("form-action");
  });

  it("does not tell a wrong password from an address nobody has", async () => {
    const customer = await bank.addCustomer();
    const texts: string[] = [];
    for (const email of [customer.email, "nobody@example.com"]) {
      const browser = bank.browser();
      const page = await browser.open(bank.authUrl(wallet, walletScope).url);
      const refused = await browser.submit(page, { email, password: "wrong password" });
      expect(refused.status).toBe(401);
      expect(refused.text).not.toContain("wrong password");
      texts.push(/role="alert">(.*?)<\/div>/.exec(refused.text)?.[1] ?? "");
    }
    expect(texts[0]).toContain("Email or password is not right");
    expect(texts[1]).toBe(texts[0]);
  });

  it("answers what no database could hold as a mistake of the request, not of ours", async () => {
    const browser = bank.browser();
    const page = await browser.open(bank.authUrl(wallet, walletScope).url);
    expect((await browser.submit(page, { email: "a\0b", password })).status).toBe(400);
    const unknown = await fetch(`${bank.issuer}/auth?client_id=a%00b&response_type=code`);
    expect(unknown.status).toBe(400);
  });

  it("stops guessing at one account after so many attempts, also with the right password, and leaves others alone", async () => {
    const customer = await bank.addCustomer();
    const browser = bank.browser();
    const page = await browser.open(bank.authUrl(wallet, walletScope).url);
    const guesses = await Promise.all(
      Array.from({ length: 11 }, () =>
        browser.submit(page, { email: customer.email.toUpperCase(), password: "guess" }),
      ),
    );
    expect(guesses.filter((guess) => guess.status === 429)).toHaveLength(1);
    const right = await browser.submit(page, { email: customer.email, password });
    expect(right.status).toBe(429);
    expect(Number(right.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await atConsent(await bank.addCustomer())).consent.text).toContain("Allow");
  });

  it("refuses a form without its token, and an interaction of another browser", async () => {
    const customer = await bank.addCustomer();
    const browser = bank.browser();
    const page = await browser.open(bank.authUrl(wallet, walletScope).url);
    const forged = await browser.submit(page, { email: customer.email, password, _csrf: "forged" });
    expect(forged.status).toBe(403);
    expect(forged.headers.get("content-type")).toContain("text/html");
    expect(forged.text).toContain("no longer valid");
    expect((await bank.browser().open(page.url)).status).toBe(404);
  });
});

describe("consent page", () => {
  it("says who asks and for what, and shows active cards alone, all chosen", async () => {
    const { consent } = await atConsent(await bank.addCustomer());
    for (const text of [
      "Pocket Wallet",
      "See your profile",
      "Add your cards",
      "Request payments",
      "4242",
      "4444",
      "Remember this decision",
    ]) {
      expect(consent.text).toContain(text);
    }
    expect(consent.text).not.toContain("1111");
    const boxes = [...consent.text.matchAll(/<input type="checkbox" name="selectedCards"[^>]*>/g)].map(([tag]) => tag);
    expect(boxes).toHaveLength(2);
    for (const box of boxes) expect(box).toContain("checked");
    expect(consent.text).toMatch(/<button [^>]*>Allow<\/button>/);
    expect(consent.text).toMatch(/<button [^>]*>Deny<\/button>/);
  });

  it("gives the wallet the chosen cards alone, and never another customer's or an inactive one", async () => {
    const customer = await bank.addCustomer();
    const other = await bank.addCustomer();
    const chosen = [customer.mc, other.visa, customer.inactive];
    const enrolled = await bank.enrol(customer, { fields: { selectedCards: chosen } });
    const { body } = await bank.api("/cards", enrolled.credential);
    expect(body.cards.map((card: { id: string }) => card.id)).toEqual([customer.mc]);
  });

  it("asks again when no card is chosen", async () => {
    const { browser, consent } = await atConsent(await bank.addCustomer());
    const again = await browser.submit(consent, { selectedCards: [] }, "Allow");
    expect(again.status).toBe(400);
    expect(again.text).toContain("Choose at least one card");
  });

  it("returns access_denied to the wallet on Deny, and on Cancel at the sign-in", async () => {
    const { browser, consent } = await atConsent(await bank.addCustomer());
    const denied = await browser.submit(consent, {}, "Deny");
    expect(denied.leftFor?.searchParams.get("error")).toBe("access_denied");
    expect(denied.leftFor?.searchParams.get("state")).toBe("state-1");
    const early = bank.browser();
    const cancelled = await early.submit(await early.open(bank.authUrl(wallet, walletScope).url), {}, "Cancel");
    expect(cancelled.leftFor?.searchParams.get("error")).toBe("access_denied");
  });

  it("remembers the decision when told, and asks each time otherwise", async () => {
    const customer = await bank.addCustomer();
    const once = await bank.enrol(customer);
    expect(once.asked.text).toContain("Allow");
    const remembered = await bank.enrol(customer, { fields: { remember: "yes", selectedCards: customer.visa } });
    expect(remembered.asked.text).toContain("Allow");
    const unasked = await bank.enrol(customer);
    expect(unasked.asked.leftFor).toBeDefined();
    const { body } = await bank.api("/cards", unasked.credential);
    expect(body.cards.map((card: { id: string }) => card.id)).toEqual([customer.visa]);
    const { body: more } = await bank.api("/status", unasked.credential);
    expect(more.cardCount).toBe(1);
  });

  it("asks again for more than was remembered, and on prompt=consent", async () => {
    const customer = await bank.addCustomer();
    const scope = "openid wallet:enroll";
    await bank.enrol(customer, { scope, fields: { remember: "yes" } });
    expect((await bank.enrol(customer, { scope })).asked.leftFor).toBeDefined();
    expect((await bank.enrol(customer)).asked.text).toContain("Allow");
    expect((await bank.enrol(customer, { scope, prompt: "login consent" })).asked.text).toContain("Allow");
  });

  it("forgets the decision with the last link, not before", async () => {
    const customer = await bank.addCustomer();
    const first = await bank.enrol(customer, { fields: { remember: "yes" } });
    const second = await bank.enrol(customer);
    await bank.api("/revoke", first.credential, {});
    const third = await bank.enrol(customer);
    expect(third.asked.leftFor).toBeDefined();
    for (const { credential } of [second, third]) await bank.api("/revoke", credential, {});
    expect((await bank.enrol(customer)).asked.text).toContain("Allow");
  });
});

describe("two customers in one browser", () => {
  it("lets another customer sign in in the middle of an interaction, which goes on for him", async () => {
    const [first, second] = [await bank.addCustomer("First"), await bank.addCustomer("Second")];
    const browser = bank.browser();
    const earlier = await bank.enrol(first, { browser });
    const { url, verifier } = bank.authUrl(wallet, walletScope);
    const consent = await bank.signIn(browser, await browser.open(url), second);
    expect(consent.text).toContain("Signed in as Second");
    const { leftFor } = await browser.submit(consent, {}, "Allow");
    const { body } = await bank.exchange(leftFor?.searchParams.get("code") ?? "", verifier);
    expect(JSON.parse(Buffer.from(body.id_token.split(".")[1], "base64url").toString()).sub).toBe(second.fiUserRef);
    expect((await bank.refresh(earlier.refresh_token)).status).toBe(200);
  });

  it("lets the consent page be answered by another customer through its own sign-in", async () => {
    const [first, second] = [await bank.addCustomer("First"), await bank.addCustomer("Second")];
    const { browser, consent } = await atConsent(first);
    const link = /href="(\/interaction\/[^"]+\/sign-in)"/.exec(consent.text)?.[1] ?? "";
    const theirs = await bank.signIn(browser, await browser.open(link), second);
    expect(theirs.text).toContain("Signed in as Second");
    expect((await browser.submit(theirs, {}, "Allow")).leftFor?.searchParams.get("code")).toBeTruthy();
  });

  it("asks who it is when another tab signed somebody else in, instead of losing the request or mixing the two", async () => {
    const [first, second] = [await bank.addCustomer("First"), await bank.addCustomer("Second")];
    const { browser, consent } = await atConsent(first);
    await bank.enrol(second, { browser });
    const stale = await browser.submit(consent, {}, "Allow");
    expect(stale.leftFor).toBeUndefined();
    expect(stale.text).toMatch(/<button [^>]*>Sign in<\/button>/);
    const again = await bank.signIn(browser, stale, first);
    expect(again.text).toContain("Signed in as First");
    expect((await browser.submit(again, {}, "Allow")).leftFor?.searchParams.get("code")).toBeTruthy();
  });

  it("accepts the first tab's answer when the same customer signed in anew meanwhile", async () => {
    const [first, second] = [await bank.addCustomer("First"), await bank.addCustomer("Second")];
    const { browser, consent } = await atConsent(first);
    await bank.enrol(second, { browser });
    await bank.enrol(first, { browser });
    expect((await browser.submit(consent, {}, "Allow")).leftFor?.searchParams.get("code")).toBeTruthy();
  });
});

describe("payment consent", () => {
  async function consentTo(customer: TestCustomer, fields: Record<string, string>) {
    const browser = bank.browser();
    const { url, verifier } = bank.authUrl(merchant, "openid payment:authorize", { prompt: "consent" });
    const page = await bank.signIn(browser, await browser.open(url), customer);
    const shown = await browser.submit(page, fields, "Allow");
    return { page, shown, verifier, code: shown.leftFor?.searchParams.get("code") ?? "" };
  }

  it("gives the merchant a card token for the chosen card, up to the limit, used once", async () => {
    const customer = await bank.addCustomer();
    const { page, code, verifier } = await consentTo(customer, { selectedCard: customer.mc, limit: "25.00" });
    expect(page.text).toContain("Corner Shop");
    const { body } = await bank.exchange(code, verifier, merchant);
    const claims = JSON.parse(Buffer.from(body.access_token.split(".")[1], "base64url").toString());
    expect(claims.card_token).toMatch(/^ctok_[0-9a-f]{32}$/);
    expect(claims).not.toHaveProperty("wallet_credential");
    expect(body).not.toHaveProperty("refresh_token");
    const paid = await bank.pay({ cardToken: claims.card_token, amount: 20, currency: "CAD", merchantId: "shop-1" });
    expect(paid.body).toMatchObject({ status: "approved" });
    const again = await bank.pay({ cardToken: claims.card_token, amount: 20, currency: "CAD", merchantId: "shop-1" });
    expect(again.body).toMatchObject({ status: "declined", declineReason: "Invalid card token" });
  });

  it("declines above the limit, and for another merchant", async () => {
    const customer = await bank.addCustomer();
    for (const [payment, reason] of [
      [{ amount: 25.01, merchantId: "shop-1" }, "Amount exceeds consent limit"],
      [{ amount: 1, merchantId: "shop-2" }, "Merchant mismatch"],
    ] as const) {
      const { code, verifier } = await consentTo(customer, { selectedCard: customer.visa, limit: "25" });
      const { body } = await bank.exchange(code, verifier, merchant);
      const claims = JSON.parse(Buffer.from(body.access_token.split(".")[1], "base64url").toString());
      const answer = await bank.pay({ cardToken: claims.card_token, currency: "CAD", ...payment });
      expect(answer.body).toMatchObject({ status: "declined", declineReason: reason });
    }
  });

  it("asks again for another customer's card or a limit that is no amount", async () => {
    const customer = await bank.addCustomer();
    const other = await bank.addCustomer();
    expect((await consentTo(customer, { selectedCard: other.visa })).shown.status).toBe(400);
    expect((await consentTo(customer, { selectedCard: customer.visa, limit: "-1" })).shown.text).toContain(
      "not an amount",
    );
  });

  it("revokes the card token when the code is used twice", async () => {
    const customer = await bank.addCustomer();
    const { code, verifier } = await consentTo(customer, { selectedCard: customer.visa });
    const { body } = await bank.exchange(code, verifier, merchant);
    await bank.exchange(code, verifier, merchant);
    const claims = JSON.parse(Buffer.from(body.access_token.split(".")[1], "base64url").toString());
    const answer = await bank.pay({ cardToken: claims.card_token, amount: 1, currency: "CAD", merchantId: "shop-1" });
    expect(answer.body).toMatchObject({ status: "declined", declineReason: "Consent revoked" });
  });
});
