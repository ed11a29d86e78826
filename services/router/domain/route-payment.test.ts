import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bankNamed, directoryOf, jwtWith } from "../testing/bank-facts.ts";
import { routePayment } from "./route-payment.ts";

const north = bankNamed("north-bank");
const maple = bankNamed("maple-bank");
const older = bankNamed("td_bank");
const removed = bankNamed("removed-bank", { status: "inactive" });
const paused = bankNamed("paused-bank", { status: "maintenance" });
const directory = directoryOf(north, maple, older, removed, paused);

function route(cardToken: string, walletCardToken?: string): string {
  const found = routePayment({ cardToken, walletCardToken }, directory, "north-bank");
  return found.kind === "bank" ? found.bank.bankId : found.reason;
}

const consentToken = "ctok_00112233445566778899aabbccddeeff";
const atMaple = jwtWith({ type: "wallet_payment_token", bsimId: "maple-bank" });

describe("routePayment with a walletCardToken", () => {
  it("sends to the bank it names when the card token names none", () => {
    expect(route(consentToken, "wsim_maple-bank_abc123")).toBe("maple-bank");
    expect(route("opaque", "wsim_maple-bank_abc123")).toBe("maple-bank");
  });

  it("sends to the bank both name", () => {
    expect(route(atMaple, "wsim_maple-bank_abc123")).toBe("maple-bank");
    expect(route(jwtWith({ iss: maple.issuer }), "wsim_maple-bank_abc123")).toBe("maple-bank");
  });

  it("declines when the card token names another bank, registered or not", () => {
    expect(route(atMaple, "wsim_north-bank_abc123")).toBe("Bank mismatch");
    expect(route(jwtWith({ bsimId: "nowhere" }), "wsim_north-bank_abc123")).toBe("Bank mismatch");
    expect(route(jwtWith({ iss: maple.issuer }), "wsim_north-bank_abc123")).toBe("Bank mismatch");
  });

  it("declines what is malformed, unknown or removed, and never asks the default bank", () => {
    expect(route(consentToken, "wsim_north-bank")).toBe("Invalid wallet card token");
    expect(route(consentToken, "")).toBe("Invalid wallet card token");
    expect(route(consentToken, "wsim_nowhere_abc123")).toBe("Unknown bank");
    expect(route(consentToken, "wsim_NORTH-BANK_abc123")).toBe("Unknown bank");
    expect(route(consentToken, "wsim_removed-bank_abc123")).toBe("Bank not active");
  });

  it("resolves an older bank id with an underscore whole, never its first half", () => {
    expect(route(consentToken, "wsim_td_bank_abc123")).toBe("td_bank");
    const withoutOlder = directoryOf(bankNamed("td"));
    const request = { cardToken: consentToken, walletCardToken: "wsim_td_bank_abc123" };
    expect(routePayment(request, withoutOlder, "td")).toEqual({ kind: "declined", reason: "Unknown bank" });
  });
});

describe("routePayment without a walletCardToken", () => {
  it("sends to the bank of the claim, or of a registered issuer", () => {
    expect(route(atMaple)).toBe("maple-bank");
    expect(route(jwtWith({ iss: maple.issuer }))).toBe("maple-bank");
  });

  it("declines when the named bank is unknown or removed", () => {
    expect(route(jwtWith({ bsimId: "nowhere" }))).toBe("Unknown bank");
    expect(route(jwtWith({ bsimId: "" }))).toBe("Unknown bank");
    expect(route(jwtWith({ bsimId: 7 }))).toBe("Unknown bank");
    expect(route(jwtWith({ bsimId: "removed-bank" }))).toBe("Bank not active");
  });

  it("asks the default bank only when the card token names none", () => {
    expect(route(consentToken)).toBe("north-bank");
    expect(route("opaque")).toBe("north-bank");
    expect(route("a.b.c")).toBe("north-bank");
    expect(route(jwtWith({ iss: "https://elsewhere.example" }))).toBe("north-bank");
  });

  it("reads a card token that starts with wsim_ by the same rule", () => {
    expect(route("wsim_maple-bank_abc123")).toBe("maple-bank");
    expect(route("wsim_nowhere_abc123")).toBe("Unknown bank");
    expect(route("wsim_maple-bank")).toBe("Invalid wallet card token");
    expect(route("wsim_maple-bank_abc123", "wsim_north-bank_abc123")).toBe("Bank mismatch");
  });

  it("declines a default bank that is not registered", () => {
    const found = routePayment({ cardToken: consentToken, walletCardToken: undefined }, directoryOf(), "north-bank");
    expect(found).toEqual({ kind: "declined", reason: "Unknown bank" });
  });
});

it("a paused bank is still the route, so that its payments fail and do not decline", () => {
  expect(route(consentToken, "wsim_paused-bank_abc123")).toBe("paused-bank");
});

it("never sends to a bank that one of the two tokens does not name while it names another", () => {
  const bankIds = ["north-bank", "maple-bank", "td_bank", "removed-bank", "nowhere"];
  const walletToken = fc.option(
    fc.constantFrom(...bankIds).map((id) => `wsim_${id}_abc123`),
    { nil: undefined },
  );
  const claim = fc.option(fc.constantFrom(...bankIds), { nil: undefined });
  fc.assert(
    fc.property(walletToken, claim, (walletCardToken, bsimId) => {
      const cardToken = jwtWith(bsimId === undefined ? {} : { bsimId });
      const found = routePayment({ cardToken, walletCardToken }, directory, "north-bank");
      if (found.kind !== "bank") return;
      expect(found.bank.status).not.toBe("inactive");
      if (walletCardToken !== undefined) expect(walletCardToken).toBe(`wsim_${found.bank.bankId}_abc123`);
      if (bsimId !== undefined) expect(found.bank.bankId).toBe(bsimId);
    }),
  );
});
