import { randomUUID } from "node:crypto";
import type pg from "pg";
import { MemoryVaultStore } from "../../../services/platform/testing/memory-vault-store.ts";
import type { Sealer, SecretPlace } from "../../../services/platform/vault/vault.ts";
import type { StoredDataKey } from "../../../services/platform/vault/vault-store.ts";
import { benchConnector, benchInstitution } from "./bench-names.ts";

const batchSize = 2_000;
const filler = "x".repeat(700);

/**
 * Seeds connections with sealed tokens, a user each, not due for a day: in bulk and with keys made here, since a million consents would
 * take hours. Every row is what the service would have written, but for the audit.
 */
export async function seedConnections(pool: pg.Pool, vault: Sealer, count: number): Promise<void> {
  for (let done = 0; done < count; done += batchSize) {
    await seedBatch(pool, vault, Math.min(batchSize, count - done));
  }
  await pool.query("vacuum analyze");
}

interface Seeded {
  readonly userId: string;
  readonly connectionId: string;
  readonly key: StoredDataKey;
  readonly tokens: readonly { readonly purpose: string; readonly ciphertext: Buffer }[];
}

async function seedBatch(pool: pg.Pool, vault: Sealer, count: number): Promise<void> {
  const seeded: Seeded[] = [];
  for (let index = 0; index < count; index += 1) seeded.push(await sealConnection(vault));
  const of = <T>(read: (one: Seeded) => T): T[] => seeded.map(read);
  const [users, ids] = [of((one) => one.userId), of((one) => one.connectionId)];
  await pool.query(
    `insert into data_keys (tenant, user_id, data_key_id, master_key_version, wrapped, seals)
     select 'wallet', *, 2 from unnest($1::text[], $2::uuid[], $3::int[], $4::bytea[])`,
    [
      users,
      of((one) => one.key.dataKeyId),
      of((one) => one.key.masterKeyVersion),
      of((one) => Buffer.from(one.key.wrapped)),
    ],
  );
  await pool.query(
    `insert into connections (tenant, user_id, connection_id, connector, institution_id, issuer, owner_reference, state, state_reason,
       state_since, generation, token_version, secrets_version, has_access_token, has_refresh_token, has_credential,
       access_token_expires_at, refresh_due_at, connected_at, updated_at)
     select 'wallet', user_id, connection_id, $3, $4, 'https://bench', user_id, 'ACTIVE', '', now(), 1, 1, 2, true, true, false,
       now() + interval '1 day', now() + interval '20 hours' + random() * interval '4 hours', now(), now()
     from unnest($1::text[], $2::uuid[]) as one (user_id, connection_id)`,
    [users, ids, benchConnector, benchInstitution],
  );
  await pool.query(
    `insert into connection_secrets (tenant, user_id, connection_id, purpose, record_version, data_key_id, ciphertext, updated_at)
     select 'wallet', *, now() from unnest($1::text[], $2::uuid[], $3::text[], $4::int[], $5::uuid[], $6::bytea[])`,
    [
      seeded.flatMap((one) => one.tokens.map(() => one.userId)),
      seeded.flatMap((one) => one.tokens.map(() => one.connectionId)),
      seeded.flatMap((one) => one.tokens.map((token) => token.purpose)),
      seeded.flatMap((one) => one.tokens.map((_, index) => index + 1)),
      seeded.flatMap((one) => one.tokens.map(() => one.key.dataKeyId)),
      seeded.flatMap((one) => one.tokens.map((token) => token.ciphertext)),
    ],
  );
}

async function sealConnection(vault: Sealer): Promise<Seeded> {
  const [userId, connectionId] = [randomUUID(), randomUUID()];
  const owner = { tenant: "wallet", userId };
  // A store of its own, in which the vault makes the new user's key.
  const store = Object.assign(new MemoryVaultStore(), { lockCurrentVersion: async () => 1 });
  const purposes = ["access_token", "refresh_token"];
  const place = (purpose: string, index: number): SecretPlace => ({
    owner,
    recordId: connectionId,
    provider: benchInstitution,
    purpose,
    recordVersion: index + 1,
  });
  const sealed = await vault.sealAll(
    store,
    purposes.map((purpose, index) => ({ place: place(purpose, index), plaintext: `${purpose}-${filler}` })),
  );
  const [key] = store.dataKeys.values();
  if (key === undefined) throw new Error("the vault made no key");
  return {
    userId,
    connectionId,
    key,
    tokens: purposes.map((purpose, index) => ({
      purpose,
      ciphertext: Buffer.from(sealed[index]?.ciphertext ?? Buffer.alloc(0)),
    })),
  };
}
