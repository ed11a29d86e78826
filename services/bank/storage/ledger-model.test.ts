import fc from "fast-check";
import { sql } from "kysely";
import { afterAll, beforeAll, expect, it } from "vitest";
import { inTransaction } from "../../platform/db/transaction.ts";
import { type BankUnderTest, startBank, type TestCard } from "../testing/bank-under-test.ts";
import { expireDue } from "./expiry.ts";

let bank: BankUnderTest;
beforeAll(async () => {
  bank = await startBank({ replicas: 2 });
});
afterAll(() => bank.stop());

const hourMs = 3_600_000;
const limitMinor = 20_000n;

/** What one card's authorizations should look like, kept by plain arithmetic. Amounts in cents. */
interface Expected {
  readonly amount: number;
  readonly bornMs: number;
  state: "PENDING" | "CAPTURED" | "VOIDED" | "EXPIRED";
  captured: number;
  refunded: number;
}

type Step =
  | { kind: "authorize"; cents: number; copies: number }
  | { kind: "capture" | "refund"; index: number; cents: number }
  | { kind: "void"; index: number }
  | { kind: "wait"; hours: number }
  | { kind: "sweep" };

const cents = fc.integer({ min: 1, max: 9_000 });
const index = fc.nat(8);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("authorize"), cents, copies: fc.integer({ min: 1, max: 4 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("capture", "refund"), index, cents }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("void"), index }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("wait"), hours: fc.integer({ min: 1, max: 120 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("sweep") }) },
);

class Model {
  readonly card: TestCard;
  readonly known: { code: string; expected: Expected }[] = [];
  constructor(card: TestCard) {
    this.card = card;
  }

  get nowMs(): number {
    return bank.clock.now().getTime();
  }

  isOver(each: Expected): boolean {
    return each.state === "PENDING" && each.bornMs + 168 * hourMs <= this.nowMs;
  }

  availableCents(): number {
    const used = this.known.reduce((sum, { expected }) => {
      const held = expected.state === "PENDING" && !this.isOver(expected) ? expected.amount : 0;
      return sum + held + expected.captured - expected.refunded;
    }, 0);
    return Number.parseInt(limitMinor.toString(), 10) - used;
  }

  async run(given: Step): Promise<void> {
    const target = "index" in given ? this.known[given.index % Math.max(1, this.known.length)] : undefined;
    switch (given.kind) {
      case "authorize":
        return this.authorize(given.cents, given.copies);
      case "wait":
        return bank.clock.advance(given.hours * hourMs);
      case "sweep": {
        const due = this.known.filter(({ expected }) => this.isOver(expected));
        expect(await expireDue(bank.db, bank.clock.now())).toBe(due.length);
        for (const { expected } of due) expected.state = "EXPIRED";
        return;
      }
      case "capture":
      case "refund":
      case "void":
        if (target !== undefined) await this.act(given, target);
        return;
    }
  }

  /** `copies` at once, each with its own token. */
  async authorize(amount: number, copies: number): Promise<void> {
    const fitting = Math.min(copies, Math.floor(this.availableCents() / amount));
    const tokens = await Promise.all(Array.from({ length: copies }, () => bank.addToken(this.card)));
    const answers = await Promise.all(
      tokens.map((cardToken) =>
        bank.pay("/authorize", { cardToken, amount: amount / 100, merchantId: "m", orderId: "o" }),
      ),
    );
    const approved = answers.filter((answer) => answer.body.status === "approved");
    expect(approved).toHaveLength(fitting);
    for (const answer of approved) {
      const expected: Expected = { amount, bornMs: this.nowMs, state: "PENDING", captured: 0, refunded: 0 };
      this.known.push({ code: answer.body.authorizationCode, expected });
    }
  }

  async act(given: Step, { code, expected }: { code: string; expected: Expected }): Promise<void> {
    const amount = "cents" in given ? given.cents : 0;
    const body = { authorizationCode: code, amount: amount / 100 };
    const { success } = (await bank.pay(`/${given.kind}`, body)).body;
    if (given.kind !== "refund" && this.isOver(expected)) expected.state = "EXPIRED";
    const fits =
      given.kind === "refund"
        ? expected.state === "CAPTURED" && amount <= expected.captured - expected.refunded
        : expected.state === "PENDING" && amount <= expected.amount;
    expect([given.kind, success]).toEqual([given.kind, fits]);
    if (!fits) return;
    if (given.kind === "refund") expected.refunded += amount;
    else if (given.kind === "void") expected.state = "VOIDED";
    else {
      expected.state = "CAPTURED";
      expected.captured = amount;
    }
  }
}

/** Whatever earlier runs left pending is over and booked before the next one counts. */
async function bookEverythingPending(): Promise<void> {
  bank.clock.advance(169 * hourMs);
  while ((await expireDue(bank.db, bank.clock.now())) > 0);
}

it("agrees with plain arithmetic after any sequence, and its books sum to zero", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 14 }), async (steps) => {
      await bookEverythingPending();
      const model = new Model(await bank.addCard({ limitMinor }));
      for (const each of steps) await model.run(each);
      const owed = model.known.reduce((sum, { expected }) => sum + expected.captured - expected.refunded, 0);
      const held = model.known.reduce(
        (sum, { expected }) => sum + (expected.state === "PENDING" ? expected.amount : 0),
        0,
      );
      expect(await bank.card(model.card.id)).toEqual({ owed: BigInt(owed), held: BigInt(held) });
      expect(await bank.audit()).toEqual({ trialBalance: 0n, drifted: 0 });
    }),
    { numRuns: 25 },
  );
}, 60_000);

it("is refused by the database when an entry does not balance", async () => {
  const unbalanced = inTransaction(bank.db, async (tx) => {
    const account = await sql<{ id: string }>`select id from ledger_accounts limit 1`.execute(tx);
    await sql`insert into journal_entries (id, kind, description, posted_at)
      values ('0198c000-0000-7000-8000-000000000001', 'deposit', 'wrong', now())`.execute(tx);
    await sql`insert into postings (entry_id, line, ledger_account_id, amount_minor, posted_at)
      values ('0198c000-0000-7000-8000-000000000001', 1, ${account.rows[0]?.id}, 5, now()),
             ('0198c000-0000-7000-8000-000000000001', 2, ${account.rows[0]?.id}, -4, now())`.execute(tx);
  });
  await expect(unbalanced).rejects.toThrow("not balanced");
  const lonely = sql`insert into journal_entries (id, kind, description, posted_at)
    values ('0198c000-0000-7000-8000-000000000002', 'deposit', 'no postings', now())`.execute(bank.db.query);
  await expect(lonely).rejects.toThrow("not balanced");
});

it("lets nobody change or delete what was booked", async () => {
  await expect(sql`update postings set amount_minor = 1`.execute(bank.db.query)).rejects.toThrow("append-only");
  await expect(sql`delete from journal_entries`.execute(bank.db.query)).rejects.toThrow("append-only");
});

it("books each due hold once when several replicas sweep at the same time", async () => {
  await bookEverythingPending();
  const card = await bank.addCard({ limitMinor });
  for (let each = 0; each < 10; each += 1) {
    const cardToken = await bank.addToken(card);
    await bank.pay("/authorize", { cardToken, amount: 1, merchantId: "m", orderId: "o" });
  }
  bank.clock.advance(168 * hourMs);
  const counts = await Promise.all([1, 2, 3].map(() => expireDue(bank.db, bank.clock.now())));
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(10);
  expect(await bank.card(card.id)).toEqual({ owed: 0n, held: 0n });
});
