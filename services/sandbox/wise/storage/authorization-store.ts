import type { Database } from "../../../platform/db/open-database.ts";
import { inTransaction } from "../../../platform/db/transaction.ts";
import { uuidv7 } from "../../../platform/ids/uuidv7.ts";
import type { AuthorizationStage, WiseTables } from "./tables.ts";

/** One person's way through the authorization page. */
export interface Authorization {
  readonly authorizationId: string;
  readonly redirectUri: string;
  readonly state: string | null;
  readonly stage: AuthorizationStage;
  /** Wrong passwords so far. */
  readonly attempts: number;
  readonly username: string | null;
  readonly expiresAt: Date;
}

/** A code about to be given out. */
export interface NewCode {
  readonly hash: Buffer;
  readonly profileId: bigint;
  readonly expiresAt: Date;
}

/** What a code was given out for. */
export interface UsedCode {
  readonly username: string;
  readonly profileId: bigint;
}

/** Authorizations, and the codes they end with; codes lie here as keyed hashes only. */
export interface AuthorizationStore {
  open(request: { redirectUri: string; state: string | null }, now: Date, expiresAt: Date): Promise<string>;
  find(authorizationId: string): Promise<Authorization | undefined>;
  /** False when the page is past signing in. */
  signIn(authorizationId: string, username: string): Promise<boolean>;
  countAttempt(authorizationId: string): Promise<void>;
  /** Ends a signed-in page with a code, once. */
  grant(authorizationId: string, code: NewCode): Promise<boolean>;
  deny(authorizationId: string): Promise<boolean>;
  /** Uses a code up: of several callers one gets it. Undefined when it is unknown, used, too old, or of another address. */
  useCode(hash: Buffer, redirectUri: string, now: Date): Promise<UsedCode | undefined>;
  sweep(before: Date): Promise<void>;
}

const columns = [
  "authorization_id as authorizationId",
  "redirect_uri as redirectUri",
  "state",
  "stage",
  "attempts",
  "username",
  "expires_at as expiresAt",
] as const;

/** Opens the store on the sandbox's schema. */
export function createAuthorizationStore(db: Database<WiseTables>): AuthorizationStore {
  const { query } = db;
  const move = async (id: string, from: readonly AuthorizationStage[], to: Partial<Authorization>) => {
    const { stage, username } = to;
    const changed = await query
      .updateTable("authorizations")
      .set({ ...(stage === undefined ? {} : { stage }), ...(username === undefined ? {} : { username }) })
      .where("authorization_id", "=", id)
      .where("stage", "in", [...from])
      .executeTakeFirst();
    return changed.numUpdatedRows === 1n;
  };
  return {
    async open({ redirectUri, state }, now, expiresAt) {
      const authorizationId = uuidv7(now.getTime());
      await query
        .insertInto("authorizations")
        .values({
          authorization_id: authorizationId,
          redirect_uri: redirectUri,
          state,
          stage: "open",
          username: null,
          expires_at: expiresAt,
        })
        .execute();
      return authorizationId;
    },
    find: (id) =>
      query.selectFrom("authorizations").select(columns).where("authorization_id", "=", id).executeTakeFirst(),
    signIn: (id, username) => move(id, ["open"], { stage: "signed_in", username }),
    async countAttempt(id) {
      await query
        .updateTable("authorizations")
        .set((each) => ({ attempts: each("attempts", "+", 1) }))
        .where("authorization_id", "=", id)
        .execute();
    },
    deny: (id) => move(id, ["open", "signed_in"], { stage: "denied" }),
    ...codeStore(db),
    async sweep(before) {
      await query.deleteFrom("authorizations").where("expires_at", "<", before).execute();
      await query.deleteFrom("authorization_codes").where("expires_at", "<", before).execute();
    },
  };
}

function codeStore(db: Database<WiseTables>): Pick<AuthorizationStore, "grant" | "useCode"> {
  return {
    grant: (authorizationId, code) =>
      inTransaction(db, async (tx) => {
        const granted = await tx
          .updateTable("authorizations")
          .set({ stage: "granted" })
          .where("authorization_id", "=", authorizationId)
          .where("stage", "=", "signed_in")
          .returning(["redirect_uri", "username"])
          .executeTakeFirst();
        if (granted === undefined || granted.username === null) return false;
        await tx
          .insertInto("authorization_codes")
          .values({
            code_hash: code.hash,
            redirect_uri: granted.redirect_uri,
            username: granted.username,
            profile_id: code.profileId,
            expires_at: code.expiresAt,
            used_at: null,
          })
          .execute();
        return true;
      }),
    useCode: (hash, redirectUri, now) =>
      db.query
        .updateTable("authorization_codes")
        .set({ used_at: now })
        .where("code_hash", "=", hash)
        .where("redirect_uri", "=", redirectUri)
        .where("used_at", "is", null)
        .where("expires_at", ">", now)
        .returning(["username", "profile_id as profileId"])
        .executeTakeFirst(),
  };
}
