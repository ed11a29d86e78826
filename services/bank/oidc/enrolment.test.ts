import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type IdentityUnderTest, startIdentity } from "../testing/identity-under-test.ts";

let bank: IdentityUnderTest;
beforeAll(async () => {
  bank = await startIdentity();
});
afterAll(() => bank.stop());

describe("enrolment", () => {
  it("gives a wallet its credential, both references, tokens and iss", async () => {
    const customer = await bank.addCustomer();
    const enrolled = await bank.enrol(customer);
    expect(enrolled.claims).toMatchObject({ sub: customer.fiUserRef });
  });
});
