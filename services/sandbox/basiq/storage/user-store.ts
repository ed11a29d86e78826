import type { Selectable } from "kysely";
import type { Database } from "../../../platform/db/open-database.ts";
import { inTransaction } from "../../../platform/db/transaction.ts";
import type { Instant, User } from "../domain/records.ts";
import { userView } from "../domain/views.ts";
import { appendEvent } from "./append-event.ts";
import type { BasiqTables } from "./tables.ts";

const listedMax = 500;

/** Users. Everything of a user goes with him, but for the events. */
export interface UserStore {
  create(user: User, at: Instant): Promise<void>;
  find(userId: string): Promise<User | undefined>;
  /** The newest 500. */
  list(): Promise<readonly User[]>;
  /** False when there is no such user. */
  delete(userId: string, at: Instant): Promise<boolean>;
  /** Makes a step of his next job fail. */
  failNextJob(userId: string, failure: { step: string; code: string }): Promise<boolean>;
  /** Forgets everybody, and every event. */
  clear(): Promise<void>;
}

/** Opens the store on the sandbox's schema. `origin` stands in what events tell. */
export function createUserStore(db: Database<BasiqTables>, origin: string): UserStore {
  const tell = (user: User, eventType: string) =>
    ({
      userId: user.userId,
      entity: "user",
      eventType,
      path: `/users/${user.userId}`,
      data: userView(origin, user),
    }) as const;
  return {
    create: (user, at) =>
      inTransaction(db, async (tx) => {
        await tx
          .insertInto("users")
          .values({
            user_id: user.userId,
            email: user.email,
            mobile: user.mobile,
            first_name: user.firstName,
            last_name: user.lastName,
            fail_step: null,
            fail_code: null,
            created_at: at.now,
          })
          .execute();
        await appendEvent(tx, origin, tell(user, "created"), at);
      }),
    async find(userId) {
      const row = await db.query.selectFrom("users").selectAll().where("user_id", "=", userId).executeTakeFirst();
      return row && userOf(row);
    },
    async list() {
      const rows = await db.query
        .selectFrom("users")
        .selectAll()
        .orderBy("created_at", "desc")
        .limit(listedMax)
        .execute();
      return rows.map(userOf);
    },
    delete: (userId, at) =>
      inTransaction(db, async (tx) => {
        const row = await tx.deleteFrom("users").where("user_id", "=", userId).returningAll().executeTakeFirst();
        if (row === undefined) return false;
        await appendEvent(tx, origin, tell(userOf(row), "deleted"), at);
        return true;
      }),
    async failNextJob(userId, { step, code }) {
      const changed = await db.query
        .updateTable("users")
        .set({ fail_step: step, fail_code: code })
        .where("user_id", "=", userId)
        .executeTakeFirst();
      return changed.numUpdatedRows === 1n;
    },
    async clear() {
      await db.query.deleteFrom("users").execute();
      await db.query.deleteFrom("events").execute();
      await db.query.deleteFrom("access_tokens").execute();
    },
  };
}

function userOf(row: Selectable<BasiqTables["users"]>): User {
  return {
    userId: row.user_id,
    email: row.email,
    mobile: row.mobile,
    firstName: row.first_name,
    lastName: row.last_name,
  };
}
