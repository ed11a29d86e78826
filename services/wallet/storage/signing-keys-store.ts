import { z } from "zod";
import type { Executor } from "./tables.ts";

const publicJwk = z.looseObject({ kty: z.string(), kid: z.string() });

/** A signing key as stored; `sealedPrivate` opens with its kid as associated data. */
export interface StoredSigningKey {
  readonly kid: string;
  readonly publicJwk: Record<string, unknown>;
  readonly sealedPrivate: Buffer;
}

/** Offers a key for a slot. Of several replicas that start together the first one's is kept. */
export async function offerSigningKey(
  db: Executor,
  key: StoredSigningKey & { readonly slot: number; readonly now: Date },
): Promise<void> {
  await db
    .insertInto("mobile_signing_keys")
    .values({
      kid: key.kid,
      slot: key.slot,
      public_jwk: JSON.stringify(key.publicJwk),
      sealed_private: key.sealedPrivate,
      created_at: key.now,
    })
    .onConflict((conflict) => conflict.column("slot").doNothing())
    .execute();
}

/** Every key, newest slot first. */
export async function listSigningKeys(db: Executor): Promise<StoredSigningKey[]> {
  const rows = await db
    .selectFrom("mobile_signing_keys")
    .select(["kid", "public_jwk", "sealed_private as sealedPrivate"])
    .orderBy("slot", "desc")
    .execute();
  return rows.map((row) => ({
    kid: row.kid,
    publicJwk: publicJwk.parse(row.public_jwk),
    sealedPrivate: row.sealedPrivate,
  }));
}
