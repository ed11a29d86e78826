import { decodeJwt, UnsecuredJWT } from "jose";
import { describe, expect, it } from "vitest";
import { setUp } from "../../../platform/testing/set-up.ts";
import { issueCardAccessToken } from "../../oidc/card-access-token.ts";
import { credentialHash } from "../../oidc/credential-issuer.ts";
import { type IdentityUnderTest, startIdentity } from "../../testing/identity-under-test.ts";

const dayMs = 86_400_000;
let bank: IdentityUnderTest;
setUp(async () => {
  bank = await startIdentity();
  return () => bank.stop();
});

async function enrolled(fields: Record<string, string | string[]> = {}) {
  const customer = await bank.addCustomer();
  return { customer, ...(await bank.enrol(customer, { fields })) };
}

describe("cards", () => {
  it("lists the shared active cards in both spellings, without any number", async () => {
    const { customer, credential } = await enrolled();
    const { status, body } = await bank.api("/cards", credential);
    expect(status).toBe(200);
    expect(body.cards).toHaveLength(2);
    expect(body.cards[0]).toEqual({
      id: customer.visa,
      cardRef: customer.visa,
      cardType: "VISA",
      cardHolder: "ADA EXAMPLE",
      cardholderName: "ADA EXAMPLE",
      lastFour: "4242",
      expiryMonth: 9,
      expiryYear: 2030,
      isActive: true,
      status: "active",
    });
  });

  it("leaves a card out once it is no longer active", async () => {
    const { customer, credential } = await enrolled();
    await bank.db.pool.query("update cards set status = 'inactive' where id = $1", [customer.visa]);
    const { body } = await bank.api("/cards", credential);
    expect(body.cards.map((card: { id: string }) => card.id)).toEqual([customer.mc]);
    const minted = await bank.api("/tokens", credential, { cardId: customer.visa });
    expect(minted).toMatchObject({ status: 404, body: { error: "not_found" } });
  });

  it("lists all cards to a wallet enrolling inside the bank, by its own short token alone", async () => {
    const { customer, credential } = await enrolled();
    const token = await issueCardAccessToken(bank.keys.cardToken, bank.issuer, customer.fiUserRef, bank.clock.now());
    expect((await bank.api("/cards/enroll", token)).body.cards).toHaveLength(2);
    expect((await bank.api("/cards/enroll", credential)).status).toBe(401);
    expect((await bank.api("/cards", token)).status).toBe(401);
    const old = await issueCardAccessToken(
      bank.keys.cardToken,
      bank.issuer,
      customer.fiUserRef,
      new Date(bank.clock.now().getTime() - 301_000),
    );
    expect((await bank.api("/cards/enroll", old)).status).toBe(401);
  });
});

describe("wallet credential", () => {
  it("is refused when absent, unsigned, altered, of another bank's making or unknown", async () => {
    const { credential } = await enrolled();
    const claims = decodeJwt(credential);
    const [header, payload, signature] = credential.split(".");
    const widened = Buffer.from(JSON.stringify({ ...claims, cardIds: ["x"] })).toString("base64url");
    expect(await bank.api("/cards", undefined)).toMatchObject({ status: 401, body: { error: "missing_credential" } });
    const forged = [
      new UnsecuredJWT(claims).encode(),
      `${header}.${widened}.${signature}`,
      `${header}.${payload}.${Buffer.from("forged").toString("base64url")}`,
      `wcred_${"0".repeat(32)}`,
      "not-a-credential",
    ];
    for (const text of forged) {
      expect(await bank.api("/cards", text)).toMatchObject({ status: 401, body: { error: "invalid_credential" } });
    }
  });

  it("is refused as expired after its time, and says so in its status", async () => {
    const { credential } = await enrolled();
    bank.clock.advance(91 * dayMs);
    try {
      expect(await bank.api("/cards", credential)).toMatchObject({
        status: 401,
        body: { error: "credential_expired" },
      });
      expect(await bank.api("/status", credential)).toMatchObject({
        status: 200,
        body: { valid: false, isValid: false },
      });
    } finally {
      bank.clock.advance(-91 * dayMs);
    }
  });

  it("of the older opaque form is known by its hash", async () => {
    const { customer, credential } = await enrolled();
    const opaque = `wcred_${"ab12".repeat(8)}`;
    await bank.db.query
      .updateTable("wallet_credentials")
      .set({ credential_hash: credentialHash(bank.keys.tokenPepper, opaque) })
      .where("customer_id", "=", customer.id)
      .execute();
    expect((await bank.api("/cards", opaque)).status).toBe(200);
    expect((await bank.api("/cards", credential)).status).toBe(401);
  });

  it("without a scope may not do what the scope is for", async () => {
    const { customer, credential } = await enrolled();
    await bank.db.query
      .updateTable("wallet_credentials")
      .set({ scopes: ["cards:read"] })
      .where("customer_id", "=", customer.id)
      .execute();
    expect(await bank.api("/request-token", credential, { cardId: customer.visa })).toMatchObject({
      status: 403,
      body: { error: "insufficient_scope", scope: "payments:create" },
    });
    expect((await bank.api("/cards", credential)).status).toBe(200);
  });

  it("tells its status by the contract, with both vocabularies of scopes", async () => {
    const { credential } = await enrolled();
    await bank.api("/cards", credential);
    const { status, body } = await bank.api("/status", credential);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      valid: true,
      isValid: true,
      scope: "wallet:enroll wallet:cards wallet:pay",
      scopes: ["cards:read", "payments:create"],
      cardCount: 2,
      id: decodeJwt(credential).jti,
      walletId: "wsim-wallet",
      walletName: "Pocket Wallet",
      lastUsedAt: expect.any(String),
    });
    expect(Date.parse(body.expiresAt) - Date.parse(body.issuedAt)).toBe(90 * dayMs);
  });
});

describe("card token", () => {
  const payment = { merchantId: "shop-1", merchantName: "Corner Shop", amount: 10, currency: "CAD" };

  it("is minted alike on both routes, bound, for 15 minutes, and pays once", async () => {
    const { customer, credential } = await enrolled();
    for (const path of ["/request-token", "/tokens"]) {
      const { status, body } = await bank.api(path, credential, { cardRef: customer.mc, ...payment });
      expect(status).toBe(200);
      expect(body).toMatchObject({ tokenType: "single_use", cardInfo: { lastFour: "4444", cardType: "MC" } });
      expect(body.token).toBe(body.cardToken);
      const claims = decodeJwt(body.cardToken);
      expect(claims).toMatchObject({
        type: "wallet_payment_token",
        cardId: customer.mc,
        fiUserRef: customer.fiUserRef,
        walletId: "wsim-wallet",
        merchantId: "shop-1",
        amount: 10,
        currency: "CAD",
        bsimId: "north-bank",
        jti: body.tokenId,
      });
      expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(900);
      expect(Date.parse(body.expiresAt)).toBe((claims.exp ?? 0) * 1000);
      const attempts = await Promise.all([1, 2].map(() => bank.pay({ cardToken: body.cardToken, ...payment })));
      expect(attempts.map((attempt) => attempt.body.status).sort()).toEqual(["approved", "declined"]);
    }
  });

  it("is declined for another amount, another merchant, or after 15 minutes", async () => {
    const { customer, credential } = await enrolled();
    const mint = async () =>
      (await bank.api("/tokens", credential, { cardId: customer.visa, ...payment })).body.cardToken;
    expect((await bank.pay({ ...payment, cardToken: await mint(), amount: 300 })).body.declineReason).toBe(
      "Amount mismatch",
    );
    expect((await bank.pay({ ...payment, cardToken: await mint(), merchantId: "shop-2" })).body.declineReason).toBe(
      "Merchant mismatch",
    );
    const late = await mint();
    bank.clock.advance(901_000);
    expect((await bank.pay({ ...payment, cardToken: late })).body.declineReason).toBe("Invalid card token");
  });

  it("is refused with 403 for a card outside the credential, whoever owns it", async () => {
    const customer = await bank.addCustomer();
    const { credential } = await bank.enrol(customer, { fields: { selectedCards: customer.visa } });
    const other = await bank.addCustomer();
    for (const cardId of [customer.mc, other.visa, "no-such-card"]) {
      expect(await bank.api("/request-token", credential, { cardId, ...payment })).toMatchObject({
        status: 403,
        body: { error: "card_not_authorized", message: expect.stringContaining("not enrolled in this wallet") },
      });
    }
  });

  it("is refused with 400 for no card, or an amount that is none", async () => {
    const { customer, credential } = await enrolled();
    expect((await bank.api("/tokens", credential, payment)).status).toBe(400);
    for (const amount of [0, -1, 0.30000000000000004, 1e15, "NaN", "1,00"]) {
      expect((await bank.api("/tokens", credential, { cardId: customer.visa, ...payment, amount })).status).toBe(400);
    }
    const nul = { cardId: customer.visa, ...payment, merchantId: "a\0b" };
    expect((await bank.api("/tokens", credential, nul)).status).toBe(400);
  });

  it("takes the card by either name, the other absent or null", async () => {
    const { customer, credential } = await enrolled();
    for (const card of [{ cardRef: customer.visa }, { cardId: null, cardRef: customer.visa }]) {
      expect((await bank.api("/tokens", credential, { ...card, ...payment })).status).toBe(200);
    }
  });

  it("without merchant and amount is answered, and becomes bound by its first authorization", async () => {
    const { customer, credential } = await enrolled();
    const { body } = await bank.api("/request-token", credential, { cardId: customer.visa });
    expect(decodeJwt(body.cardToken)).not.toHaveProperty("amount");
    expect((await bank.pay({ ...payment, cardToken: body.cardToken, amount: 3 })).body.status).toBe("approved");
    expect((await bank.pay({ ...payment, cardToken: body.cardToken, amount: 3 })).body.status).toBe("declined");
  });

  it("can be revoked by its wallet, again and again, and by no other", async () => {
    const { customer, credential } = await enrolled();
    const stranger = await enrolled();
    const { body } = await bank.api("/tokens", credential, { cardId: customer.visa, ...payment });
    expect((await bank.api(`/tokens/${body.tokenId}/revoke`, stranger.credential, {})).status).toBe(404);
    for (let time = 0; time < 2; time += 1) {
      expect(await bank.api(`/tokens/${body.tokenId}/revoke`, credential, {})).toMatchObject({
        status: 200,
        body: { revoked: true },
      });
    }
    expect((await bank.pay({ ...payment, cardToken: body.cardToken })).body).toMatchObject({
      status: "declined",
      declineReason: "Consent revoked",
    });
  });
});

describe("revocation", () => {
  it("takes effect with the next call, gives the same time on a repeat, and ends tokens and refresh alike", async () => {
    const { customer, credential, refresh_token, access_token } = await enrolled();
    const minted = await bank.api("/tokens", credential, { cardId: customer.visa, merchantId: "shop-1", amount: 5 });
    const first = await bank.api("/revoke", credential, {});
    expect(first).toMatchObject({ status: 200, body: { revoked: true, success: true } });
    expect((await bank.api("/revoke", credential, {})).body.revokedAt).toBe(first.body.revokedAt);
    expect(await bank.api("/cards", credential)).toMatchObject({ status: 401, body: { error: "credential_revoked" } });
    expect(await bank.api("/status", credential)).toMatchObject({
      status: 200,
      body: { valid: false, revokedAt: first.body.revokedAt },
    });
    expect((await bank.refresh(refresh_token)).body.error).toBe("invalid_grant");
    expect((await bank.accounts(access_token)).status).toBe(401);
    const paid = await bank.pay({ cardToken: minted.body.cardToken, merchantId: "shop-1", amount: 5, currency: "CAD" });
    expect(paid.body).toMatchObject({ status: "declined", declineReason: "Consent revoked" });
  });

  it("never lets a card token out beside it", async () => {
    for (let round = 0; round < 5; round += 1) {
      const { customer, credential } = await enrolled();
      const mint = () => bank.api("/tokens", credential, { cardId: customer.visa, merchantId: "shop-1", amount: 5 });
      const answers = await Promise.all([mint(), mint(), bank.api("/revoke", credential, {}), mint()]);
      for (const { status, body } of answers) {
        if (status !== 200 || body.cardToken === undefined) continue;
        const paid = await bank.pay({ cardToken: body.cardToken, merchantId: "shop-1", amount: 5, currency: "CAD" });
        expect(paid.body.status).toBe("declined");
      }
    }
  });

  it("leaves the links of other enrolments alone", async () => {
    const customer = await bank.addCustomer();
    const [first, second] = [await bank.enrol(customer), await bank.enrol(customer)];
    await bank.api("/revoke", first.credential, {});
    expect((await bank.api("/cards", second.credential)).status).toBe(200);
    expect((await bank.refresh(second.refresh_token)).status).toBe(200);
  });
});

describe("credential routes by id", () => {
  it("need the credential of that id or the customer's own session", async () => {
    const customer = await bank.addCustomer();
    const browser = bank.browser();
    const { credential } = await bank.enrol(customer, { browser });
    const stranger = await enrolled();
    const strangersBrowser = bank.browser();
    await bank.enrol(stranger.customer, { browser: strangersBrowser });
    const path = `/credentials/${decodeJwt(credential).jti}`;
    const session = { cookie: browser.cookieHeader("/api/wallet"), origin: bank.origin };
    const foreign = { cookie: strangersBrowser.cookieHeader("/api/wallet"), origin: bank.origin };

    expect((await bank.api(`${path}/status`, undefined)).status).toBe(401);
    expect((await bank.api(`${path}/revoke`, undefined, {})).status).toBe(401);
    expect((await bank.api(`${path}/status`, stranger.credential)).status).toBe(403);
    expect((await bank.api(`${path}/revoke`, stranger.credential, {})).status).toBe(403);
    expect((await bank.api(`${path}/status`, undefined, undefined, foreign)).status).toBe(404);
    expect((await bank.api(`${path}/revoke`, undefined, {}, foreign)).status).toBe(404);
    expect(
      (await bank.api(`${path}/revoke`, undefined, {}, { ...session, origin: "https://evil.example" })).status,
    ).toBe(403);
    expect((await bank.api("/credentials/not-an-id/status", undefined, undefined, session)).status).toBe(404);

    expect((await bank.api(`${path}/status`, credential)).body.valid).toBe(true);
    expect((await bank.api(`${path}/status`, undefined, undefined, session)).body.valid).toBe(true);
    expect(await bank.api(`${path}/revoke`, undefined, {}, session)).toMatchObject({
      status: 200,
      body: { success: true, revoked: true },
    });
    expect(await bank.api(`${path}/revoke`, credential, {})).toMatchObject({
      status: 400,
      body: { error: "already_revoked" },
    });
    expect((await bank.api("/cards", credential)).status).toBe(401);
  });
});
