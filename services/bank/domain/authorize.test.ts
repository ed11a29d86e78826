import fc from "fast-check";
import { expect, it } from "vitest";
import { type AuthorizeRequest, availableCreditMinor, type CardToken, decideAuthorizations } from "./authorize.ts";

const now = new Date("2026-01-01T00:00:00Z");
const later = new Date(now.getTime() + 1);

const token = (ref: string, cardId: string): CardToken => ({
  tokenRef: ref,
  kind: "wallet",
  cardId,
  customerId: "customer",
  merchantId: null,
  amountMinor: null,
  currency: null,
  expiresAt: later,
  consumedAt: null,
  revokedAt: null,
});

it("never approves over the limit and uses no token twice, whatever comes in one batch", () => {
  const request = fc.record({
    tokenRef: fc.constantFrom(...Array.from({ length: 12 }, (_, index) => `t${index}`), undefined),
    merchantId: fc.constant("m"),
    amountMinor: fc.bigInt({ min: 1n, max: 600n }),
    currency: fc.constantFrom("CAD", "CAD", "CAD", "USD"),
  });
  fc.assert(
    fc.property(
      fc.array(request, { maxLength: 40 }),
      fc.bigInt({ min: 0n, max: 500n }),
      fc.bigInt({ min: 0n, max: 500n }),
      (requests: AuthorizeRequest[], owedMinor, lapsedMinor) => {
        const tokens = new Map(
          Array.from({ length: 10 }, (_, index) => [`t${index}`, token(`t${index}`, `c${index % 2}`)]),
        );
        const card = (cardId: string) => ({
          cardId,
          customerId: "customer",
          status: "active" as const,
          currency: "CAD",
          creditLimitMinor: 1_000n,
          owedMinor,
          heldMinor: lapsedMinor + 100n,
          lapsedMinor,
        });
        const cards = new Map(["c0", "c1"].map((id) => [id, card(id)]));
        const decisions = decideAuthorizations(requests, tokens, cards, now);
        const left = new Map([...cards].map(([id, each]) => [id, availableCreditMinor(each)]));
        const used = new Set<string>();
        for (const [index, decision] of decisions.entries()) {
          const given = requests[index];
          if (decision.consumes !== undefined) {
            expect(used.has(decision.consumes)).toBe(false);
            used.add(decision.consumes);
          }
          if (decision.declineReason !== undefined || given === undefined || decision.cardId === undefined) continue;
          expect(decision.consumes).toBe(given.tokenRef);
          const rest = (left.get(decision.cardId) ?? 0n) - given.amountMinor;
          expect(rest >= 0n).toBe(true);
          expect(decision.availableMinor).toBe(rest);
          left.set(decision.cardId, rest);
        }
      },
    ),
  );
});

it("does not take another customer's card though the token names it", () => {
  const cards = new Map([
    [
      "c0",
      {
        cardId: "c0",
        customerId: "someone else",
        status: "active" as const,
        currency: "CAD",
        creditLimitMinor: 1_000n,
        owedMinor: 0n,
        heldMinor: 0n,
        lapsedMinor: 0n,
      },
    ],
  ]);
  const request = { tokenRef: "t", merchantId: "m", amountMinor: 1n, currency: "CAD" };
  const [decision] = decideAuthorizations([request], new Map([["t", token("t", "c0")]]), cards, now);
  expect(decision?.declineReason).toBe("Card not found");
});
