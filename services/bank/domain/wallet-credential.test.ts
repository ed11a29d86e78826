import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chosenAmong } from "./consent.ts";
import { credentialState, decideCredential, scopeText, type WalletCredential } from "./wallet-credential.ts";

const dayMs = 86_400_000;
const start = new Date("2026-03-01T00:00:00Z");
const onDay = (days: number) => new Date(start.getTime() + days * dayMs);

function credential(lifeDays: number, revokedOnDay?: number): WalletCredential {
  return {
    id: "c",
    grantId: "g",
    generation: 3,
    customerId: "u",
    fiUserRef: "f",
    walletId: "w",
    walletName: "Wallet",
    scopes: ["cards:read"],
    cardIds: [],
    credentialHash: Buffer.alloc(32),
    issuedAt: start,
    expiresAt: onDay(lifeDays),
    lastUsedAt: undefined,
    revokedAt: revokedOnDay === undefined ? undefined : onDay(revokedOnDay),
  };
}

describe("credentialState", () => {
  it("goes from active to expired at its end, and a revoked one never comes back", () => {
    expect(credentialState(credential(90), onDay(89.99))).toBe("active");
    expect(credentialState(credential(90), onDay(90))).toBe("expired");
    fc.assert(
      fc.property(fc.double({ min: 0, max: 500, noNaN: true }), (days) => {
        expect(credentialState(credential(90, 1), onDay(days))).toBe("revoked");
      }),
    );
  });
});

describe("decideCredential", () => {
  it("starts with the first generation and renews when under 30 days remain, also after the end", () => {
    expect(decideCredential(undefined, start)).toEqual({ kind: "next", generation: 1 });
    expect(decideCredential(credential(90), onDay(60)).kind).toBe("same");
    expect(decideCredential(credential(90), onDay(60.01))).toEqual({ kind: "next", generation: 4 });
    expect(decideCredential(credential(90), onDay(120))).toEqual({ kind: "next", generation: 4 });
  });

  it("gives none after revocation, at any time", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 400 }), fc.integer({ min: 0, max: 800 }), (life, day) => {
        expect(decideCredential(credential(life, 0), onDay(day)).kind).toBe("none");
      }),
    );
  });

  it("never renews a credential just issued, however short its life", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3650 }), (life) => {
        expect(decideCredential(credential(life), start).kind).toBe("same");
      }),
    );
  });
});

describe("scopeText", () => {
  it("says the list's scopes in the other vocabulary", () => {
    expect(scopeText(["cards:read", "payments:create"])).toBe("wallet:enroll wallet:cards wallet:pay");
    expect(scopeText(["cards:read"])).toBe("wallet:enroll wallet:cards");
  });
});

describe("chosenAmong", () => {
  it("gives what was offered and chosen, each once, and nothing else", () => {
    const ids = fc.array(fc.constantFrom("a", "b", "c", "d", "e"));
    fc.assert(
      fc.property(ids, fc.uniqueArray(fc.constantFrom("a", "b", "c")), (chosen, offered) => {
        const result = chosenAmong(
          chosen,
          offered.map((id) => ({ id })),
        );
        expect(result).toEqual(offered.filter((id) => chosen.includes(id)));
      }),
    );
  });
});
