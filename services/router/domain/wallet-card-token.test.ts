import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseWalletCardToken } from "./wallet-card-token.ts";

describe("parseWalletCardToken", () => {
  it.each([
    ["wsim_bsim_abc123", "bsim"],
    ["wsim_td-bank_abc123", "td-bank"],
    ["wsim_td_bank_abc123", "td_bank"],
    ["wsim_bsim_0190a2b4-7c1d-7e2f-8a3b-4c5d6e7f8091", "bsim"],
    ["wsim_BSIM_abc", "BSIM"],
    ["wsim_north-bank_00c0ffee1234", "north-bank"],
  ])("reads %s as a card of %s", (token, bankId) => {
    expect(parseWalletCardToken(token)?.bankId).toBe(bankId);
  });

  it.each([
    "",
    "wsim_",
    "wsim__",
    "wsim__abc",
    "wsim_bsim",
    "wsim_bsim_",
    "wsim_bsim_xyz",
    "wsim_bsim_abc-def",
    " wsim_bsim_abc123",
    "wsim_bsim_abc123 ",
    "WSIM_bsim_abc123",
    "ctok_00112233445566778899aabbccddeeff",
    "bsim_abc123",
    `wsim_${"b".repeat(300)}_abc`,
  ])("refuses %j", (token) => {
    expect(parseWalletCardToken(token)).toBeUndefined();
  });

  it("gives back bank id and unique id of every well-formed token, whatever underscores the bank id holds", () => {
    const bankId = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);
    const uniqueId = fc.oneof(fc.uuid(), fc.stringMatching(/^[0-9a-f]{12}$/));
    fc.assert(
      fc.property(bankId, uniqueId, (bank, unique) => {
        expect(parseWalletCardToken(`wsim_${bank}_${unique}`)).toEqual({ bankId: bank, uniqueId: unique });
      }),
    );
  });

  it("never throws", () => {
    fc.assert(fc.property(fc.string(), (text) => void parseWalletCardToken(`wsim_${text}`)));
  });
});
