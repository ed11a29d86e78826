import { sql, type Transaction } from "kysely";
import type { Database } from "../../platform/db/open-database.ts";
import { inTransaction } from "../../platform/db/transaction.ts";
import { uuidv7 } from "../../platform/ids/uuidv7.ts";
import {
  type ActDecision,
  type Authorization,
  type AuthorizationState,
  decideCapture,
  decideRefund,
  decideVoid,
  refusals,
} from "../domain/authorization.ts";
import { cardPaymentEntry } from "../domain/journal.ts";
import { postEntry } from "./ledger.ts";
import { firstAnswer, keepAnswer } from "./payment-operations.ts";
import type { MoneyTables } from "./tables.ts";

/** What the network is told about a capture, void or refund. */
export interface ActAnswer {
  readonly success: boolean;
  readonly error?: string;
}

/** What an act on an authorization comes with. */
export interface ActCommand {
  readonly authorizationCode: string;
  /** The caller's `Idempotency-Key`, when it sent one. */
  readonly idempotencyKey: string | undefined;
  /** SHA-256 of the request. */
  readonly requestHash: Buffer;
}

/** A capture or refund. The amount is read once the authorization's currency is known; `undefined` when it is not. */
export interface AmountCommand extends ActCommand {
  /** To minor units; may throw `AMOUNT_INVALID`, which leaves nothing behind. */
  readonly parseAmount: (currency: string | undefined) => bigint;
}

/** Acts on authorizations: each one transaction, under the row lock of its authorization, answered once per key. */
export interface AuthorizationStore {
  /** Every act throws `IDEMPOTENCY_CONFLICT` for a key that was used with another request. */
  capture(command: AmountCommand, now: Date): Promise<ActAnswer>;
  refund(command: AmountCommand, now: Date): Promise<ActAnswer>;
  void(command: ActCommand, now: Date): Promise<ActAnswer>;
  /**
   * Releases the hold that was authorized under this key, or leaves a tombstone so that an authorize still under way is
   * declined. Succeeds again when repeated; refused only when the authorization was captured.
   */
  voidByKey(authorizeKey: string, now: Date): Promise<ActAnswer>;
}

interface AuthorizationRow {
  id: string;
  state: AuthorizationState;
  card_id: string | null;
  merchant_name: string | null;
  merchant_id: string;
  currency: string;
  amount_minor: bigint;
  captured_minor: bigint;
  refunded_minor: bigint;
  expires_at: Date;
}

const columns = sql`id, state, card_id, merchant_name, merchant_id, currency, amount_minor, captured_minor,
  refunded_minor, expires_at`;

const success: ActAnswer = Object.freeze({ success: true });

/** Opens the store. */
export function createAuthorizationStore<T extends MoneyTables>(db: Pick<Database<T>, "query">): AuthorizationStore {
  const amountAct = (operation: "capture" | "refund", command: AmountCommand, now: Date) =>
    inTransaction(db, (tx) =>
      once(tx, operation, command, now, async () => {
        const row = await lockByCode(tx, command.authorizationCode);
        const amountMinor = command.parseAmount(row?.currency);
        if (row === undefined) return { success: false, error: refusals.notFound };
        const decision =
          operation === "capture"
            ? decideCapture(toDomain(row), amountMinor, now)
            : decideRefund(toDomain(row), amountMinor);
        return apply(tx, row, decision, now, operation);
      }),
    );
  return {
    capture: (command, now) => amountAct("capture", command, now),
    refund: (command, now) => amountAct("refund", command, now),
    void: (command, now) =>
      inTransaction(db, (tx) =>
        once(tx, "void", command, now, async () => {
          const row = await lockByCode(tx, command.authorizationCode);
          if (row === undefined) return { success: false, error: refusals.notFound };
          return apply(tx, row, decideVoid(toDomain(row), now), now);
        }),
      ),
    voidByKey: (authorizeKey, now) => inTransaction(db, (tx) => voidByKey(tx, authorizeKey, now)),
  };
}

/** Runs the act, unless its key was answered before: then gives that answer. */
async function once<T>(
  tx: Transaction<T>,
  operation: "capture" | "void" | "refund",
  command: ActCommand,
  now: Date,
  act: () => Promise<ActAnswer>,
): Promise<ActAnswer> {
  const { idempotencyKey, requestHash } = command;
  if (idempotencyKey === undefined) return act();
  const earlier = await firstAnswer(tx, { operation, idempotencyKey, requestHash, now });
  if (earlier !== undefined) return earlier;
  const answer = await act();
  await keepAnswer(tx, { operation, idempotencyKey, answer });
  return answer;
}

async function lockByCode<T>(tx: Transaction<T>, code: string): Promise<AuthorizationRow | undefined> {
  const found = await sql<AuthorizationRow>`select ${columns} from authorizations
    where authorization_code = ${code} for no key update`.execute(tx);
  return found.rows[0];
}

async function voidByKey<T extends MoneyTables>(tx: Transaction<T>, key: string, now: Date): Promise<ActAnswer> {
  // Waits for an authorize that is writing this key at the same moment, and then finds its row.
  const tombstone = await sql`insert into authorizations (id, state, merchant_id, order_id, currency, amount_minor,
      decline_reason, idempotency_key, created_at, expires_at, closed_at)
    values (${uuidv7(now.getTime())}, 'DECLINED', '', '', 'XXX', 0, 'Authorization voided', ${key}, ${now}, ${now}, ${now})
    on conflict (idempotency_key) where idempotency_key is not null do nothing returning id`.execute(tx);
  if (tombstone.rows.length > 0) return success;
  const found = await sql<AuthorizationRow>`select ${columns} from authorizations
    where idempotency_key = ${key} for no key update`.execute(tx);
  const row = found.rows[0];
  if (row === undefined) throw new Error("an authorization vanished between two statements");
  if (row.state === "DECLINED" || row.state === "VOIDED" || row.state === "EXPIRED") return success;
  const decision = decideVoid(toDomain(row), now);
  const answer = await apply(tx, row, decision, now);
  return decision.kind === "lapsed" ? success : answer;
}

async function apply<T extends MoneyTables>(
  tx: Transaction<T>,
  row: AuthorizationRow,
  decision: ActDecision,
  now: Date,
  entryKind?: "capture" | "refund",
): Promise<ActAnswer> {
  if (decision.kind === "refused") return { success: false, error: decision.refusal };
  const cardId = row.card_id;
  if (cardId === null) throw new Error("an approved authorization without a card");
  await save(tx, row, decision.next, now);
  if (decision.releasedMinor > 0n) {
    await sql`update cards set held_minor = held_minor - ${decision.releasedMinor}, updated_at = ${now}
      where id = ${cardId}`.execute(tx);
  }
  if (decision.kind === "lapsed") return { success: false, error: decision.refusal };
  if (entryKind !== undefined) {
    const { owedMinor, interchangeMinor } = decision;
    const description = row.merchant_name ?? row.merchant_id;
    const entry = cardPaymentEntry({ kind: entryKind, cardId, description, owedMinor, interchangeMinor });
    await postEntry(tx, { entry, currency: row.currency, authorizationId: row.id, postedAt: now });
  }
  return success;
}

async function save<T>(tx: Transaction<T>, row: AuthorizationRow, next: Authorization, now: Date): Promise<void> {
  const saved = await sql`update authorizations set state = ${next.state}, captured_minor = ${next.capturedMinor},
      refunded_minor = ${next.refundedMinor}, closed_at = coalesce(closed_at, ${now})
    where id = ${row.id} and state = ${row.state} and refunded_minor = ${row.refunded_minor}`.execute(tx);
  // The row is locked: anything but one changed row is a fault of ours, and nothing may be kept.
  if (saved.numAffectedRows !== 1n) throw new Error("an authorization changed under its lock");
}

function toDomain(row: AuthorizationRow): Authorization {
  return {
    state: row.state,
    amountMinor: row.amount_minor,
    capturedMinor: row.captured_minor,
    refundedMinor: row.refunded_minor,
    expiresAt: row.expires_at,
  };
}
