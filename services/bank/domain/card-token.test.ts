import { jwtVerify, SignJWT, UnsecuredJWT } from "jose";
import { describe, expect, it } from "vitest";
import { isConsentToken, issueWalletToken, readWalletToken, type WalletTokenClaims } from "./card-token.ts";

const key = Buffer.alloc(32, 1);
const now = new Date("2026-03-01T12:00:00Z");
const claims: WalletTokenClaims = {
  jti: "token-1",
  cardId: "card-1",
  fiUserRef: "fiu-1",
  walletId: "wsim-wallet",
  merchantId: "m1",
  amount: 10,
  currency: "CAD",
  bsimId: "north-bank",
};
const here = { bsimId: "north-bank" };

describe("wallet card token", () => {
  it("is read back by the bank that made it, also after its time", async () => {
    const token = issueWalletToken(key, claims, now);
    expect(readWalletToken(key, token, here)).toBe("token-1");
  });

  it("carries exactly the members of the contract, for 15 minutes", async () => {
    const token = issueWalletToken(key, claims, now);
    const payload = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
    const iat = now.getTime() / 1000;
    expect(payload).toEqual({ type: "wallet_payment_token", ...claims, iat, exp: iat + 900 });
  });

  it("is a JWT any library reads", async () => {
    const token = issueWalletToken(key, claims, now);
    const { payload, protectedHeader } = await jwtVerify(token, key, { algorithms: ["HS256"], currentDate: now });
    expect(protectedHeader).toEqual({ alg: "HS256", typ: "JWT" });
    expect(payload.jti).toBe("token-1");
  });

  it("is refused when signed with the right key but for another purpose", async () => {
    const other = await new SignJWT({ type: "wallet_card_access", bsimId: "north-bank" })
      .setProtectedHeader({ alg: "HS256", typ: "JWT" })
      .setJti("token-1")
      .sign(key);
    expect(readWalletToken(key, other, here)).toBeUndefined();
  });

  it("is refused when forged, unsigned, of another bank, of another type or no token", async () => {
    const good = issueWalletToken(key, claims, now);
    const unsigned = new UnsecuredJWT({ type: "wallet_payment_token", ...claims }).encode();
    const forged = issueWalletToken(Buffer.alloc(32, 2), claims, now);
    const elsewhere = issueWalletToken(key, { ...claims, bsimId: "maple-bank" }, now);
    for (const token of [unsigned, forged, elsewhere, "", "a.b.c", good.slice(0, -4), `${good}x`, "x".repeat(5000)]) {
      expect(readWalletToken(key, token, here)).toBeUndefined();
    }
  });
});

describe("isConsentToken", () => {
  it("knows the form ctok_ and 32 hex digits", () => {
    expect(isConsentToken(`ctok_${"0a".repeat(16)}`)).toBe(true);
    for (const text of ["ctok_", `ctok_${"0A".repeat(16)}`, `xctok_${"0a".repeat(16)}`, `ctok_${"0a".repeat(17)}`]) {
      expect(isConsentToken(text)).toBe(false);
    }
  });
});
