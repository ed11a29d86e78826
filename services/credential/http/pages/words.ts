import { DomainError } from "../../../platform/errors/domain-error.ts";
import type { ErrorTable } from "../../../platform/errors/error-table.ts";
import { GrpcCode } from "../../../platform/errors/grpc-code.ts";
import { html, type SafeHtml } from "../../../platform/pages/html.ts";
import type { Connection, StateReason } from "../../domain/connection.ts";
import type { SyncRun } from "../../domain/sync-run.ts";
import { credentialErrors } from "../../rpc/error-table.ts";

/** The reasons of this service for people, who know nothing of credentials. */
export const pageErrors: ErrorTable = Object.freeze({
  ...credentialErrors,
  CONNECTION_NOT_FOUND: {
    code: GrpcCode.NOT_FOUND,
    http: 404,
    error: "connection_not_found",
    message: "You have no such connection. It may have been disconnected, or be somebody else’s.",
  },
});

const dayMs = 86_400_000;
const warnDays = 14;

/** How a connection stands, in words for its owner. */
export interface StandingInWords {
  readonly kind: "success" | "warning" | "error";
  readonly badge: string;
  /** What it means and what to do; absent when all is well. */
  readonly advice?: string;
  readonly needsConsent: boolean;
}

const standings: Readonly<Record<StateReason, StandingInWords>> = {
  "": { kind: "success", badge: "Connected", needsConsent: false },
  provider_unavailable: {
    kind: "warning",
    badge: "Not answering",
    advice:
      "The provider cannot be reached. We keep trying; you need not do anything. What you see is from the last time.",
    needsConsent: false,
  },
  consent_ended: needsConsent("Your consent has ended at the provider. Connect again to go on."),
  access_token_missing: needsConsent("The provider gave no access. Connect again to go on."),
  credential_missing: needsConsent("The provider gave no credential for payments. Connect again to go on."),
  credential_revoked: needsConsent("The provider withdrew the credential for payments. Connect again to go on."),
  credential_expired: needsConsent("The credential for payments has expired. Connect again to go on."),
  disconnected: { kind: "error", badge: "Disconnected", needsConsent: false },
  revoked_at_provider: { kind: "error", badge: "Ended at the provider", needsConsent: false },
};

function needsConsent(advice: string): StandingInWords {
  return { kind: "warning", badge: "Needs you", advice, needsConsent: true };
}

/** Tells how a connection stands. A consent that ends within two weeks is told of ahead of its end. */
export function standingInWords(connection: Connection, now: Date): StandingInWords {
  const standing = standings[connection.stateReason];
  const ends = connection.consentExpiresAt;
  if (connection.stateReason !== "" || ends === undefined) return standing;
  if (ends.getTime() - now.getTime() > warnDays * dayMs) return standing;
  const advice = `Your consent ends on ${dayText(ends)}. Renew it before that to keep it.`;
  return { kind: "warning", badge: "Ends soon", advice, needsConsent: true };
}

const runs: Readonly<Record<SyncRun["kind"], string>> = {
  transactions: "Accounts and transactions",
  accounts: "Accounts and balances",
  tokens: "Access",
};
const askers: Readonly<Record<SyncRun["trigger"], string>> = {
  connect: "after you connected",
  manual: "when you asked",
  webhook: "when the provider told us of news",
  schedule: "by schedule",
};
const states: Readonly<Record<SyncRun["state"], string>> = {
  queued: "waiting",
  running: "under way",
  succeeded: "done",
  failed: "failed",
};

/** How far the transactions of a connection are known, in a sentence or two. `runs` are its newest, the newest first. */
export function syncInWords(sync: {
  readonly runs: readonly SyncRun[];
  readonly lastSyncAt: Date | undefined;
  /** Undefined before the first run has ended. */
  readonly since: Date | undefined;
}): SafeHtml {
  const run = sync.runs.find((each) => each.kind === "transactions");
  const from = sync.since !== undefined && html` They begin on ${dayText(sync.since)}.`;
  const last = sync.lastSyncAt === undefined ? "" : html`What is here is of ${timeElement(sync.lastSyncAt)}.`;
  if (run?.state === "queued" || run?.state === "running") {
    return sync.since === undefined
      ? html`Being fetched for the first time, which may take a few minutes.`
      : html`News is being fetched. ${last}${from}`;
  }
  if (run?.state === "failed") {
    const failed = html`The last try, ${timeElement(run.finishedAt ?? run.requestedAt)}, did not work: ${failureInWords(run.error)}.`;
    return html`${failed} ${last}${from}`;
  }
  if (run?.state === "succeeded" && sync.since === undefined) {
    return html`The provider is still getting them ready. They come by themselves, mostly within minutes.`;
  }
  return sync.lastSyncAt === undefined
    ? html`Not fetched yet.`
    : html`Up to date as of ${timeElement(sync.lastSyncAt)}.${from}`;
}

/** A run: what was fetched, why, and what came of it. */
export function runInWords(run: SyncRun): { readonly title: string; readonly detail: string; readonly state: string } {
  const counts = [
    run.added > 0 && `${run.added} new`,
    run.changed > 0 && `${run.changed} changed`,
    run.removed > 0 && `${run.removed} removed`,
  ].filter((each) => each !== false);
  const outcome = run.state === "failed" ? [failureInWords(run.error), ...counts] : counts;
  const verb = run.kind === "tokens" ? "renewed" : "fetched";
  return {
    title: `${runs[run.kind]} ${verb} ${askers[run.trigger]}`,
    detail: [timeText(run.requestedAt), ...outcome].join(" · "),
    state: states[run.state],
  };
}

const failures: Readonly<Record<string, string>> = {
  reauthorization_required: "your consent is needed",
  provider_unavailable: "the provider did not answer",
  provider_rate_limited: "the provider asked us to come back later",
  connection_not_found: "the connection had ended",
  scope_limited: "the rest is shown only while you are signed in at the provider",
};

function failureInWords(error: string): string {
  return failures[error.toLowerCase()] ?? "something went wrong";
}

const acts: Readonly<Record<string, string>> = {
  connect: "Connection",
  disconnect: "Disconnected",
  token_exchange: "Consent exchanged for access",
  token_refresh: "Access renewed",
  credential_store: "Secret stored, sealed",
  credential_access: "Secret used",
  credential_delete: "Secret destroyed",
  account_list: "Accounts read",
  transaction_fetch: "Transactions fetched",
  sync: "News of the provider",
  security_alert: "Security alert",
};
const actors: Readonly<Record<string, string>> = {
  user: "by you",
  // Whoever comes back from a provider has nothing but the state of his consent.
  address: "from a browser",
  "job:webhook": "on the provider's word",
  "job:refresh": "by schedule",
};

/** An entry of the audit trail. Outcomes are words of ours, never a provider's text. */
export function actInWords(entry: {
  readonly action: string;
  readonly outcome: string;
  readonly actor: string;
}): string {
  const outcome = entry.outcome === "ok" ? "" : `: ${entry.outcome.replaceAll("_", " ")}`;
  const by = actors[entry.actor] ?? actors[entry.actor.split(":", 1)[0] ?? ""] ?? "by the service";
  return `${acts[entry.action] ?? entry.action.replaceAll("_", " ")}${outcome}, ${by}`;
}

const dayFormat = new Intl.DateTimeFormat("en-CA", { dateStyle: "medium", timeZone: "UTC" });
const timeFormat = new Intl.DateTimeFormat("en-CA", {
  dateStyle: "medium",
  timeStyle: "short",
  hourCycle: "h23",
  timeZone: "UTC",
});

/** A day as people read it. */
export function dayText(at: Date): string {
  return dayFormat.format(at);
}

/** A moment as people read it; in UTC, for the server does not know where they are. */
export function timeText(at: Date): string {
  return `${timeFormat.format(at)} UTC`;
}

/** The same for browsers and screen readers. */
export function timeElement(at: Date): SafeHtml {
  return html`<time datetime="${at.toISOString()}">${timeText(at)}</time>`;
}

/** Words for the codes a consent comes back with; the address may hold anything, so no text of it is shown. */
export function consentProblem(code: string): string {
  switch (code) {
    case "access_denied":
      return "You did not allow it at the provider. Nothing was connected.";
    case "invalid_session":
      return "This was started in another browser, so nothing was connected. If somebody sent you a link, they may have wanted to see your accounts. You can start here yourself.";
    case "invalid_state":
      return "This was finished already, was not started here, or took too long. Please start again.";
    case "provider_unavailable":
    case "provider_rate_limited":
      return "The provider cannot be reached right now. Please try again in a moment.";
    default:
      return "The account could not be connected. Please try again.";
  }
}

/** Words for why a consent could not begin; undefined for what is no fault of the provider or of the choice. */
export function startProblem(error: unknown): string | undefined {
  if (!(error instanceof DomainError)) return undefined;
  switch (error.reason) {
    case "PROVIDER_UNAVAILABLE":
    case "PROVIDER_RATE_LIMITED":
      return "The provider cannot be reached right now. Please try again in a moment.";
    case "PROVIDER_NOT_CONFIGURED":
      return "This provider cannot be used from a browser here.";
    case "BANK_NOT_FOUND":
    case "CONNECTOR_NOT_FOUND":
      return "This is not offered here any more.";
    default:
      return undefined;
  }
}
