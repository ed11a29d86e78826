import { embeddedError, plaidError } from "./plaid-error.ts";

/** A webhook of one item, before it is signed. */
export type WebhookEvent =
  | { readonly code: "SYNC_UPDATES_AVAILABLE"; readonly initial: boolean; readonly historical: boolean }
  | { readonly code: "INITIAL_UPDATE" | "HISTORICAL_UPDATE" | "DEFAULT_UPDATE"; readonly newTransactions: number }
  | { readonly code: "ERROR" }
  | { readonly code: "LOGIN_REPAIRED" | "NEW_ACCOUNTS_AVAILABLE" | "USER_PERMISSION_REVOKED" }
  | { readonly code: "USER_ACCOUNT_REVOKED"; readonly accountId: string }
  | { readonly code: "PENDING_EXPIRATION"; readonly consentExpiresAt: Date }
  | { readonly code: "PENDING_DISCONNECT"; readonly reason: DisconnectReason; readonly disconnectAt: Date }
  | { readonly code: "WEBHOOK_UPDATE_ACKNOWLEDGED"; readonly url: string };

/** Why an institution's connection is about to end. */
export type DisconnectReason = "INSTITUTION_MIGRATION" | "INSTITUTION_TOKEN_EXPIRATION";

/** The webhook's JSON, as it is sent and signed. */
export function webhookBody(itemId: string, event: WebhookEvent): string {
  return JSON.stringify({ ...membersOf(event), item_id: itemId, environment: "sandbox" });
}

function membersOf(event: WebhookEvent): Readonly<Record<string, unknown>> {
  const item = { webhook_type: "ITEM", webhook_code: event.code };
  const transactions = { webhook_type: "TRANSACTIONS", webhook_code: event.code };
  switch (event.code) {
    case "SYNC_UPDATES_AVAILABLE":
      return {
        ...transactions,
        initial_update_complete: event.initial,
        historical_update_complete: event.historical,
      };
    case "INITIAL_UPDATE":
    case "HISTORICAL_UPDATE":
    case "DEFAULT_UPDATE":
      return { ...transactions, new_transactions: event.newTransactions, error: null };
    case "ERROR":
      return { ...item, error: embeddedError(plaidError("ITEM_LOGIN_REQUIRED")) };
    case "LOGIN_REPAIRED":
      return item;
    case "NEW_ACCOUNTS_AVAILABLE":
      return { ...item, error: null };
    case "USER_PERMISSION_REVOKED":
      return { ...item, error: embeddedError(plaidError("USER_PERMISSION_REVOKED")) };
    case "USER_ACCOUNT_REVOKED":
      return { ...item, account_id: event.accountId };
    case "PENDING_EXPIRATION":
      return { ...item, consent_expiration_time: event.consentExpiresAt.toISOString() };
    case "PENDING_DISCONNECT":
      return { ...item, reason: event.reason, disconnect_time: event.disconnectAt.toISOString() };
    case "WEBHOOK_UPDATE_ACKNOWLEDGED":
      return { ...item, new_webhook_url: event.url, error: null };
    default: {
      const impossible: never = event;
      throw new Error(`unreachable webhook ${String(impossible)}`);
    }
  }
}
