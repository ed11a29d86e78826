import type { Settings } from "./settings.ts";

/** What became of an item. */
export type ItemState = "active" | "login_required" | "revoked" | "removed";

/** How far the first transactions have come. */
export type UpdateStatus = "NOT_READY" | "INITIAL_UPDATE_COMPLETE" | "HISTORICAL_UPDATE_COMPLETE";

/** A login of a person at an institution, given to one application. */
export interface Item {
  readonly id: string;
  readonly institutionId: string;
  readonly username: string;
  readonly accountKeys: readonly string[];
  readonly products: readonly string[];
  readonly webhook: string | null;
  readonly state: ItemState;
  readonly consentExpiresAt: Date | null;
  readonly updateStatus: UpdateStatus;
  /** Webhooks of the newer kind go to applications that sync. */
  readonly synced: boolean;
  readonly changeCount: bigint;
  readonly lastWebhookAt: Date | null;
  readonly lastWebhookCode: string | null;
  readonly lastUpdateAt: Date | null;
  readonly createdAt: Date;
}

/** Days before a consent's end at which the application is told. */
export const expirationNoticeDays = 7;

/** When a consent given now ends; null where consents do not end. */
export function consentEnd(now: Date, oauth: boolean, settings: Settings): Date | null {
  return oauth ? new Date(now.getTime() + settings.consentSeconds * 1000) : null;
}
