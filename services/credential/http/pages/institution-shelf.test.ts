import { expect, it } from "vitest";
import { ManualClock } from "../../../platform/time/manual-clock.ts";
import { refreshOnlyConnector } from "../../testing/refresh-only-connector.ts";
import { createInstitutionShelf } from "./institution-shelf.ts";

it("takes one list away for a fault of ours, not the page, and asks for it again soon", async () => {
  const clock = new ManualClock(new Date("2026-01-31T12:00:00Z"));
  const errors: object[] = [];
  const log = { warn: () => undefined, error: (facts: object) => void errors.push(facts) };
  const bank = { institutionId: "b1", name: "First Bank", countries: ["GB"] };
  let isBroken = true;
  const lists = (name: string, listInstitutions: () => Promise<[typeof bank]>) => ({
    ...refreshOnlyConnector({ name, displayName: name }),
    listInstitutions,
  });
  const odd = lists("odd", async () => {
    if (isBroken) throw new Error("a fault of ours");
    return [bank];
  });
  const shelf = createInstitutionShelf({ connectors: [odd, lists("good", async () => [bank])], clock, log });
  const seen = async () => (await shelf.offers("")).map(({ institutions }) => institutions?.length);
  expect(await seen()).toEqual([undefined, 1]);
  expect(errors).toEqual([{ connector: "odd", err: expect.any(Error) }]);
  isBroken = false;
  expect(await seen()).toEqual([undefined, 1]);
  clock.advance(31_000);
  expect(await seen()).toEqual([1, 1]);
});
