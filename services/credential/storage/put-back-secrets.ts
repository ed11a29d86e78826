import { sql } from "kysely";
import type { AuditProblem } from "./audit-verify.ts";
import { tokenPurpose } from "./provider-token-store.ts";
import type { Tx } from "./storage.ts";
import { payloadName } from "./webhook-store.ts";

const batchSize = 1_000;

/** Every stored secret that is not the one the audit saw stored last in its place. */
export async function findPutBack(tx: Tx, isLastStored: SecretCheck): Promise<AuditProblem[]> {
  return [
    ...(await compareSecrets(tx, isLastStored)),
    ...(await compareClients(tx, isLastStored)),
    ...(await compareTokens(tx, isLastStored)),
    ...(await comparePayloads(tx, isLastStored)),
  ];
}

/** Whether a stored ciphertext is the one the audit saw stored last at this place. */
export type SecretCheck = (where: string, purpose: string, version: number, ciphertext: Uint8Array) => boolean;

async function compareSecrets(tx: Tx, isLastStored: SecretCheck): Promise<AuditProblem[]> {
  const problems: AuditProblem[] = [];
  let after = { connectionId: "00000000-0000-0000-0000-000000000000", purpose: "" };
  for (;;) {
    const rows = await tx
      .selectFrom("connection_secrets")
      .select(["tenant", "connection_id", "purpose", "record_version", "ciphertext"])
      .where(sql<boolean>`(connection_id, purpose) > (${after.connectionId}::uuid, ${after.purpose}::text)`)
      .orderBy("connection_id")
      .orderBy("purpose")
      .limit(batchSize)
      .execute();
    for (const row of rows) {
      const where = `${row.connection_id}/${row.purpose}`;
      if (!isLastStored(where, row.purpose, row.record_version, row.ciphertext)) {
        problems.push({ kind: "secret_put_back", tenant: row.tenant, chain: -1, where });
      }
    }
    const last = rows.at(-1);
    if (last === undefined) return problems;
    after = { connectionId: last.connection_id, purpose: last.purpose };
  }
}

async function compareClients(tx: Tx, isLastStored: SecretCheck): Promise<AuditProblem[]> {
  const columns = ["bsim_id", "record_version", "sealed_secret"] as const;
  const rows = await tx.selectFrom("provider_clients").select(columns).orderBy("bsim_id").execute();
  return rows.flatMap((row): AuditProblem[] => {
    const where = `${row.bsim_id}/client_secret`;
    if (isLastStored(where, "client_secret", row.record_version, row.sealed_secret)) return [];
    return [{ kind: "secret_put_back", tenant: "operator", chain: -1, where }];
  });
}

async function compareTokens(tx: Tx, isLastStored: SecretCheck): Promise<AuditProblem[]> {
  const columns = ["name", "token_epoch", "sealed_token"] as const;
  const rows = await tx.selectFrom("provider_tokens").select(columns).orderBy("name").execute();
  return rows.flatMap((row): AuditProblem[] => {
    const where = `${row.name}/${tokenPurpose}`;
    if (row.sealed_token === null || isLastStored(where, tokenPurpose, row.token_epoch, row.sealed_token)) return [];
    return [{ kind: "secret_put_back", tenant: "operator", chain: -1, where }];
  });
}

async function comparePayloads(tx: Tx, isLastStored: SecretCheck): Promise<AuditProblem[]> {
  const problems: AuditProblem[] = [];
  let after = { connector: "", webhookId: "00000000-0000-0000-0000-000000000000" };
  for (;;) {
    const rows = await tx
      .selectFrom("webhook_events")
      .select(["connector", "webhook_id", "sealed_payload"])
      .where(sql<boolean>`(connector, webhook_id) > (${after.connector}::text, ${after.webhookId}::uuid)`)
      .where("sealed_payload", "is not", null)
      .orderBy("connector")
      .orderBy("webhook_id")
      .limit(batchSize)
      .execute();
    for (const { connector, webhook_id: webhookId, sealed_payload: sealed } of rows) {
      const purpose = payloadName(webhookId);
      const where = `${connector}/${purpose}`;
      if (sealed === null || isLastStored(where, purpose, 1, sealed)) continue;
      problems.push({ kind: "secret_put_back", tenant: "operator", chain: -1, where });
    }
    const last = rows.at(-1);
    if (last === undefined) return problems;
    after = { connector: last.connector, webhookId: last.webhook_id };
  }
}
