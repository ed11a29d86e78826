import { expect, it } from "vitest";
import { wordsForRefusal } from "./payment-result.ts";

it.each([
  ["Amount exceeds consent limit", "The total is above the limit you gave at the bank."],
  ["Amount mismatch", "The approval was given for another payment."],
  ["Merchant mismatch", "The approval was given for another payment."],
  ["<b>what a bank wrote</b>", "The bank did not approve this payment."],
])("tells a customer of the refusal %j what it means for him", (reason, words) => {
  expect(wordsForRefusal(reason)).toBe(words);
});
