import { expect, it } from "vitest";
import { type ConnectionFacts, reauthReasonOf } from "./enrolment-rules.ts";

const now = new Date("2026-01-01T00:00:00Z");
const well: ConnectionFacts = {
  state: "ACTIVE",
  hasAccessToken: true,
  hasCredential: true,
  credentialExpiresAt: new Date("2026-03-01T00:00:00Z"),
};

it("needs nobody while the connection serves, nor during an outage", () => {
  expect(reauthReasonOf(well, now)).toBeUndefined();
  expect(reauthReasonOf({ ...well, state: "ERROR" }, now)).toBeUndefined();
  expect(reauthReasonOf({ ...well, credentialExpiresAt: undefined }, now)).toBeUndefined();
});

it.each([
  [{ state: "REVOKED" }, "revoked"],
  [{ state: "EXPIRED" }, "expired"],
  [{ hasAccessToken: false }, "missing_access_token"],
  [{ hasCredential: false }, "missing_credential"],
  [{ credentialExpiresAt: now }, "expired"],
])("needs the user for %o: %s", (change, reason) => {
  expect(reauthReasonOf({ ...well, ...change }, now)).toBe(reason);
});
