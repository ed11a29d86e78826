import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isUsableFor } from "./connection.ts";
import { type ConnectionEvent, nextStanding, type Standing } from "./connection-state.ts";

const active: Standing = { state: "ACTIVE", reason: "" };

const event: fc.Arbitrary<ConnectionEvent> = fc.oneof(
  fc.record({ kind: fc.constant("consented" as const), hasCredential: fc.boolean(), hasAccessToken: fc.boolean() }),
  fc.record({
    kind: fc.constant("refreshed" as const),
    credential: fc.constantFrom("renewed", "kept", "ended", "missing"),
  }),
  fc.record({
    kind: fc.constantFrom("refresh_refused", "provider_unavailable", "credential_refused", "credential_ended"),
  }),
  fc.constant({ kind: "disconnected" as const }),
);

function standingAfter(events: readonly ConnectionEvent[], from: Standing = active): Standing {
  return events.reduce(nextStanding, from);
}

describe("the state of a connection", () => {
  it("always carries a reason when it is not ACTIVE, and never one when it is", () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 30 }), (events) => {
        const { state, reason } = standingAfter(events);
        expect(reason === "").toBe(state === "ACTIVE");
      }),
    );
  });

  it("never leaves REVOKED, whatever arrives late", () => {
    fc.assert(
      fc.property(fc.array(event), fc.array(event), (before, later) => {
        const ended = standingAfter([...before, { kind: "disconnected" }]);
        expect(standingAfter(later, ended)).toEqual({ state: "REVOKED", reason: "disconnected" });
      }),
    );
  });

  it("is never expired by an outage, and an outage hides nothing that needs the user", () => {
    fc.assert(
      fc.property(fc.array(event), (events) => {
        const before = standingAfter(events);
        const next = nextStanding(before, { kind: "provider_unavailable" });
        if (before.state === "EXPIRED" || before.state === "REVOKED") expect(next).toEqual(before);
        else expect(next).toEqual({ state: "ERROR", reason: "provider_unavailable" });
      }),
    );
  });

  it("is ACTIVE after a full consent, from anything but REVOKED", () => {
    fc.assert(
      fc.property(fc.array(event), (events) => {
        const before = standingAfter(events);
        fc.pre(before.state !== "REVOKED");
        expect(nextStanding(before, { kind: "consented", hasCredential: true, hasAccessToken: true })).toEqual(active);
      }),
    );
  });

  it("lets cards be used only while a refused credential has not been replaced", () => {
    const refused = standingAfter([{ kind: "credential_refused" }, { kind: "refreshed", credential: "kept" }]);
    expect(isUsableFor({ stateReason: refused.reason }, "cards")).toBe(false);
    expect(isUsableFor({ stateReason: refused.reason }, "accounts")).toBe(true);
    const renewed = nextStanding(refused, { kind: "refreshed", credential: "renewed" });
    expect(isUsableFor({ stateReason: renewed.reason }, "cards")).toBe(true);
  });

  it("lets nothing be used once the consent has ended", () => {
    const ended = standingAfter([{ kind: "refresh_refused" }, { kind: "credential_refused" }]);
    expect(ended).toEqual({ state: "EXPIRED", reason: "consent_ended" });
    for (const use of ["cards", "accounts"] as const)
      expect(isUsableFor({ stateReason: ended.reason }, use)).toBe(false);
  });
});
