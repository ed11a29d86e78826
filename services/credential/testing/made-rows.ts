import { randomUUID } from "node:crypto";
import type { Insertable } from "kysely";
import type { Owner } from "../domain/connection.ts";
import type { Queryable } from "../storage/storage.ts";
import type { Tables } from "../storage/tables.ts";

/** A connection as no consent made it: without secrets, at `bank`. `columns` take the place of what it would have. */
export async function addConnection(
  db: Queryable,
  made: { owner: Owner; connector: string; state?: "ACTIVE" | "EXPIRED" | "REVOKED" | "ERROR"; now: Date },
  columns: Partial<Insertable<Tables["connections"]>> = {},
): Promise<string> {
  const { owner, connector, state = "ACTIVE", now } = made;
  const connectionId = randomUUID();
  const key = { tenant: owner.tenant, user_id: owner.userId, connection_id: connectionId };
  const versions = { generation: 1, token_version: 1n, secrets_version: 1, refresh_epoch: 0n, refresh_failures: 0 };
  const secrets = { has_access_token: false, has_refresh_token: false, has_credential: false };
  const row = {
    ...{ ...key, connector, institution_id: "bank", issuer: "", owner_reference: connectionId },
    ...{ ...versions, ...secrets, state, state_reason: state === "ACTIVE" ? "" : "of_the_test" },
    ...{ refresh_unsettled: false, state_since: now, connected_at: now, updated_at: now },
    ...columns,
  };
  // The columns that are left out have a default, or are empty.
  const whole = row as Insertable<Tables["connections"]>;
  await db.insertInto("connections").values(whole).execute();
  return connectionId;
}

/** An event of a webhook that concerns nobody; one that is not queued ended as it came. Gives its id. */
export async function addWebhookEvent(
  db: Queryable,
  made: { connector: string; state: "queued" | "done" | "dead"; received: Date; last?: Date; repeats?: number },
): Promise<string> {
  const { connector, state, received, last = received, repeats = 0 } = made;
  const webhookId = randomUUID();
  const digest = Buffer.from(webhookId.replaceAll("-", "").padEnd(64, "0"), "hex");
  const none = { provider_event_id: null, provider_reference: null, owner_reference: null, effect_detail: null };
  const nobody = { holder: null, lease_until: null, tenant: null, user_id: null, connection_id: null };
  const dates = { occurred_at: null, event_at: received, received_at: received, queued_at: received, due_at: received };
  const words = { event_type: "test", effect: "none", outcome: "", error: "", attempts: 0 };
  const row = {
    ...{ ...none, ...nobody, ...dates, ...words, connector, webhook_id: webhookId, state, repeats },
    ...{ event_key: digest, body_digest: digest, data_key_id: null, sealed_payload: null },
    ...{ last_received_at: last, finished_at: state === "queued" ? null : received },
  };
  await db.insertInto("webhook_events").values(row).execute();
  return webhookId;
}
