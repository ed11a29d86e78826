import { sql } from "kysely";
import type { Database } from "../../platform/db/open-database.ts";
import { inTransaction } from "../../platform/db/transaction.ts";
import { uuidv7 } from "../../platform/ids/uuidv7.ts";
import { randomToken } from "../../platform/secrets/random-token.ts";
import { issueWalletToken, walletTokenLifeMs } from "../domain/card-token.ts";
import type { MoneyTables } from "./tables.ts";

const chunkRows = 1_000;
const cardsMax = 100_000;
const tokensMax = 500_000;
/** Enough that no card of a benchmark ever runs out. */
const creditLimitMinor = 100_000_000_000n;

/** What to prepare for a benchmark. */
export interface BenchSeed {
  readonly bsimId: string;
  /** The bank's key for wallet card tokens. */
  readonly cardTokenKey: Uint8Array;
  /** New cards, each of one new customer's. */
  readonly cards: number;
  /** Single-use tokens, spread evenly over the cards. Good for 15 minutes. */
  readonly tokens: number;
  readonly merchantId: string;
  /** Minor units of CAD that every token is bound to, and the same as the decimal of a request. */
  readonly amountMinor: bigint;
  readonly amount: number;
  readonly now: Date;
}

/** Writes cards and mints tokens for a benchmark; gives the tokens in the order to use them. Local mode only. */
export async function seedBench<T extends MoneyTables>(
  db: Pick<Database<T>, "query">,
  seed: BenchSeed,
): Promise<{ cardToken: string; cardId: string }[]> {
  if (seed.cards < 1 || seed.cards > cardsMax || seed.tokens < 1 || seed.tokens > tokensMax) {
    throw new RangeError(`a benchmark has 1 to ${cardsMax} cards and 1 to ${tokensMax} tokens`);
  }
  const customerId = uuidv7();
  const fiUserRef = randomToken(18);
  const cardIds = Array.from({ length: seed.cards }, () => uuidv7());
  await inTransaction(db, async (tx) => {
    await sql`insert into customers (id, fi_user_ref, email, password_hash, display_name)
      values (${customerId}, ${fiUserRef}, ${`bench-${customerId}@example.com`}, 'none', 'Bench')`.execute(tx);
    for (const ids of chunks(cardIds)) {
      await sql`insert into cards (id, customer_id, brand, last_four, holder, expiry_month, expiry_year,
          credit_limit_minor)
        select id, ${customerId}, 'VISA', lpad((row_number() over ())::text, 4, '0'), 'BENCH', 12, 2099,
          ${creditLimitMinor} from unnest(${ids}::uuid[]) as id`.execute(tx);
    }
  });
  const minted: { cardToken: string; cardId: string }[] = [];
  const indexes = Array.from({ length: seed.tokens }, (_, index) => index);
  for (const chunk of chunks(indexes)) {
    const rows = chunk.map((index) => ({ jti: uuidv7(), cardId: cardIds[index % cardIds.length] ?? "" }));
    await insertTokens(db, seed, customerId, rows);
    minted.push(...(await Promise.all(rows.map((row) => mint(seed, fiUserRef, row)))));
  }
  // The planner has to know what was just written, or the first thousands of requests run on a guess.
  for (const table of ["cards", "card_tokens", "authorizations"])
    await sql`analyze ${sql.table(table)}`.execute(db.query);
  return minted;
}

async function mint(seed: BenchSeed, fiUserRef: string, row: { jti: string; cardId: string }) {
  const { bsimId, merchantId, amount, now } = seed;
  const claims = { ...row, fiUserRef, walletId: "bench", merchantId, amount, currency: "CAD", bsimId };
  return { cardToken: await issueWalletToken(seed.cardTokenKey, claims, now), cardId: row.cardId };
}

async function insertTokens<T extends MoneyTables>(
  db: Pick<Database<T>, "query">,
  seed: BenchSeed,
  customerId: string,
  rows: readonly { jti: string; cardId: string }[],
): Promise<void> {
  await sql`insert into card_tokens (token_ref, kind, card_id, customer_id, merchant_id, amount_minor, currency, expires_at)
    select ref, 'wallet', card, ${customerId}, ${seed.merchantId}, ${seed.amountMinor}, 'CAD',
      ${new Date(seed.now.getTime() + walletTokenLifeMs)}
    from unnest(${rows.map((row) => row.jti)}::text[], ${rows.map((row) => row.cardId)}::uuid[]) as t(ref, card)`.execute(
    db.query,
  );
}

function chunks<Item>(items: readonly Item[]): Item[][] {
  const parts: Item[][] = [];
  for (let from = 0; from < items.length; from += chunkRows) parts.push(items.slice(from, from + chunkRows));
  return parts;
}
