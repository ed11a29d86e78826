import type pg from "pg";
import { queryHot } from "../../platform/db/hot-statements.ts";
import { sqlStateOf } from "../../platform/db/transaction.ts";
import { type AuthorizeDecision, type CardToken, type CreditCard, decideAuthorizations } from "../domain/authorize.ts";
import {
  type AnsweredRow,
  type AuthorizeAnswer,
  freshAnswer,
  type PendingAuthorization,
  replayedAnswer,
} from "./authorization-answer.ts";
import { lockSql, readSql, writeSql } from "./authorization-sql.ts";

/*
 * Concurrent requests share two statements, so a payment costs a share of two round trips and of a flush to disk: one reads without
 * locks, the other writes if what it changes is still as it was read. Where somebody has changed a token or a card in between, or used
 * a key, the same two run again, in a transaction that holds the locks first.
 */

const attemptsMax = 4;
/** A deadlock, a key that was used meanwhile, and what `writeSql` says of a token or card that was changed. */
const worthAnother = new Set(["40P01", "23505", "22P02"]);

/**
 * Answers a batch of authorize requests, durable when it resolves, in the order given; all of them are written, or none. No two of one
 * batch may carry the same idempotency key. Rejects with the database's error, and then the outcome is unknown if a write had been sent.
 */
export async function answerBatch(
  hotPool: pg.Pool,
  batch: readonly PendingAuthorization[],
  now: Date,
): Promise<AuthorizeAnswer[]> {
  for (let attempt = 1; ; attempt += 1) {
    const client = await hotPool.connect();
    let broken: Error | undefined;
    try {
      return attempt === 1 ? await answer(client, batch, now) : await answerLocked(client, batch, now);
    } catch (error) {
      if (attempt > 1) broken = await rollback(client);
      if (!worthAnother.has(sqlStateOf(error) ?? "") || attempt >= attemptsMax) throw error;
    } finally {
      client.release(broken);
    }
  }
}

async function rollback(client: pg.PoolClient): Promise<Error | undefined> {
  try {
    await client.query("rollback");
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

async function answerLocked(
  client: pg.PoolClient,
  batch: readonly PendingAuthorization[],
  now: Date,
): Promise<AuthorizeAnswer[]> {
  await client.query("begin");
  await queryHot(client, lockSql, [tokenRefs(batch)]);
  const answers = await answer(client, batch, now);
  await client.query("commit");
  return answers;
}

async function answer(
  client: pg.PoolClient,
  batch: readonly PendingAuthorization[],
  now: Date,
): Promise<AuthorizeAnswer[]> {
  const keys = batch.flatMap((each) => each.idempotencyKey ?? []);
  const read = sortRead(await queryHot<ReadRow>(client, readSql, [tokenRefs(batch), now, keys]));
  const isNew = (each: PendingAuthorization) =>
    each.idempotencyKey === undefined || !read.known.has(each.idempotencyKey);
  const fresh = batch.filter(isNew);
  const requests = fresh.map((each) => each.request);
  const decisions = decideAuthorizations(requests, read.tokens, read.cards, now);
  if (fresh.length > 0) await write(client, { fresh, decisions, read, now });

  const answers = new Map<PendingAuthorization, AuthorizeAnswer>();
  for (const [index, each] of fresh.entries()) {
    const decision = decisions[index];
    if (decision !== undefined) answers.set(each, freshAnswer(each, decision));
  }
  return batch.map((each) => {
    const row = each.idempotencyKey === undefined ? undefined : read.known.get(each.idempotencyKey);
    const answer = answers.get(each) ?? (row && replayedAnswer(each, row));
    if (answer === undefined) throw new Error("an authorize request was neither new nor answered before");
    return answer;
  });
}

function tokenRefs(batch: readonly PendingAuthorization[]): string[] {
  return [...new Set(batch.flatMap((each) => each.request.tokenRef ?? []))].sort();
}

interface TokenRow {
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
  readonly token_seen: string;
  readonly card_seen: string;
}

type ReadRow =
  | TokenRow
  | { readonly token_ref: null; readonly card_id: string; readonly lapsed_minor: bigint }
  | ({ readonly token_ref: null; readonly card_id: null } & AnsweredRow);

/** What was read of one moment. */
interface ReadState {
  readonly tokens: ReadonlyMap<string, CardToken>;
  readonly cards: ReadonlyMap<string, CreditCard>;
  /** Answers given before, by key. */
  readonly known: ReadonlyMap<string, AnsweredRow>;
  /** Where tokens and cards lie and in which version, by their names. */
  readonly seen: ReadonlyMap<string, string>;
}

function sortRead(rows: readonly ReadRow[]): ReadState {
  const tokens = new Map<string, CardToken>();
  const cards = new Map<string, CreditCard>();
  const known = new Map<string, AnsweredRow>();
  const lapsed = new Map<string, bigint>();
  const seen = new Map<string, string>();
  for (const row of rows) {
    if (row.token_ref !== null) {
      tokens.set(row.token_ref, toToken(row));
      cards.set(row.card_id, toCard(row));
      seen.set(row.token_ref, row.token_seen).set(row.card_id, row.card_seen);
    } else if (row.card_id !== null) lapsed.set(row.card_id, row.lapsed_minor);
    else known.set(row.idempotency_key, row);
  }
  for (const [cardId, lapsedMinor] of lapsed) {
    const card = cards.get(cardId);
    if (card !== undefined) cards.set(cardId, { ...card, lapsedMinor });
  }
  return { tokens, cards, known, seen };
}

function toToken(row: TokenRow): CardToken {
  return {
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
  };
}

function toCard(row: TokenRow): CreditCard {
  return {
    cardId: row.card_id,
    customerId: row.customer_id,
    status: row.status,
    currency: row.currency,
    creditLimitMinor: row.credit_limit_minor,
    owedMinor: row.owed_minor,
    heldMinor: row.held_minor,
    lapsedMinor: 0n,
  };
}

/** Fails with one of `worthAnother` when a key, a token or a card is not as it was read. */
async function write(
  client: pg.PoolClient,
  facts: {
    readonly fresh: readonly PendingAuthorization[];
    readonly decisions: readonly AuthorizeDecision[];
    readonly read: ReadState;
    readonly now: Date;
  },
): Promise<void> {
  const { read, now } = facts;
  const pairs = facts.fresh.flatMap((each, index) => {
    const decision = facts.decisions[index];
    return decision === undefined ? [] : [{ each, decision, approved: decision.declineReason === undefined }];
  });
  const spent = pairs
    .flatMap(({ each, decision }) => (decision.consumes === undefined ? [] : [{ each, ref: decision.consumes }]))
    .sort((left, right) => (left.ref < right.ref ? -1 : 1));
  const held = new Map<string, bigint>();
  for (const { each, decision, approved } of pairs) {
    if (!approved || decision.cardId === undefined) continue;
    held.set(decision.cardId, (held.get(decision.cardId) ?? 0n) + each.request.amountMinor);
  }
  const heldIds = [...held.keys()].sort();
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
    spent.map(({ ref }) => read.seen.get(ref)),
    spent.map(({ each }) => each.request.merchantId),
    spent.map(({ each }) => each.request.amountMinor),
    spent.map(({ each }) => each.request.currency),
    heldIds.map((id) => read.seen.get(id)),
    heldIds.map((id) => held.get(id)),
    heldIds.map((id) => read.cards.get(id)?.lapsedMinor ?? 0n),
    pairs.length,
  ];
  await queryHot(client, writeSql, values);
}
