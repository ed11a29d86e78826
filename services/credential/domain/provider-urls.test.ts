import { describe, expect, it } from "vitest";
import { isAllowedUrl, openBankingUrl, walletApiUrl } from "./provider-urls.ts";

describe("the addresses of a bank", () => {
  it("follow from the issuer where the Registry gives none", () => {
    const derived = (issuer: string) => [walletApiUrl({ issuer }), openBankingUrl({ issuer })];
    expect(derived("http://localhost:3002")).toEqual(["http://localhost:3001", "http://localhost:3004"]);
    expect(derived("http://127.0.0.1:3002/oidc")).toEqual(["http://127.0.0.1:3001", "http://127.0.0.1:3004"]);
    expect(derived("https://auth-td.example.com")).toEqual([
      "https://td.example.com",
      "https://openbanking-td.example.com",
    ]);
    expect(derived("https://auth.td.example/oidc")).toEqual(["https://td.example", "https://openbanking.td.example"]);
  });

  it("are taken as given otherwise, without a trailing slash and without a doubled /api", () => {
    const issuer = "https://auth.td.example";
    expect(walletApiUrl({ issuer, apiUrl: "https://td.example/api/" })).toBe("https://td.example");
    expect(walletApiUrl({ issuer, apiUrl: "https://td.example/bank" })).toBe("https://td.example/bank");
    expect(openBankingUrl({ issuer, openBankingUrl: "https://ob.td.example/v1/" })).toBe("https://ob.td.example/v1");
  });
});

describe("isAllowedUrl", () => {
  it("admits https alone, and http in the local world", () => {
    expect(isAllowedUrl("https://td.example", false)).toBe(true);
    expect(isAllowedUrl("http://td.example", false)).toBe(false);
    expect(isAllowedUrl("http://127.0.0.1:9101", true)).toBe(true);
    for (const bad of ["ftp://x", "javascript:alert(1)", "", "td.example", "https://user:pass@td.example"]) {
      expect(isAllowedUrl(bad, true)).toBe(false);
    }
  });
});
