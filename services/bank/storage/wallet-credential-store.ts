import type { Selectable } from "kysely";
import type { Database } from "../../platform/db/open-database.ts";
import { inTransaction } from "../../platform/db/transaction.ts";
import { endOidcGrant } from "../../platform/oidc/storage/oidc-record-store.ts";
import type { WalletCredential } from "../domain/wallet-credential.ts";
import { endGrantOfBank } from "./consent-store.ts";
import type { IdentityTables, WalletCredentialsTable } from "./identity-tables.ts";

/** Who revokes. */
export type RevokedBy = "by_wallet" | "by_customer";

/** Keeps wallet credentials. */
export interface WalletCredentialStore {
  /** Adds a generation of a grant, unless another request added it first. */
  add(credential: WalletCredential): Promise<void>;
  newestOfGrant(grantId: string): Promise<WalletCredential | undefined>;
  findById(id: string): Promise<WalletCredential | undefined>;
  findByHash(credentialHash: Buffer): Promise<WalletCredential | undefined>;
  /**
   * Notes that a credential was used, and at its first use revokes the older generations it replaces. False when the
   * credential was revoked meanwhile.
   */
  recordUse(id: string, now: Date): Promise<boolean>;
  /**
   * Revokes a credential and with it the whole grant: refresh token, access tokens, unused card tokens, remembered
   * decision. Returns when it was revoked, and whether by this call.
   */
  revoke(id: string, by: RevokedBy, now: Date): Promise<{ revokedAt: Date; byThisCall: boolean }>;
}

/** A credential in constant use writes its row once in this time. */
const useRecordedEveryMs = 60_000;

/** Opens the store. */
export function createWalletCredentialStore(db: Database<IdentityTables>): WalletCredentialStore {
  const find = async (column: "id" | "credential_hash", value: string | Buffer) => {
    const row = await db.query
      .selectFrom("wallet_credentials as w")
      .innerJoin("customers as c", "c.id", "w.customer_id")
      .selectAll("w")
      .select("c.fi_user_ref")
      .where(`w.${column}`, "=", value)
      .executeTakeFirst();
    return row && toCredential(row);
  };
  return {
    add: (credential) => add(db, credential),
    async newestOfGrant(grantId) {
      const row = await db.query
        .selectFrom("wallet_credentials as w")
        .innerJoin("customers as c", "c.id", "w.customer_id")
        .selectAll("w")
        .select("c.fi_user_ref")
        .where("w.grant_id", "=", grantId)
        .orderBy("w.generation", "desc")
        .limit(1)
        .executeTakeFirst();
      return row && toCredential(row);
    },
    findById: (id) => find("id", id),
    findByHash: (credentialHash) => find("credential_hash", credentialHash),
    recordUse: (id, now) => recordUse(db, id, now),
    revoke: (id, by, now) => revoke(db, id, by, now),
  };
}

async function add(db: Database<IdentityTables>, credential: WalletCredential): Promise<void> {
  await db.query
    .insertInto("wallet_credentials")
    .values({
      id: credential.id,
      grant_id: credential.grantId,
      generation: credential.generation,
      customer_id: credential.customerId,
      client_id: credential.walletId,
      wallet_name: credential.walletName,
      scopes: [...credential.scopes],
      card_ids: [...credential.cardIds],
      credential_hash: credential.credentialHash,
      issued_at: credential.issuedAt,
      expires_at: credential.expiresAt,
      last_used_at: null,
      revoked_at: null,
      revoked_why: null,
    })
    .onConflict((conflict) => conflict.columns(["grant_id", "generation"]).doNothing())
    .execute();
}

async function recordUse(db: Database<IdentityTables>, id: string, now: Date): Promise<boolean> {
  const recently = new Date(now.getTime() - useRecordedEveryMs);
  const before = await db.query
    .selectFrom("wallet_credentials")
    .select(["grant_id", "generation", "last_used_at", "revoked_at"])
    .where("id", "=", id)
    .executeTakeFirst();
  if (before === undefined || before.revoked_at !== null) return false;
  if (before.last_used_at !== null && before.last_used_at > recently) return true;
  return inTransaction(db, async (tx) => {
    const used = await tx
      .updateTable("wallet_credentials")
      .set({ last_used_at: now })
      .where("id", "=", id)
      .where("revoked_at", "is", null)
      .executeTakeFirst();
    if (used.numUpdatedRows === 0n) return false;
    // The wallet has the renewed credential in hand now, so the one before is of no more use to it.
    await tx
      .updateTable("wallet_credentials")
      .set({ revoked_at: now, revoked_why: "superseded" })
      .where("grant_id", "=", before.grant_id)
      .where("generation", "<", before.generation)
      .where("revoked_at", "is", null)
      .execute();
    return true;
  });
}

async function revoke(db: Database<IdentityTables>, id: string, by: RevokedBy, now: Date) {
  return inTransaction(db, async (tx) => {
    const revoked = await tx
      .updateTable("wallet_credentials")
      .set({ revoked_at: now, revoked_why: by })
      .where("id", "=", id)
      .where("revoked_at", "is", null)
      .returning(["grant_id", "revoked_at"])
      .executeTakeFirst();
    if (revoked !== undefined) {
      await endOidcGrant(tx, revoked.grant_id);
      await endGrantOfBank(tx, revoked.grant_id, now);
      return { revokedAt: now, byThisCall: true };
    }
    const before = await tx
      .selectFrom("wallet_credentials")
      .select("revoked_at")
      .where("id", "=", id)
      .executeTakeFirstOrThrow();
    return { revokedAt: before.revoked_at ?? now, byThisCall: false };
  });
}

function toCredential(row: Selectable<WalletCredentialsTable> & { fi_user_ref: string }): WalletCredential {
  return {
    id: row.id,
    grantId: row.grant_id,
    generation: row.generation,
    customerId: row.customer_id,
    fiUserRef: row.fi_user_ref,
    walletId: row.client_id,
    walletName: row.wallet_name,
    scopes: row.scopes,
    cardIds: row.card_ids,
    credentialHash: row.credential_hash,
    issuedAt: row.issued_at,
    expiresAt: row.expires_at,
    lastUsedAt: row.last_used_at ?? undefined,
    revokedAt: row.revoked_at ?? undefined,
  };
}
