import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { readPaymentRequest } from "./payment-request.ts";

const client = { clientId: "ssim-merchant", merchantId: "nsim-42", name: "Birch & Pine" };
const payment = { amount: "12.34", currency: "CAD", merchantId: "ssim-merchant", orderId: "o-1" };
const inClaims = (given: unknown) =>
  readPaymentRequest({ claims: JSON.stringify({ payment: given }), authorizationDetails: undefined }, client);

describe("readPaymentRequest", () => {
  it("reads the payment from claims and from authorization_details alike, with the merchant's own id and name", () => {
    const expected = {
      amountMinor: 1234n,
      currency: "CAD",
      amountText: "12.34",
      merchantId: "nsim-42",
      merchantName: "Birch & Pine",
      orderId: "o-1",
    };
    expect(inClaims({ ...payment, merchantName: "Your Bank" })).toEqual(expected);
    const details = JSON.stringify([{ type: "payment", ...payment, merchantId: "nsim-42" }]);
    expect(readPaymentRequest({ claims: undefined, authorizationDetails: details }, client)).toEqual(expected);
  });

  it("takes a number where older clients send one", () => {
    expect(inClaims({ ...payment, amount: 12.3 })?.amountText).toBe("12.30");
  });

  it("finds no payment where there is none", () => {
    expect(readPaymentRequest({ claims: undefined, authorizationDetails: undefined }, client)).toBeUndefined();
    expect(readPaymentRequest({ claims: '{"userinfo":{}}', authorizationDetails: undefined }, client)).toBeUndefined();
  });

  it.each([
    ["another merchant", { ...payment, merchantId: "someone-else" }],
    ["no merchant", { ...payment, merchantId: undefined }],
    ["zero", { ...payment, amount: "0.00" }],
    ["a negative amount", { ...payment, amount: "-1.00" }],
    ["three decimals", { ...payment, amount: "1.005" }],
    ["no number", { ...payment, amount: "NaN" }],
    ["a sum beyond all reason", { ...payment, amount: "1000000000000000" }],
    ["no amount", { ...payment, amount: undefined }],
    ["an unknown currency", { ...payment, currency: "XXQ" }],
    ["an order id that hides text", { ...payment, orderId: "o\u202e1" }],
    ["a list", [payment]],
  ])("refuses %s", (_label, given) => {
    expect(() => inClaims(given)).toThrow(DomainError);
  });

  it("refuses a payment in both places", () => {
    const both = {
      claims: JSON.stringify({ payment }),
      authorizationDetails: JSON.stringify([{ type: "payment", ...payment }]),
    };
    expect(() => readPaymentRequest(both, client)).toThrow(DomainError);
  });

  it("never throws anything but its own refusal, whatever arrives", () => {
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), fc.string()), (given) => {
        for (const claims of [given, JSON.stringify({ payment: given })]) {
          try {
            readPaymentRequest({ claims, authorizationDetails: given }, client);
          } catch (error) {
            expect(error).toBeInstanceOf(DomainError);
          }
        }
      }),
    );
  });
});
