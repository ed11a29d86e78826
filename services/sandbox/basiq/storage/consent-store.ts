import { randomUUID } from "node:crypto";
import type { Selectable, Transaction } from "kysely";
import type { Database } from "../../../platform/db/open-database.ts";
import { inTransaction } from "../../../platform/db/transaction.ts";
import { dayMs } from "../../kit/domain/calendar.ts";
import type { Consent, Instant } from "../domain/records.ts";
import { consentView } from "../domain/views.ts";
import { appendEvent } from "./append-event.ts";
import { deleteConnections, invalidateConnections } from "./connection-changes.ts";
import type { BasiqTables, ConsentRow } from "./tables.ts";

/** Before a consent's end, its application is warned. */
const warnedBeforeMs = 7 * dayMs;
const batchSize = 100;

/** Consents of users. */
export interface ConsentStore {
  /** Newest first. */
  list(userId: string): Promise<readonly Consent[]>;
  findActive(userId: string): Promise<Consent | undefined>;
  /** Makes the active consent end at another time. False when there is none. */
  extend(userId: string, expiresAt: Date, at: Instant): Promise<boolean>;
  /** The same without telling, for tests of what happens then. */
  moveEnd(userId: string, expiresAt: Date): Promise<boolean>;
  /** Ends a consent, and the connections under it. `consentId` undefined: the active one. */
  revoke(userId: string, consentId: string | undefined, at: Instant): Promise<boolean>;
  /** Warns of consents about to end and ends those that are over. Returns how many. */
  sweep(at: Instant): Promise<number>;
}

/** Opens the store on the sandbox's schema. */
export function createConsentStore(db: Database<BasiqTables>, origin: string): ConsentStore {
  const active = (userId: string) =>
    db.query.selectFrom("consents").selectAll().where("user_id", "=", userId).where("status", "=", "active");
  return {
    async list(userId) {
      const rows = await db.query
        .selectFrom("consents")
        .selectAll()
        .where("user_id", "=", userId)
        .orderBy("created_at", "desc")
        .limit(batchSize)
        .execute();
      return rows.map(consentOf);
    },
    async findActive(userId) {
      const row = await active(userId).executeTakeFirst();
      return row && consentOf(row);
    },
    extend: (userId, expiresAt, at) => inTransaction(db, (tx) => extendConsent(tx, { origin, userId, expiresAt, at })),
    async moveEnd(userId, expiresAt) {
      const changed = await db.query
        .updateTable("consents")
        .set({ expires_at: expiresAt, warned: false })
        .where("user_id", "=", userId)
        .where("status", "=", "active")
        .executeTakeFirst();
      return changed.numUpdatedRows === 1n;
    },
    revoke: (userId, consentId, at) =>
      inTransaction(db, async (tx) => {
        const row = await tx
          .updateTable("consents")
          .set({ status: "revoked", updated_at: at.now })
          .where("user_id", "=", userId)
          .where("status", "=", "active")
          .$if(consentId !== undefined, (query) => query.where("consent_id", "=", consentId ?? ""))
          .returningAll()
          .executeTakeFirst();
        if (row === undefined) return false;
        await tellConsent(tx, origin, row, "revoked", at);
        await deleteConnections(tx, origin, { userId }, at);
        return true;
      }),
    sweep: (at) => inTransaction(db, (tx) => sweepConsents(tx, origin, at)),
  };
}

/** The consent a user gives on the page: the active one is kept until the new end, or a new one is made. */
export async function giveConsent(
  tx: Transaction<BasiqTables>,
  given: { origin: string; userId: string; expiresAt: Date; at: Instant },
): Promise<void> {
  if (await extendConsent(tx, given)) return;
  const { origin, userId, expiresAt, at } = given;
  const row = await tx
    .insertInto("consents")
    .values({
      consent_id: randomUUID(),
      user_id: userId,
      status: "active",
      created_at: at.now,
      updated_at: at.now,
      expires_at: expiresAt,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  await tellConsent(tx, origin, row, "created", at);
}

async function extendConsent(
  tx: Transaction<BasiqTables>,
  { origin, userId, expiresAt, at }: { origin: string; userId: string; expiresAt: Date; at: Instant },
): Promise<boolean> {
  const row = await tx
    .updateTable("consents")
    .set({ expires_at: expiresAt, updated_at: at.now, warned: false })
    .where("user_id", "=", userId)
    .where("status", "=", "active")
    .returningAll()
    .executeTakeFirst();
  if (row === undefined) return false;
  await tellConsent(tx, origin, row, "updated", at);
  return true;
}

async function sweepConsents(tx: Transaction<BasiqTables>, origin: string, at: Instant): Promise<number> {
  const due = await tx
    .selectFrom("consents")
    .selectAll()
    .where("status", "=", "active")
    .where("expires_at", "<=", new Date(at.now.getTime() + warnedBeforeMs))
    .where((where) => where.or([where("warned", "=", false), where("expires_at", "<=", at.now)]))
    .limit(batchSize)
    .forUpdate()
    .skipLocked()
    .execute();
  for (const row of due) {
    const isOver = row.expires_at <= at.now;
    await tx
      .updateTable("consents")
      .set(isOver ? { status: "expired", updated_at: at.now } : { warned: true })
      .where("consent_id", "=", row.consent_id)
      .execute();
    await tellConsent(tx, origin, isOver ? { ...row, status: "expired" } : row, isOver ? "expired" : "warning", at);
    if (isOver) await invalidateConnections(tx, origin, { userId: row.user_id }, at);
  }
  return due.length;
}

async function tellConsent(
  tx: Transaction<BasiqTables>,
  origin: string,
  row: Selectable<ConsentRow>,
  eventType: string,
  at: Instant,
): Promise<void> {
  const consent = consentOf(row);
  const path = `/users/${consent.userId}/consents/${consent.consentId}`;
  const data = consentView(origin, consent);
  await appendEvent(tx, origin, { userId: consent.userId, entity: "consent", eventType, path, data }, at);
}

function consentOf(row: Selectable<ConsentRow>): Consent {
  return {
    consentId: row.consent_id,
    userId: row.user_id,
    status: row.status,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    expiresAt: row.expires_at,
  };
}
