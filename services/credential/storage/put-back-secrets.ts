import { sql } from "kysely";
import type { AuditProblem } from "./audit-verify.ts";
import { tokenPurpose } from "./provider-token-store.ts";
import type { Tx } from "./storage.ts";
import { rowsOf } from "./table-rows.ts";
import { payloadName } from "./webhook-store.ts";

/** Whether a stored ciphertext is the one the audit saw stored last at this place. */
export type SecretCheck = (where: string, purpose: string, version: number, ciphertext: Uint8Array) => boolean;

/** A secret whose storing the audit has told of. */
interface AuditedSecret {
  readonly tenant: string;
  readonly place: string;
  readonly purpose: string;
  readonly version: number;
  readonly ciphertext: Uint8Array;
}

/** Every stored secret that is not the one the audit saw stored last in its place; read as they are taken. */
export async function* findPutBack(tx: Tx, isLastStored: SecretCheck): AsyncGenerator<AuditProblem> {
  for await (const { tenant, place, purpose, version, ciphertext } of auditedSecrets(tx)) {
    const where = `${place}/${purpose}`;
    if (isLastStored(where, purpose, version, ciphertext)) continue;
    yield { kind: "secret_put_back", tenant, chain: -1, where };
  }
}

async function* auditedSecrets(tx: Tx): AsyncGenerator<AuditedSecret> {
  const ofConnections = ["tenant", "user_id", "connection_id", "purpose"] as const;
  for await (const row of rowsOf(tx, { table: "connection_secrets", key: ofConnections })) {
    const { tenant, purpose, ciphertext } = row;
    yield { tenant, place: row.connection_id, purpose, version: row.record_version, ciphertext };
  }
  const [tenant, purpose] = ["operator", "client_secret"];
  for await (const row of rowsOf(tx, { table: "provider_clients", key: ["bsim_id"] })) {
    yield { tenant, place: row.bsim_id, purpose, version: row.record_version, ciphertext: row.sealed_secret };
  }
  for await (const { name, token_epoch: version, sealed_token: ciphertext } of rowsOf(tx, {
    table: "provider_tokens",
    key: ["name"],
  })) {
    if (ciphertext !== null) yield { tenant, place: name, purpose: tokenPurpose, version, ciphertext };
  }
  for await (const { connector, webhook_id: webhookId, sealed_payload: ciphertext } of rowsOf(tx, {
    table: "webhook_events",
    key: ["connector", "webhook_id"],
    where: sql`sealed_payload is not null`,
  })) {
    if (ciphertext === null) continue;
    yield { tenant, place: connector, purpose: payloadName(webhookId), version: 1, ciphertext };
  }
}
