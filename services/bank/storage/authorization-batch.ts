import type pg from "pg";
import { sqlStateOf } from "../../platform/db/transaction.ts";
import { type AuthorizeDecision, type CardToken, type CreditCard, decideAuthorizations } from "../domain/authorize.ts";
import {
  type AnsweredRow,
  type AuthorizeAnswer,
  freshAnswer,
  type PendingAuthorization,
  replayedAnswer,
} from "./authorization-answer.ts";

/*
 * Concurrent requests share one transaction of three statements, so a payment costs a share of a round trip and of a
 * flush to disk. Row locks are always taken tokens first, then cards, each in the order of their ids: two batches
 * cannot wait for each other in a circle.
 */

/**
 * Settings of the connections that authorize: left to itself the planner may read a whole table to join it with a few
 * dozen values, and plan anew for every batch. Every access here is by index.
 */
const sessionSql = `set plan_cache_mode = force_generic_plan; set enable_hashjoin = off;
  set enable_mergejoin = off; set enable_seqscan = off; set enable_bitmapscan = off`;

const lockSql = {
  name: "bank_authorize_lock",
  text: `with token as materialized (
      select * from card_tokens where token_ref = any($1::text[]) order by token_ref for no key update
    ), card as materialized (
      select * from cards where id in (select card_id from token) order by id for no key update
    )
    select t.token_ref, t.kind, t.card_id, t.customer_id as token_customer_id, t.merchant_id, t.amount_minor,
           t.currency as token_currency, t.expires_at, t.consumed_at, t.revoked_at,
           c.customer_id, c.status, c.currency, c.credit_limit_minor, c.owed_minor, c.held_minor
      from token t join card c on c.id = t.card_id`,
};

// Read after the locks: a statement sees what was committed when it began, and a hold booked as expired while this
// transaction waited for the card must not be counted free a second time.
const knownSql = {
  name: "bank_authorize_known",
  text: `select card_id, sum(amount_minor)::bigint as lapsed_minor, null as idempotency_key, null::bytea as request_hash,
      null as authorization_code, null as decline_reason, null::bigint as available_after_minor
      from authorizations
     where state = 'PENDING' and expires_at <= $2 and card_id = any($1::uuid[]) group by card_id
    union all
    select null, null, idempotency_key, request_hash, authorization_code, decline_reason, available_after_minor
      from authorizations where idempotency_key = any($3::text[])`,
};

const writeSql = {
  name: "bank_authorize_write",
  text: `with written as (
      insert into authorizations (id, authorization_code, state, card_id, token_ref, merchant_id, merchant_name, order_id,
          description, currency, amount_minor, decline_reason, available_after_minor, idempotency_key, request_hash,
          created_at, expires_at, closed_at)
      select n.id, n.code, case when n.reason is null then 'PENDING' else 'DECLINED' end, n.card_id, n.token_ref,
          n.merchant_id, n.merchant_name, n.order_id, n.description, n.currency, n.amount_minor, n.reason,
          n.available_minor, n.key, n.hash, $15::timestamptz, $16::timestamptz, case when n.reason is not null then $15::timestamptz end
        from unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[],
          $9::text[], $10::text[], $11::bigint[], $12::bigint[], $13::text[], $14::bytea[]) as n(id, code, reason,
          card_id, token_ref, merchant_id, merchant_name, order_id, description, currency, amount_minor,
          available_minor, key, hash)
      on conflict (idempotency_key) where idempotency_key is not null do nothing
      returning 1
    ), spent as (
      update card_tokens t set consumed_at = $15::timestamptz, merchant_id = coalesce(t.merchant_id, s.merchant_id),
          amount_minor = coalesce(t.amount_minor, s.amount_minor), currency = coalesce(t.currency, s.currency)
        from unnest($17::text[], $18::text[], $19::bigint[], $20::text[]) as s(ref, merchant_id, amount_minor, currency)
       where t.token_ref = s.ref and t.consumed_at is null
      returning 1
    ), held as (
      update cards c set held_minor = c.held_minor + h.amount_minor, updated_at = $15::timestamptz
        from unnest($21::uuid[], $22::bigint[], $23::bigint[]) as h(id, amount_minor, lapsed_minor)
       where c.id = h.id and c.credit_limit_minor - c.owed_minor - c.held_minor + h.lapsed_minor >= h.amount_minor
      returning 1
    )
    select (select count(*) from written)::int as written, (select count(*) from spent)::int as spent,
           (select count(*) from held)::int as held`,
};

const attemptsMax = 4;
const deadlockDetected = "40P01";

/** Thrown when a key of the batch was written by someone else between reading and writing: the batch starts over. */
class KeyTaken extends Error {}

/**
 * Answers a batch of authorize requests in one transaction, durable when it resolves, in the order given. No two of one
 * batch may carry the same idempotency key. Starts over when another connection wrote one of the keys meanwhile, or on a
 * deadlock; rejects with the database's error otherwise, and then the outcome is unknown if the commit had been sent.
 */
export async function answerBatch(
  pool: pg.Pool,
  batch: readonly PendingAuthorization[],
  now: Date,
): Promise<AuthorizeAnswer[]> {
  for (let attempt = 1; ; attempt += 1) {
    const client = await pool.connect();
    let broken: Error | undefined;
    try {
      await prepareSession(client);
      return await answerOnce(client, batch, now);
    } catch (error) {
      broken = await rollback(client);
      const again = error instanceof KeyTaken || sqlStateOf(error) === deadlockDetected;
      if (!again || attempt >= attemptsMax) throw error;
    } finally {
      client.release(broken);
    }
  }
}

const prepared = new WeakSet<pg.PoolClient>();

async function prepareSession(client: pg.PoolClient): Promise<void> {
  if (prepared.has(client)) return;
  await client.query(sessionSql);
  prepared.add(client);
}

async function rollback(client: pg.PoolClient): Promise<Error | undefined> {
  try {
    await client.query("rollback");
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

async function answerOnce(
  client: pg.PoolClient,
  batch: readonly PendingAuthorization[],
  now: Date,
): Promise<AuthorizeAnswer[]> {
  const refs = [...new Set(batch.flatMap((each) => each.request.tokenRef ?? []))].sort();
  const keys = batch.flatMap((each) => each.idempotencyKey ?? []);
  await client.query("begin");
  const locked = await client.query<LockedRow>({ ...lockSql, values: [refs] });
  const cardIds = [...new Set(locked.rows.map((row) => row.card_id))];
  const found = await client.query<KnownRow>({ ...knownSql, values: [cardIds, now, keys] });
  const known = new Map(found.rows.flatMap((row) => (row.card_id === null ? [[row.idempotency_key, row]] : [])));
  const { tokens, cards } = readLocked(locked.rows, found.rows);

  const isNew = (each: PendingAuthorization) => each.idempotencyKey === undefined || !known.has(each.idempotencyKey);
  const fresh = batch.filter(isNew);
  const decisions = decideAuthorizations(
    fresh.map((each) => each.request),
    tokens,
    cards,
    now,
  );
  if (fresh.length > 0) await write(client, fresh, decisions, cards, now);
  await client.query("commit");

  const answers = new Map<PendingAuthorization, AuthorizeAnswer>();
  for (const [index, each] of fresh.entries()) {
    const decision = decisions[index];
    if (decision !== undefined) answers.set(each, freshAnswer(each, decision));
  }
  return batch.map((each) => {
    const row = each.idempotencyKey === undefined ? undefined : known.get(each.idempotencyKey);
    const answer = answers.get(each) ?? (row && replayedAnswer(each, row));
    if (answer === undefined) throw new Error("an authorize request was neither new nor answered before");
    return answer;
  });
}

interface LockedRow {
  readonly token_ref: string;
  readonly kind: CardToken["kind"];
  readonly card_id: string;
  readonly token_customer_id: string;
  readonly merchant_id: string | null;
  readonly amount_minor: bigint | null;
  readonly token_currency: string | null;
  readonly expires_at: Date;
  readonly consumed_at: Date | null;
  readonly revoked_at: Date | null;
  readonly customer_id: string;
  readonly status: CreditCard["status"];
  readonly currency: string;
  readonly credit_limit_minor: bigint;
  readonly owed_minor: bigint;
  readonly held_minor: bigint;
}

type KnownRow =
  | { readonly card_id: string; readonly lapsed_minor: bigint }
  | ({ readonly card_id: null } & AnsweredRow);

function readLocked(
  rows: readonly LockedRow[],
  known: readonly KnownRow[],
): { tokens: Map<string, CardToken>; cards: Map<string, CreditCard> } {
  const lapsed = new Map(known.flatMap((row) => (row.card_id === null ? [] : [[row.card_id, row.lapsed_minor]])));
  const tokens = new Map<string, CardToken>();
  const cards = new Map<string, CreditCard>();
  for (const row of rows) {
    tokens.set(row.token_ref, {
      tokenRef: row.token_ref,
      kind: row.kind,
      cardId: row.card_id,
      customerId: row.token_customer_id,
      merchantId: row.merchant_id,
      amountMinor: row.amount_minor,
      currency: row.token_currency,
      expiresAt: row.expires_at,
      consumedAt: row.consumed_at,
      revokedAt: row.revoked_at,
    });
    cards.set(row.card_id, {
      cardId: row.card_id,
      customerId: row.customer_id,
      status: row.status,
      currency: row.currency,
      creditLimitMinor: row.credit_limit_minor,
      owedMinor: row.owed_minor,
      heldMinor: row.held_minor,
      lapsedMinor: lapsed.get(row.card_id) ?? 0n,
    });
  }
  return { tokens, cards };
}

async function write(
  client: pg.PoolClient,
  fresh: readonly PendingAuthorization[],
  decisions: readonly AuthorizeDecision[],
  cards: ReadonlyMap<string, CreditCard>,
  now: Date,
): Promise<void> {
  const pairs = fresh.flatMap((each, index) => {
    const decision = decisions[index];
    return decision === undefined ? [] : [{ each, decision, approved: decision.declineReason === undefined }];
  });
  const spent = pairs.filter((pair) => pair.decision.consumes !== undefined);
  const held = new Map<string, bigint>();
  for (const { each, decision, approved } of pairs) {
    if (!approved || decision.cardId === undefined) continue;
    held.set(decision.cardId, (held.get(decision.cardId) ?? 0n) + each.request.amountMinor);
  }
  const heldIds = [...held.keys()];
  const values = [
    pairs.map((pair) => pair.each.id),
    pairs.map((pair) => (pair.approved ? pair.each.authorizationCode : null)),
    pairs.map((pair) => pair.decision.declineReason ?? null),
    pairs.map((pair) => pair.decision.cardId ?? null),
    pairs.map((pair) => pair.each.request.tokenRef ?? null),
    pairs.map((pair) => pair.each.request.merchantId),
    pairs.map((pair) => pair.each.merchantName ?? null),
    pairs.map((pair) => pair.each.orderId),
    pairs.map((pair) => pair.each.description ?? null),
    pairs.map((pair) => pair.each.request.currency),
    pairs.map((pair) => pair.each.request.amountMinor),
    pairs.map((pair) => pair.decision.availableMinor ?? null),
    pairs.map((pair) => pair.each.idempotencyKey ?? null),
    pairs.map((pair) => pair.each.requestHash),
    now,
    pairs[0]?.decision.expiresAt ?? now,
    spent.map((pair) => pair.decision.consumes),
    spent.map((pair) => pair.each.request.merchantId),
    spent.map((pair) => pair.each.request.amountMinor),
    spent.map((pair) => pair.each.request.currency),
    heldIds,
    heldIds.map((id) => held.get(id)),
    heldIds.map((id) => cards.get(id)?.lapsedMinor ?? 0n),
  ];
  const result = await client.query<{ written: number; spent: number; held: number }>({ ...writeSql, values });
  const counts = result.rows[0];
  if (counts?.written !== pairs.length) throw new KeyTaken();
  // The rows are locked, so this cannot differ unless a rule above is wrong: then nothing of the batch may stand.
  if (counts.spent !== spent.length || counts.held !== heldIds.length) {
    throw new Error(
      `authorize wrote ${counts.spent}/${spent.length} tokens and ${counts.held}/${heldIds.length} cards`,
    );
  }
}
