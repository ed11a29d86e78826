import { randomUUID } from "node:crypto";
import { type Selectable, sql, type Transaction } from "kysely";
import type { Database } from "../../../platform/db/open-database.ts";
import { inTransaction } from "../../../platform/db/transaction.ts";
import type { Clock } from "../../../platform/time/clock.ts";
import { addDelivery } from "../../kit/storage/delivery-store.ts";
import { type ConnectEvent, connectDelivery, type ToldSession } from "../domain/connect-event.ts";
import type { ConnectRequest, EmailOptions } from "../domain/connect-request.ts";
import type { ConnectStage, MastercardTables, SessionRow } from "./tables.ts";

/** Wrong passwords a link takes before it is of no more use. */
export const signInAttemptsMax = 5;

const listedMax = 200;

/** One Connect link and how far its person has come. */
export interface ConnectSession extends ToldSession {
  readonly request: ConnectRequest;
  readonly fixLoginId: bigint | null;
  readonly email: EmailOptions | null;
  readonly stage: ConnectStage;
  readonly attempts: number;
  readonly institutionId: bigint | null;
  readonly username: string | null;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

/** A link to be made. */
export interface NewSession {
  readonly tokenHash: Buffer;
  readonly customerId: bigint;
  readonly request: ConnectRequest;
  readonly fixLoginId: bigint | null;
  readonly email: EmailOptions | null;
  readonly now: Date;
  readonly expiresAt: Date;
}

/** A step of a person, and what the partner is told of it in the same transaction. */
export interface ConnectStep {
  readonly from: readonly ConnectStage[];
  readonly to: ConnectStage;
  readonly institutionId?: bigint | undefined;
  readonly username?: string | undefined;
  readonly events: readonly ConnectEvent[];
}

/** Connect links: `open` → `started` → `signed_in` → `done`, or `exited`. */
export interface ConnectStore {
  create(session: NewSession): Promise<void>;
  find(tokenHash: Buffer): Promise<ConnectSession | undefined>;
  findById(sessionId: string): Promise<ConnectSession | undefined>;
  /** The newest link of a customer, whose partner is told of what happens later. */
  latestOf(customerId: bigint): Promise<ConnectSession | undefined>;
  /** Takes a step. False when the link stands elsewhere. */
  step(session: ConnectSession, step: ConnectStep): Promise<boolean>;
  /** Counts a wrong password and tells of it. */
  fail(session: ConnectSession, event: ConnectEvent): Promise<void>;
  /** Links asked for by e-mail, newest first. */
  listEmails(): Promise<readonly ConnectSession[]>;
  sweep(before: Date): Promise<void>;
}

/** Opens the store on the sandbox's schema. `clock` is the true one: webhooks are due by it. */
export function createConnectStore(db: Database<MastercardTables>, clock: Clock): ConnectStore {
  const all = () => db.query.selectFrom("connect_sessions").selectAll();
  const one = async (query: { executeTakeFirst(): Promise<Selectable<SessionRow> | undefined> }) => {
    const row = await query.executeTakeFirst();
    return row && sessionOf(row);
  };
  return {
    async create(session) {
      await db.query
        .insertInto("connect_sessions")
        .values({
          session_id: randomUUID(),
          token_hash: session.tokenHash,
          customer_id: session.customerId,
          request: JSON.stringify(session.request),
          fix_login_id: session.fixLoginId,
          email: session.email && JSON.stringify(session.email),
          stage: "open",
          institution_id: null,
          username: null,
          created_at: session.now,
          expires_at: session.expiresAt,
        })
        .execute();
    },
    find: (tokenHash) => one(all().where("token_hash", "=", tokenHash)),
    findById: (sessionId) => one(all().where("session_id", "=", sessionId)),
    latestOf: (customerId) => one(all().where("customer_id", "=", customerId).orderBy("created_at", "desc").limit(1)),
    step: (session, step) => inTransaction(db, (tx) => takeStep(tx, session, step, clock.now())),
    fail: (session, event) =>
      inTransaction(db, async (tx) => {
        await tx
          .updateTable("connect_sessions")
          .set({ attempts: sql`attempts + 1` })
          .where("session_id", "=", session.sessionId)
          .execute();
        await tell(tx, session, [event], clock.now());
      }),
    async listEmails() {
      const rows = await all().where("email", "is not", null).orderBy("created_at", "desc").limit(listedMax).execute();
      return rows.map(sessionOf);
    },
    async sweep(before) {
      await db.query.deleteFrom("connect_sessions").where("expires_at", "<", before).execute();
    },
  };
}

/** Takes a step within a larger transaction. */
export async function takeStep(
  tx: Transaction<MastercardTables>,
  session: ConnectSession,
  step: ConnectStep,
  dueAt: Date,
): Promise<boolean> {
  const moved = await tx
    .updateTable("connect_sessions")
    .set({
      stage: step.to,
      ...(step.institutionId !== undefined && { institution_id: step.institutionId }),
      ...(step.username !== undefined && { username: step.username }),
    })
    .where("session_id", "=", session.sessionId)
    .where("stage", "in", [...step.from])
    .executeTakeFirst();
  if (moved.numUpdatedRows === 0n) return false;
  await tell(tx, session, step.events, dueAt);
  return true;
}

/** Puts Connect webhooks beside the change they tell of. */
export async function tell(
  tx: Transaction<MastercardTables>,
  session: ToldSession,
  events: readonly ConnectEvent[],
  dueAt: Date,
): Promise<void> {
  for (const event of events) {
    const delivery = connectDelivery(session, event);
    if (delivery !== undefined) await addDelivery(tx, delivery, dueAt);
  }
}

function sessionOf(row: Selectable<SessionRow>): ConnectSession {
  return {
    sessionId: row.session_id,
    customerId: row.customer_id,
    request: row.request,
    fixLoginId: row.fix_login_id,
    email: row.email,
    stage: row.stage,
    attempts: row.attempts,
    institutionId: row.institution_id,
    username: row.username,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
  };
}
