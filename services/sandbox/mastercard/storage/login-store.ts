import type { Selectable, Transaction } from "kysely";
import type { Database } from "../../../platform/db/open-database.ts";
import { inTransaction } from "../../../platform/db/transaction.ts";
import type { Clock } from "../../../platform/time/clock.ts";
import { dayMs } from "../../kit/domain/calendar.ts";
import type { AccountKind } from "../../kit/domain/household.ts";
import { type Account, expiryNoticeDays, type InstitutionLogin, statusCodes } from "../domain/login.ts";
import type { NotificationName } from "../domain/subscription.ts";
import { accountsOf } from "./account-store.ts";
import { type ConnectSession, takeStep, tell } from "./connect-store.ts";
import { notify } from "./notifications.ts";
import type { LoginRow, MastercardTables } from "./tables.ts";

const listedMax = 200;

/** What a person allows at the end of a Connect link. */
export interface Grant {
  readonly session: ConnectSession;
  readonly institutionId: bigint;
  readonly username: string;
  readonly oauth: boolean;
  readonly kinds: readonly AccountKind[];
  readonly now: Date;
  readonly authorizationEndsAt: Date | null;
  readonly aggregationDueAt: Date;
  /** The accounts as webhooks tell them. */
  readonly tellAccounts: (accounts: readonly Account[]) => readonly object[];
}

/** Logins at institutions. */
export interface LoginStore {
  find(loginId: bigint): Promise<InstitutionLogin | undefined>;
  list(): Promise<readonly InstitutionLogin[]>;
  /**
   * Ends a link well, once: makes the login with its accounts, or renews the one there is of the same person at the same
   * institution, and tells the partner. False when the link stands elsewhere.
   */
  grant(grant: Grant): Promise<boolean>;
  /** Sets the code the next aggregations end with. False for an unknown login. */
  setStatus(loginId: bigint, statusCode: number): Promise<boolean>;
  /** The person takes the consent back at the bank. */
  revoke(loginId: bigint, now: Date): Promise<boolean>;
  setAuthorizationEnd(loginId: bigint, endsAt: Date): Promise<boolean>;
  /** The partner deletes the accounts of a login; tells of it. False when there are none. */
  remove(customerId: bigint, loginId: bigint, now: Date): Promise<boolean>;
  /** Tells of authorizations that end soon and ends those that are over. Returns how many. */
  sweepAuthorizations(now: Date): Promise<number>;
}

/** Opens the store on the sandbox's schema. `clock` is the true one: webhooks are due by it. */
export function createLoginStore(db: Database<MastercardTables>, clock: Clock): LoginStore {
  const at = (now: Date): Times => ({ now, dueAt: clock.now() });
  const present = () => db.query.selectFrom("institution_logins").selectAll().where("removed_at", "is", null);
  return {
    async find(loginId) {
      const row = await present().where("login_id", "=", loginId).executeTakeFirst();
      return row && loginOf(row);
    },
    async list() {
      return (await present().orderBy("login_id", "desc").limit(listedMax).execute()).map(loginOf);
    },
    grant: (grant) => inTransaction(db, (tx) => makeLogin(tx, grant, at(grant.now))),
    setStatus: (loginId, statusCode) =>
      inTransaction(db, async (tx) => (await update(tx, loginId, { status_code: statusCode })) !== undefined),
    revoke: (loginId, now) =>
      inTransaction(db, async (tx) => {
        const login = await update(tx, loginId, { status_code: statusCodes.consentRevoked });
        if (login === undefined) return false;
        await notifyOf(tx, login, { name: "mastercard.openbanking.customer.consent", status: "revoked" }, at(now));
        return true;
      }),
    setAuthorizationEnd: (loginId, endsAt) =>
      inTransaction(db, async (tx) => {
        const change = { authorization_ends_at: endsAt, expiry_told: false };
        return (await update(tx, loginId, change)) !== undefined;
      }),
    remove: (customerId, loginId, now) => inTransaction(db, (tx) => removeLogin(tx, customerId, loginId, at(now))),
    sweepAuthorizations: (now) => inTransaction(db, (tx) => sweepAuthorizations(tx, at(now))),
  };
}

/** The sandbox's time, and the true one by which webhooks are due. */
interface Times {
  readonly now: Date;
  readonly dueAt: Date;
}

async function makeLogin(tx: Transaction<MastercardTables>, grant: Grant, times: Times): Promise<boolean> {
  const { session } = grant;
  const isFix = session.fixLoginId !== null;
  const step = { from: ["signed_in"] as const, to: "done" as const, events: [] };
  if (!(await takeStep(tx, session, step, times.dueAt))) return false;
  const login = await upsertLogin(tx, grant);
  if (!isFix) await addAccounts(tx, login, grant);
  const dueAt = { aggregation_due_at: grant.aggregationDueAt };
  await tx.updateTable("accounts").set(dueAt).where("login_id", "=", login.loginId).execute();
  const accounts = await accountsOf(tx, { loginId: login.loginId });
  const institutionId = String(grant.institutionId);
  const told = { institutionId, institutionLoginId: String(login.loginId), accounts: grant.tellAccounts(accounts) };
  const events = isFix
    ? [{ type: "credentialsUpdated" as const, payload: told }]
    : [
        { type: "adding" as const, payload: { institutionId } },
        { type: "added" as const, payload: told },
        { type: "processing" as const, payload: { institutionId } },
      ];
  await tell(tx, session, [...events, { type: "done", payload: {} }], times.dueAt);
  const names: NotificationName[] = ["mastercard.openbanking.customer.consent"];
  if (!isFix) names.push("manage.txpush.account.created");
  for (const name of names) await notifyOf(tx, login, { name, status: "granted" }, times);
  return true;
}

async function upsertLogin(tx: Transaction<MastercardTables>, grant: Grant): Promise<InstitutionLogin> {
  const renewed = {
    authorized_at: grant.now,
    authorization_ends_at: grant.authorizationEndsAt,
    status_code: statusCodes.ok,
    expiry_told: false,
  };
  const row = await tx
    .insertInto("institution_logins")
    .values({
      customer_id: grant.session.customerId,
      institution_id: grant.institutionId,
      username: grant.username,
      oauth: grant.oauth,
      removed_at: null,
      ...renewed,
    })
    .onConflict((conflict) =>
      conflict
        .columns(["customer_id", "institution_id", "username"])
        .where("removed_at", "is", null)
        .doUpdateSet(renewed),
    )
    .returningAll()
    .executeTakeFirstOrThrow();
  return loginOf(row);
}

async function addAccounts(tx: Transaction<MastercardTables>, login: InstitutionLogin, grant: Grant): Promise<void> {
  await tx
    .insertInto("accounts")
    .values(
      grant.kinds.map((kind) => ({
        login_id: login.loginId,
        customer_id: login.customerId,
        kind,
        created_at: grant.now,
        status_code: null,
        aggregated_at: null,
        attempted_at: null,
        aggregation_due_at: grant.aggregationDueAt,
        removed_at: null,
      })),
    )
    .onConflict((conflict) => conflict.columns(["login_id", "kind"]).where("removed_at", "is", null).doNothing())
    .execute();
}

async function update(
  tx: Transaction<MastercardTables>,
  loginId: bigint,
  change: { status_code?: number; authorization_ends_at?: Date; expiry_told?: boolean },
): Promise<InstitutionLogin | undefined> {
  const row = await tx
    .updateTable("institution_logins")
    .set(change)
    .where("login_id", "=", loginId)
    .where("removed_at", "is", null)
    .returningAll()
    .executeTakeFirst();
  return row && loginOf(row);
}

async function removeLogin(
  tx: Transaction<MastercardTables>,
  customerId: bigint,
  loginId: bigint,
  { now, dueAt }: Times,
): Promise<boolean> {
  const accounts = await accountsOf(tx, { loginId });
  const removed = await tx
    .updateTable("institution_logins")
    .set({ removed_at: now })
    .where("login_id", "=", loginId)
    .where("customer_id", "=", customerId)
    .where("removed_at", "is", null)
    .executeTakeFirst();
  if (removed.numUpdatedRows === 0n) return false;
  await tx.updateTable("accounts").set({ removed_at: now }).where("login_id", "=", loginId).execute();
  const session = await tx
    .selectFrom("connect_sessions")
    .select(["session_id as sessionId", "customer_id as customerId", "request"])
    .where("customer_id", "=", customerId)
    .orderBy("created_at", "desc")
    .executeTakeFirst();
  const payload = { institutionLoginId: String(loginId), accountIds: accounts.map((each) => String(each.accountId)) };
  if (session !== undefined) await tell(tx, session, [{ type: "accountsDeleted", payload }], dueAt);
  return true;
}

async function sweepAuthorizations(tx: Transaction<MastercardTables>, times: Times): Promise<number> {
  const { now } = times;
  const due = await tx
    .selectFrom("institution_logins")
    .selectAll()
    .where("removed_at", "is", null)
    .where("status_code", "=", statusCodes.ok)
    .where("authorization_ends_at", "<=", new Date(now.getTime() + expiryNoticeDays * dayMs))
    .where((where) => where.or([where("expiry_told", "=", false), where("authorization_ends_at", "<=", now)]))
    .limit(listedMax)
    .forUpdate()
    .skipLocked()
    .execute();
  for (const row of due) {
    const isOver = row.authorization_ends_at !== null && row.authorization_ends_at <= now;
    const change = { expiry_told: true, ...(isOver && { status_code: statusCodes.authorizationEnded }) };
    const login = await update(tx, row.login_id, change);
    if (login !== undefined && !row.expiry_told) {
      await notifyOf(tx, login, { name: "authorization.accesstoken.expiry" }, times);
    }
  }
  return due.length;
}

async function notifyOf(
  tx: Transaction<MastercardTables>,
  login: InstitutionLogin,
  what: { name: NotificationName; status?: "granted" | "revoked" },
  times: Times,
): Promise<void> {
  const accounts = await accountsOf(tx, { loginId: login.loginId });
  await notify(
    tx,
    {
      ...what,
      customerId: String(login.customerId),
      institutionId: String(login.institutionId),
      institutionLoginId: String(login.loginId),
      accountIds: accounts.map((each) => String(each.accountId)),
      authorizationEndDate: login.authorizationEndsAt?.toISOString(),
    },
    times,
  );
}

/** A row as the domain knows it. */
function loginOf(row: Omit<Selectable<LoginRow>, "expiry_told" | "removed_at">): InstitutionLogin {
  return {
    loginId: row.login_id,
    customerId: row.customer_id,
    institutionId: row.institution_id,
    username: row.username,
    oauth: row.oauth,
    authorizedAt: row.authorized_at,
    authorizationEndsAt: row.authorization_ends_at,
    statusCode: row.status_code,
  };
}
