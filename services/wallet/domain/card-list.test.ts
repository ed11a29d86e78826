import fc from "fast-check";
import { expect, it } from "vitest";
import { type KnownCard, type ListedCard, planCardList } from "./card-list.ts";

const refs = fc.constantFrom("a", "b", "c", "d", "e");
const listed: fc.Arbitrary<ListedCard> = refs.map((cardRef) => ({
  cardRef,
  cardType: "VISA",
  cardHolder: "ADA",
  lastFour: "4242",
  expiryMonth: 1,
  expiryYear: 2030,
}));
const known: fc.Arbitrary<KnownCard[]> = fc
  .uniqueArray(fc.record({ cardRef: refs, state: fc.constantFrom("active", "inactive", "removed") }), {
    selector: (card) => card.cardRef,
  })
  .map((cards) => cards.map((card) => ({ ...card, cardId: `id-${card.cardRef}` })));

it("ends with exactly the listed cards in use, each known one keeping its id", () => {
  fc.assert(
    fc.property(known, fc.array(listed), (before, list) => {
      const plan = planCardList(before, list);
      const inUse = new Set([
        ...before.filter((card) => card.state === "active").map((card) => card.cardRef),
        ...plan.refresh.map(({ listed: card }) => card.cardRef),
        ...plan.add.map((card) => card.cardRef),
      ]);
      for (const cardId of plan.deactivate) inUse.delete(cardId.slice("id-".length));
      expect(inUse).toEqual(new Set(list.map((card) => card.cardRef)));
      for (const { cardId, listed: card } of plan.refresh) expect(cardId).toBe(`id-${card.cardRef}`);
      expect(new Set(plan.add.map((card) => card.cardRef)).size).toBe(plan.add.length);
    }),
  );
});
