import { sql } from "kysely";
import type { HotStatement } from "../../platform/db/hot-statements.ts";
import type { Database } from "../../platform/db/open-database.ts";
import type { Executor, WalletTables } from "./tables.ts";

/** A bank in a wallet. */
export interface Enrolment {
  readonly userId: string;
  readonly enrolmentId: string;
  readonly bsimId: string;
  readonly state: string;
  readonly connectionId: string;
  readonly fiUserRef: string;
  readonly credentialExpiresAt: Date | null;
  readonly reauthReason: string | null;
  readonly enrolledAt: Date;
  readonly updatedAt: Date;
}

/** An enrolment with the number of its active cards. */
export interface EnrolmentWithCount extends Enrolment {
  readonly cardCount: number;
}

const columns = [
  "user_id as userId",
  "enrolment_id as enrolmentId",
  "bsim_id as bsimId",
  "state",
  "connection_id as connectionId",
  "fi_user_ref as fiUserRef",
  "credential_expires_at as credentialExpiresAt",
  "reauth_reason as reauthReason",
  "enrolled_at as enrolledAt",
  "updated_at as updatedAt",
] as const;

const liveStates = ["active", "reauth_required"];

function liveEnrolmentsOf(db: Executor, userId: string) {
  return (
    db
      .selectFrom("enrolments")
      .select(columns)
      .where("user_id", "=", userId)
      // Written out: a plan made before the values are known cannot use the index of live enrolments otherwise.
      .where(
        "state",
        "in",
        liveStates.map((state) => sql.lit(state)),
      )
      .orderBy("enrolled_at")
      .orderBy("enrolment_id")
  );
}

/** A user's live enrolments, oldest first, with their card counts. */
export async function listLiveEnrolments(db: Executor, userId: string): Promise<EnrolmentWithCount[]> {
  return await liveEnrolmentsOf(db, userId)
    .select((select) =>
      select
        .selectFrom("cards")
        .select(sql<number>`count(*)::int`.as("count"))
        .whereRef("cards.user_id", "=", "enrolments.user_id")
        .whereRef("cards.enrolment_id", "=", "enrolments.enrolment_id")
        .where("cards.state", "=", "active")
        .$asScalar()
        .$notNull()
        .as("cardCount"),
    )
    .execute();
}

let listToRead: HotStatement | undefined;

/** The same without the cards, by a hot statement: for calls that go on to the banks. */
export async function listEnrolmentsToRead(
  db: Pick<Database<WalletTables>, "hot" | "query">,
  userId: string,
): Promise<readonly Enrolment[]> {
  // Compiled once: the text is the same for every user, whose id is its one parameter.
  listToRead ??= { name: "wallet_live_enrolments", text: liveEnrolmentsOf(db.query, userId).compile().sql };
  return await db.hot<Enrolment>(listToRead, [userId]);
}

/** The user's live enrolment at a bank, if any. */
export async function findLiveEnrolment(db: Executor, userId: string, bsimId: string): Promise<Enrolment | undefined> {
  return await db
    .selectFrom("enrolments")
    .select(columns)
    .where("user_id", "=", userId)
    .where("bsim_id", "=", bsimId)
    .where("state", "in", liveStates)
    .executeTakeFirst();
}

/** One enrolment of the user, whatever its state; another user's is not found. */
export async function findEnrolment(db: Executor, userId: string, enrolmentId: string): Promise<Enrolment | undefined> {
  return await db
    .selectFrom("enrolments")
    .select(columns)
    .where("user_id", "=", userId)
    .where("enrolment_id", "=", enrolmentId)
    .executeTakeFirst();
}

/** What a finished consent says of an enrolment. */
export interface ConsentFacts {
  readonly userId: string;
  readonly enrolmentId: string;
  readonly bsimId: string;
  readonly connectionId: string;
  readonly fiUserRef: string;
  readonly credentialExpiresAt: Date | undefined;
  /** Why the user is needed at once, where the bank gave less than asked for. */
  readonly reauthReason: string | undefined;
  readonly deviceId: string | null;
  readonly webSessionId: string | null;
  readonly now: Date;
}

/** Stores a new enrolment. */
export async function insertEnrolment(db: Executor, facts: ConsentFacts): Promise<void> {
  await db
    .insertInto("enrolments")
    .values({
      user_id: facts.userId,
      enrolment_id: facts.enrolmentId,
      bsim_id: facts.bsimId,
      ...consentColumns(facts),
      enrolled_at: facts.now,
    })
    .execute();
}

/** Replaces what an older consent said; id and enrolment time stay. */
export async function replaceConsent(db: Executor, facts: ConsentFacts): Promise<void> {
  await db
    .updateTable("enrolments")
    .set(consentColumns(facts))
    .where("user_id", "=", facts.userId)
    .where("enrolment_id", "=", facts.enrolmentId)
    .where("state", "in", liveStates)
    .execute();
}

function consentColumns(facts: ConsentFacts) {
  return {
    state: facts.reauthReason === undefined ? "active" : "reauth_required",
    connection_id: facts.connectionId,
    fi_user_ref: facts.fiUserRef,
    credential_expires_at: facts.credentialExpiresAt ?? null,
    reauth_reason: facts.reauthReason ?? null,
    device_id: facts.deviceId,
    web_session_id: facts.webSessionId,
    updated_at: facts.now,
  };
}

/** What the connection behind an enrolment looks like now. */
export interface ObservedConnection {
  readonly userId: string;
  readonly enrolmentId: string;
  /** An enrolment that meanwhile has another connection is left as it is. */
  readonly connectionId: string;
  /** Undefined: all is well. */
  readonly reauthReason: string | undefined;
  /** Undefined: not known, the stored one stays. */
  readonly credentialExpiresAt?: Date | null | undefined;
  readonly now: Date;
}

/** `active` to `reauth_required` or back, as the connection was just seen. */
export async function noteConnection(db: Executor, seen: ObservedConnection): Promise<void> {
  await db
    .updateTable("enrolments")
    .set({
      state: seen.reauthReason === undefined ? "active" : "reauth_required",
      reauth_reason: seen.reauthReason ?? null,
      updated_at: seen.now,
      ...(seen.credentialExpiresAt === undefined ? {} : { credential_expires_at: seen.credentialExpiresAt }),
    })
    .where("user_id", "=", seen.userId)
    .where("enrolment_id", "=", seen.enrolmentId)
    .where("connection_id", "=", seen.connectionId)
    .where("state", "in", liveStates)
    .execute();
}

/** Live to `removing`. Undefined when the user has no such live enrolment, so one of two removals is told. */
export async function beginRemoval(
  db: Executor,
  by: { readonly userId: string; readonly enrolmentId: string; readonly now: Date },
): Promise<Enrolment | undefined> {
  return await db
    .updateTable("enrolments")
    .set({ state: "removing", reauth_reason: null, removing_at: by.now, updated_at: by.now })
    .where("user_id", "=", by.userId)
    .where("enrolment_id", "=", by.enrolmentId)
    .where("state", "in", liveStates)
    .returning(columns)
    .executeTakeFirst();
}

/** `removing` to `removed`, once the bank has confirmed. */
export async function finishRemoval(
  db: Executor,
  by: { readonly userId: string; readonly enrolmentId: string; readonly now: Date },
): Promise<void> {
  await db
    .updateTable("enrolments")
    .set({ state: "removed", removed_at: by.now, updated_at: by.now })
    .where("user_id", "=", by.userId)
    .where("enrolment_id", "=", by.enrolmentId)
    .where("state", "=", "removing")
    .execute();
}

/** Ends removals under way of a connection that serves a new consent now, so that nobody ends it at the bank. */
export async function releaseConnection(
  db: Executor,
  by: { readonly userId: string; readonly connectionId: string; readonly now: Date },
): Promise<void> {
  await db
    .updateTable("enrolments")
    .set({ state: "removed", removed_at: by.now, updated_at: by.now })
    .where("user_id", "=", by.userId)
    .where("connection_id", "=", by.connectionId)
    .where("state", "=", "removing")
    .execute();
}

/** Whether a live enrolment stands on this connection. */
export async function isConnectionInUse(
  db: Executor,
  by: { readonly userId: string; readonly connectionId: string },
): Promise<boolean> {
  const row = await db
    .selectFrom("enrolments")
    .select("enrolment_id")
    .where("user_id", "=", by.userId)
    .where("connection_id", "=", by.connectionId)
    .where("state", "in", liveStates)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Ids of live enrolments last begun neither on this device nor in this browser session. */
export async function listEnrolmentsFromElsewhere(
  db: Executor,
  by: {
    readonly userId: string;
    readonly deviceId: string | undefined;
    readonly webSessionId: string | undefined;
  },
): Promise<string[]> {
  const rows = await db
    .selectFrom("enrolments")
    .select("enrolment_id as enrolmentId")
    .where("user_id", "=", by.userId)
    .where("state", "in", liveStates)
    .where(sql<boolean>`(device_id is null or device_id is distinct from ${by.deviceId ?? null})`)
    .where(sql<boolean>`(web_session_id is null or web_session_id is distinct from ${by.webSessionId ?? null}::uuid)`)
    .execute();
  return rows.map((row) => row.enrolmentId);
}
