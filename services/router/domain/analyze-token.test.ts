import fc from "fast-check";
import { expect, it } from "vitest";
import { bankNamed, directoryOf, jwtWith } from "../testing/bank-facts.ts";
import { analyzeToken } from "./analyze-token.ts";

const now = new Date("2026-03-01T10:00:00.000Z");
const maple = bankNamed("maple-bank");
const directory = directoryOf(maple, bankNamed("paused-bank", { status: "maintenance" }));
const seconds = now.getTime() / 1_000;

it("tells a wallet card token and its bank", () => {
  const report = analyzeToken("wsim_maple-bank_c0ffee123456", directory, now);
  expect(report).toMatchObject({
    tokenType: "wallet_card_token",
    bankId: "maple-bank",
    isWalletToken: true,
    isJwt: false,
  });
  expect(report.preview).toBe("wsim_…");
  expect(report.warnings).toEqual([]);
});

it("tells a payment token with its times", () => {
  const token = jwtWith({ type: "wallet_payment_token", bsimId: "maple-bank", iat: seconds - 60, exp: seconds - 1 });
  const report = analyzeToken(token, directory, now);
  expect(report).toMatchObject({ tokenType: "wallet_payment_token", bankId: "maple-bank", isWalletToken: true });
  expect(report.jwt?.expiresAt).toEqual(new Date(now.getTime() - 1_000));
  expect(report.warnings).toEqual(["The token has expired"]);
});

it("tells a consent token, an access token and what it does not know", () => {
  expect(analyzeToken(`ctok_${"0".repeat(32)}`, directory, now).tokenType).toBe("bank_consent_token");
  expect(analyzeToken(jwtWith({ iss: maple.issuer }), directory, now)).toMatchObject({
    tokenType: "bank_access_token",
    bankId: "maple-bank",
  });
  expect(analyzeToken("something", directory, now)).toMatchObject({ tokenType: "unknown", bankId: undefined });
});

it("warns of unknown and paused banks and of malformed tokens", () => {
  const warningsFor = (token: string) => analyzeToken(token, directory, now).warnings.join("; ");
  expect(warningsFor("wsim_nowhere_abc123")).toContain("not registered");
  expect(warningsFor("wsim_paused-bank_abc123")).toContain("maintenance");
  expect(warningsFor("wsim_maple-bank")).toContain("cannot be read");
});

it("repeats no part of a token or of its claims", () => {
  const secret = fc.stringMatching(/^[A-Za-z0-9]{12,40}$/);
  fc.assert(
    fc.property(secret, secret, (left, right) => {
      const token = jwtWith({ type: left, bsimId: right, iss: `${left}${right}`, jti: left, amount: right });
      for (const given of [token, `ctok_${left}`, `wsim_${right}_${left}`, left]) {
        const shown = JSON.stringify(analyzeToken(given, directory, now));
        expect(shown).not.toContain(left);
        expect(shown).not.toContain(right);
      }
    }),
  );
});
