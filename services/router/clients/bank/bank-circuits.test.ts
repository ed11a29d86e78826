import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../platform/time/manual-clock.ts";
import { createBankCircuits } from "./bank-circuits.ts";

function opened() {
  const clock = new ManualClock();
  const circuits = createBankCircuits(clock);
  for (let count = 0; count < 5; count += 1) {
    expect(circuits.allows("b")).toBe(true);
    circuits.record("b", false);
  }
  return { clock, circuits };
}

describe("createBankCircuits", () => {
  it("opens after five calls in a row without an answer, for that bank alone", () => {
    const { circuits } = opened();
    expect(circuits.allows("b")).toBe(false);
    expect(circuits.allows("other")).toBe(true);
  });

  it("does not open when an answer comes in between", () => {
    const circuits = createBankCircuits(new ManualClock());
    for (let count = 0; count < 20; count += 1) circuits.record("b", count % 5 === 4);
    expect(circuits.allows("b")).toBe(true);
  });

  it("lets one caller find out after a pause, closes on an answer, and waits longer after a failure", () => {
    const { clock, circuits } = opened();
    clock.advance(1_000);
    expect([circuits.allows("b"), circuits.allows("b")]).toEqual([true, false]);
    circuits.record("b", false);
    clock.advance(1_000);
    expect(circuits.allows("b")).toBe(false);
    clock.advance(1_000);
    expect(circuits.allows("b")).toBe(true);
    circuits.record("b", true);
    expect([circuits.allows("b"), circuits.allows("b")]).toEqual([true, true]);
  });

  it("never waits longer than fifteen seconds, however many calls fail together", () => {
    const { clock, circuits } = opened();
    for (let round = 0; round < 10; round += 1) {
      clock.advance(15_000);
      expect(circuits.allows("b")).toBe(true);
      for (let count = 0; count < 50; count += 1) circuits.record("b", false);
    }
    clock.advance(15_000);
    expect(circuits.allows("b")).toBe(true);
  });
});
