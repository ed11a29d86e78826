import { SignJWT } from "jose";
import { expect, it } from "vitest";
import { issueWalletToken } from "../../domain/card-token.ts";
import { deriveBankKeys } from "../../oidc/bank-keys.ts";
import { consentTokenRef } from "../../oidc/consent-token-ref.ts";
import { createCardTokenVerifier } from "./verify-card-token.ts";

const secret = "s".repeat(32);
const keys = deriveBankKeys(secret, "north-bank");
const noAccess = async () => undefined;
const verify = createCardTokenVerifier({ keys, bsimId: "north-bank", readAccess: noAccess });
const claims = { jti: "a-jti", cardId: "c", fiUserRef: "u", walletId: "w", bsimId: "north-bank" };

const sign = (header: { alg: string; typ?: string; crit?: string[] }, payload: object, key = keys.cardToken) =>
  new SignJWT({ ...payload }).setProtectedHeader(header).sign(key, { crit: { exp: true } });

it("gives the reference of the bank's own tokens, expired ones too", async () => {
  const fresh = await issueWalletToken(keys.cardToken, claims, new Date());
  const old = await issueWalletToken(keys.cardToken, claims, new Date(0));
  for (const token of [fresh, old]) expect(await verify(token)).toBe("a-jti");
  const consent = `ctok_${"a1".repeat(16)}`;
  expect(await verify(consent)).toBe(consentTokenRef(keys.tokenPepper, consent));
});

it("refuses forged, altered, unsigned and foreign tokens", async () => {
  const good = await issueWalletToken(keys.cardToken, claims, new Date());
  const [header = "", payload = "", signature = ""] = good.split(".");
  const otherBank = deriveBankKeys(secret, "maple-bank").cardToken;
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const tampered = part({ ...claims, type: "wallet_payment_token", jti: "other" });
  const wrong = [
    `${header}.${tampered}.${signature}`,
    `${header}.${payload}.${signature.slice(0, -2)}AA`,
    `${header}.${payload}.`,
    `${part({ alg: "none", typ: "JWT" })}.${payload}.`,
    `${header}.${payload}.${signature}=`,
    `${good}.more`,
    await issueWalletToken(otherBank, claims, new Date()),
    await issueWalletToken(keys.cardToken, { ...claims, bsimId: "maple-bank" }, new Date()),
    await sign({ alg: "HS256", typ: "JWT" }, { ...claims, type: "wallet_credential" }),
    await sign({ alg: "HS256", typ: "JWT" }, { bsimId: "north-bank", type: "wallet_payment_token" }),
    await sign({ alg: "HS256", typ: "JWT", crit: ["exp"] }, { ...claims, type: "wallet_payment_token" }).catch(
      () => "x",
    ),
    await sign({ alg: "HS256" }, { ...claims, type: "wallet_payment_token" }),
    await sign({ alg: "HS512", typ: "JWT" }, { ...claims, type: "wallet_payment_token" }, Buffer.alloc(64, 1)),
    `${good}${"x".repeat(5_000)}`,
    "wsim_north-bank_abc",
    "ctok_short",
    "",
  ];
  for (const token of wrong) expect([token.slice(0, 40), await verify(token)]).toEqual([token.slice(0, 40), undefined]);
});
