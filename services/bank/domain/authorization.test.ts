import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type ActDecision,
  type Authorization,
  type AuthorizationState,
  authorizationTransitions,
  decideCapture,
  decideExpiry,
  decideRefund,
  decideVoid,
} from "./authorization.ts";
import { interchangeMinor } from "./interchange.ts";
import { cardPaymentEntry, journalEntry } from "./journal.ts";

const startMs = Date.UTC(2026, 0, 1);
const minor = fc.bigInt({ min: 1n, max: 1_000_000n });
type Act =
  | { kind: "capture" | "refund"; amountMinor: bigint; atMs: number }
  | { kind: "void" | "expire"; atMs: number };
const act: fc.Arbitrary<Act> = fc.oneof(
  fc.record({ kind: fc.constantFrom("capture", "refund"), amountMinor: minor, atMs: fc.nat(2_000) }),
  fc.record({ kind: fc.constantFrom("void", "expire"), atMs: fc.nat(2_000) }),
);

function decide(authorization: Authorization, step: Act): ActDecision | undefined {
  const now = new Date(startMs + step.atMs);
  switch (step.kind) {
    case "capture":
      return decideCapture(authorization, step.amountMinor, now);
    case "refund":
      return decideRefund(authorization, step.amountMinor);
    case "void":
      return decideVoid(authorization, now);
    case "expire":
      return undefined;
  }
}

describe("an authorization", () => {
  it("keeps captured within authorized, refunded within captured, and moves only along the table", () => {
    fc.assert(
      fc.property(minor, fc.array(act, { maxLength: 12 }), (amountMinor, steps) => {
        let authorization: Authorization = {
          state: "PENDING",
          amountMinor,
          capturedMinor: 0n,
          refundedMinor: 0n,
          expiresAt: new Date(startMs + 1_000),
        };
        let heldMinor = amountMinor;
        let owedMinor = 0n;
        let earnedMinor = 0n;
        for (const step of steps) {
          const before = authorization.state;
          const decision = decide(authorization, step);
          if (decision === undefined) {
            const expired = decideExpiry(authorization, new Date(startMs + step.atMs));
            if (expired !== undefined) heldMinor -= authorization.amountMinor;
            authorization = expired ?? authorization;
          } else if (decision.kind !== "refused") {
            authorization = decision.next;
            heldMinor -= decision.releasedMinor;
            if (decision.kind === "done") {
              owedMinor += decision.owedMinor;
              earnedMinor += decision.interchangeMinor;
            }
          }
          const allowed: readonly (AuthorizationState | undefined)[] = Object.values(authorizationTransitions[before]);
          expect(authorization.state === before || allowed.includes(authorization.state)).toBe(true);
        }
        const { state, capturedMinor, refundedMinor } = authorization;
        expect(capturedMinor <= amountMinor && refundedMinor <= capturedMinor).toBe(true);
        expect(heldMinor).toBe(state === "PENDING" ? amountMinor : 0n);
        expect(owedMinor).toBe(capturedMinor - refundedMinor);
        // The bank keeps exactly the interchange of what stayed captured, in whatever parts it was given back.
        expect(earnedMinor).toBe(interchangeMinor(capturedMinor - refundedMinor));
      }),
    );
  });

  it("names the state that stands in the way", () => {
    const base = { amountMinor: 10n, capturedMinor: 0n, refundedMinor: 0n, expiresAt: new Date(startMs) };
    const before = new Date(startMs - 1);
    for (const [state, text] of [
      ["CAPTURED", "Authorization is captured"],
      ["VOIDED", "Authorization is voided"],
      ["EXPIRED", "Authorization is expired"],
      ["DECLINED", "Authorization not found"],
    ] as const) {
      expect(decideCapture({ ...base, state }, 1n, before)).toEqual({ kind: "refused", refusal: text });
      expect(decideVoid({ ...base, state }, before)).toEqual({ kind: "refused", refusal: text });
    }
    expect(decideVoid({ ...base, state: "PENDING" }, new Date(startMs))).toMatchObject({
      kind: "lapsed",
      next: { state: "EXPIRED" },
    });
  });
});

describe("a journal entry", () => {
  it("balances for every capture and refund", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -1_000_000n, max: 1_000_000n }), minor, (owed, fee) => {
        fc.pre(owed !== 0n);
        const entry = cardPaymentEntry({
          kind: owed > 0n ? "capture" : "refund",
          cardId: "card",
          description: "shop",
          owedMinor: owed,
          interchangeMinor: owed > 0n ? fee % owed : 0n,
        });
        expect(entry.postings.reduce((sum, posting) => sum + posting.amountMinor, 0n)).toBe(0n);
      }),
    );
  });

  it("is not made of postings that do not sum to zero", () => {
    const postings = [
      { target: { kind: "clearing" as const }, amountMinor: 5n },
      { target: { kind: "settlement" as const }, amountMinor: -4n },
    ];
    expect(() => journalEntry("transfer", "wrong", postings)).toThrow("unbalanced");
    expect(() => journalEntry("transfer", "empty", [])).toThrow("unbalanced");
  });
});
