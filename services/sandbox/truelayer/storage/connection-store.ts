import type { Database } from "../../../platform/db/open-database.ts";
import { inTransaction, type Transaction } from "../../../platform/db/transaction.ts";
import { uuidv7 } from "../../../platform/ids/uuidv7.ts";
import type { AuthLink } from "./link-store.ts";
import type { ConnectionState, TrueLayerTables } from "./tables.ts";

/** What a person let the app see, and until when. */
export interface Connection {
  readonly credentialsId: string;
  readonly providerId: string;
  readonly username: string;
  readonly scopes: readonly string[];
  readonly state: ConnectionState;
  readonly accessExpiresAt: Date | null;
  readonly refreshCount: number;
  readonly authenticatedAt: Date;
  readonly consentCreatedAt: Date;
  readonly consentUpdatedAt: Date;
  readonly consentExpiresAt: Date;
}

/** A code as it was given out. */
export interface StoredCode {
  readonly credentialsId: string;
  readonly redirectUri: string;
  readonly codeChallenge: string | null;
  readonly challengeMethod: string | null;
  readonly expiresAt: Date;
  readonly usedAt: Date | null;
}

/** Hashes of a new pair of tokens. Without the permission `offline_access` there is no refresh token. */
export interface NewTokens {
  readonly accessHash: Buffer;
  readonly accessExpiresAt: Date;
  readonly refreshHash: Buffer | null;
}

/** A renewed consent. */
export interface Renewal {
  readonly at: Date;
  readonly consentExpiresAt: Date;
  /** Whether the person signed in at the bank for it. */
  readonly authenticated: boolean;
}

/** Connections and their tokens. Tokens and codes lie here as keyed hashes only. */
export interface ConnectionStore {
  /**
   * Turns a signed-in link into a code, once: a second call finds the link granted and gets undefined. A new connection
   * starts with it; one that is renewed stays as it is until the code is exchanged.
   */
  grant(
    link: AuthLink,
    code: { hash: Buffer; now: Date; expiresAt: Date; consentExpiresAt: Date },
  ): Promise<string | undefined>;
  findCode(codeHash: Buffer): Promise<StoredCode | undefined>;
  /** Uses the code up, makes the connection active, and replaces its tokens; false when the code was used meanwhile. */
  exchange(codeHash: Buffer, tokens: NewTokens, renewal: Renewal): Promise<boolean>;
  find(credentialsId: string): Promise<Connection | undefined>;
  findByAccess(accessHash: Buffer): Promise<Connection | undefined>;
  findByRefresh(refreshHash: Buffer): Promise<Connection | undefined>;
  /**
   * Replaces both tokens in one step, if this refresh token is still the newest and the consent holds at `now`. Of two
   * callers with the same token one gets the connection, the other undefined.
   */
  refresh(refreshHash: Buffer, tokens: NewTokens, now: Date, renewal?: Renewal): Promise<Connection | undefined>;
  /** Forgets the tokens; false when there is no such connection, or no longer. */
  remove(credentialsId: string): Promise<boolean>;
  /** The person takes the consent back at the bank; false when there is none to take. */
  revoke(credentialsId: string): Promise<boolean>;
  /** Moves an end forward to `at`, for tests of what follows. */
  end(credentialsId: string, what: "consent" | "access_token", at: Date): Promise<boolean>;
  list(limit: number): Promise<readonly Connection[]>;
  /** The connections that see this person's accounts at this bank. */
  listOf(providerId: string, username: string): Promise<readonly Connection[]>;
  sweepCodes(before: Date): Promise<void>;
}

const columns = [
  "credentials_id as credentialsId",
  "provider_id as providerId",
  "username",
  "scopes",
  "state",
  "access_expires_at as accessExpiresAt",
  "refresh_count as refreshCount",
  "authenticated_at as authenticatedAt",
  "consent_created_at as consentCreatedAt",
  "consent_updated_at as consentUpdatedAt",
  "consent_expires_at as consentExpiresAt",
] as const;

/** Opens the store on the sandbox's schema. */
export function createConnectionStore(db: Database<TrueLayerTables>): ConnectionStore {
  const select = () => db.query.selectFrom("connections").select(columns);
  return {
    ...codeStore(db),
    find: (credentialsId) => select().where("credentials_id", "=", credentialsId).executeTakeFirst(),
    findByAccess: (accessHash) => select().where("access_token_hash", "=", accessHash).executeTakeFirst(),
    findByRefresh: (refreshHash) => select().where("refresh_token_hash", "=", refreshHash).executeTakeFirst(),
    refresh: (refreshHash, tokens, now, renewal) =>
      db.query
        .updateTable("connections")
        .set((each) => ({
          ...tokenColumns(tokens),
          ...(renewal === undefined ? {} : renewalColumns(renewal)),
          refresh_count: each("refresh_count", "+", 1),
        }))
        .where("refresh_token_hash", "=", refreshHash)
        .where("state", "=", "active")
        .where("consent_expires_at", ">", now)
        .returning(columns)
        .executeTakeFirst(),
    async remove(credentialsId) {
      const changed = await db.query
        .updateTable("connections")
        .set({ state: "deleted", access_token_hash: null, refresh_token_hash: null })
        .where("credentials_id", "=", credentialsId)
        .where("state", "!=", "deleted")
        .executeTakeFirst();
      return changed.numUpdatedRows > 0n;
    },
    async revoke(credentialsId) {
      const changed = await db.query
        .updateTable("connections")
        .set({ state: "revoked" })
        .where("credentials_id", "=", credentialsId)
        .where("state", "in", ["active", "pending"])
        .executeTakeFirst();
      return changed.numUpdatedRows > 0n;
    },
    async end(credentialsId, what, at) {
      const changed = await db.query
        .updateTable("connections")
        .set(what === "consent" ? { consent_expires_at: at } : { access_expires_at: at })
        .where("credentials_id", "=", credentialsId)
        .executeTakeFirst();
      return changed.numUpdatedRows > 0n;
    },
    list: (limit) => select().orderBy("consent_created_at", "desc").limit(limit).execute(),
    listOf: (providerId, username) =>
      select()
        .where("provider_id", "=", providerId)
        .where("username", "=", username)
        .where("state", "=", "active")
        .orderBy("consent_created_at")
        .execute(),
  };
}

type CodeStore = Pick<ConnectionStore, "grant" | "findCode" | "exchange" | "sweepCodes">;

function codeStore(db: Database<TrueLayerTables>): CodeStore {
  return {
    grant: (link, code) =>
      inTransaction(db, async (tx) => {
        const granted = await tx
          .updateTable("auth_links")
          .set({ stage: "granted" })
          .where("link_id", "=", link.linkId)
          .where("stage", "=", "signed_in")
          .returning(["provider_id", "username"])
          .executeTakeFirst();
        if (granted?.provider_id == null || granted.username === null) return undefined;
        const person = { providerId: granted.provider_id, username: granted.username };
        const credentialsId = link.credentialsId ?? (await startConnection(tx, link, person, code));
        await tx
          .insertInto("authorization_codes")
          .values({
            code_hash: code.hash,
            credentials_id: credentialsId,
            redirect_uri: link.request.redirectUri,
            scopes: [...link.request.scopes],
            code_challenge: link.request.codeChallenge,
            challenge_method: link.request.challengeMethod,
            expires_at: code.expiresAt,
            used_at: null,
          })
          .execute();
        return credentialsId;
      }),
    findCode: (codeHash) =>
      db.query
        .selectFrom("authorization_codes")
        .select([
          "credentials_id as credentialsId",
          "redirect_uri as redirectUri",
          "code_challenge as codeChallenge",
          "challenge_method as challengeMethod",
          "expires_at as expiresAt",
          "used_at as usedAt",
        ])
        .where("code_hash", "=", codeHash)
        .executeTakeFirst(),
    exchange: (codeHash, tokens, renewal) =>
      inTransaction(db, async (tx) => {
        const used = await tx
          .updateTable("authorization_codes")
          .set({ used_at: renewal.at })
          .where("code_hash", "=", codeHash)
          .where("used_at", "is", null)
          .returning("credentials_id")
          .executeTakeFirst();
        if (used === undefined) return false;
        const changed = await tx
          .updateTable("connections")
          .set({ state: "active", ...tokenColumns(tokens), ...renewalColumns(renewal) })
          .where("credentials_id", "=", used.credentials_id)
          // What was taken back or deleted before the exchange stays so.
          .where("state", "in", ["pending", "active"])
          .executeTakeFirst();
        return changed.numUpdatedRows > 0n;
      }),
    async sweepCodes(before) {
      await db.query.deleteFrom("authorization_codes").where("expires_at", "<", before).execute();
    },
  };
}

async function startConnection(
  tx: Transaction<TrueLayerTables>,
  link: AuthLink,
  person: { readonly providerId: string; readonly username: string },
  code: { readonly now: Date; readonly consentExpiresAt: Date },
): Promise<string> {
  const credentialsId = uuidv7(code.now.getTime());
  await tx
    .insertInto("connections")
    .values({
      credentials_id: credentialsId,
      provider_id: person.providerId,
      username: person.username,
      scopes: [...link.request.scopes],
      state: "pending",
      access_token_hash: null,
      access_expires_at: null,
      refresh_token_hash: null,
      authenticated_at: code.now,
      consent_created_at: code.now,
      consent_updated_at: code.now,
      consent_expires_at: code.consentExpiresAt,
    })
    .execute();
  return credentialsId;
}

function tokenColumns(tokens: NewTokens) {
  return {
    access_token_hash: tokens.accessHash,
    access_expires_at: tokens.accessExpiresAt,
    refresh_token_hash: tokens.refreshHash,
  };
}

function renewalColumns(renewal: Renewal) {
  return {
    consent_updated_at: renewal.at,
    consent_expires_at: renewal.consentExpiresAt,
    ...(renewal.authenticated ? { authenticated_at: renewal.at } : {}),
  };
}
