import { parseCurrency } from "../../../platform/money/currency.ts";
import { alert, badge, button, form, linkButton, moneyText, panel } from "../../../platform/pages/components.ts";
import { html, type SafeHtml } from "../../../platform/pages/html.ts";
import type { ProviderAccount, ProviderTransaction } from "../../connectors/provider-data.ts";
import { type Connection, isUsableFor } from "../../domain/connection.ts";
import type { SyncRun } from "../../domain/sync-run.ts";
import type { ConnectionAuditEntry } from "../../storage/audit-read.ts";
import { keepLink, nameOf, startForm } from "./connections-view.ts";
import { actInWords, dayText, runInWords, standingInWords, syncInWords, timeElement } from "./words.ts";

/** What the page of one connection shows. */
export interface ConnectionPage {
  readonly csrf: string;
  readonly now: Date;
  readonly connection: Connection;
  readonly providerName: string;
  readonly canRenew: boolean;
  /** For how long the consent can be kept without going to the provider; undefined where it cannot. */
  readonly extensionDays: number | undefined;
  /** Since when transactions are there; undefined before the first were fetched. */
  readonly syncedSince: Date | undefined;
  readonly accounts: readonly ProviderAccount[];
  /** Why the accounts are not of now. */
  readonly accountsProblem?: string | undefined;
  /** The account whose transactions are shown; all when undefined. */
  readonly account: ProviderAccount | undefined;
  readonly transactions: readonly ProviderTransaction[];
  /** Token of the older page; empty on the last. */
  readonly olderToken: string;
  readonly runs: readonly SyncRun[];
  readonly acts: readonly ConnectionAuditEntry[];
  /** What was done just before. */
  readonly notice?: string | undefined;
}

/** One connection: its accounts, their transactions, what was fetched and done, and what can be done. */
export function connectionView(view: ConnectionPage): SafeHtml {
  const { connection, providerName } = view;
  const standing = standingInWords(connection, view.now);
  const isBusy = view.runs.some((run) => run.state === "queued" || run.state === "running");
  const here = `/connections/${connection.connectionId}`;
  return html`<p class="back"><a href="/connections">All connected accounts</a></p>
${view.notice !== undefined && alert({ kind: "success", text: view.notice })}${standing.advice !== undefined && alert({ kind: "warning", text: standing.advice })}${view.accountsProblem !== undefined && alert({ kind: "warning", text: view.accountsProblem })}
${panel(html`<div class="head"><h1>${nameOf(connection, providerName)}</h1>${badge(standing.badge, standing.kind)}</div>
<p class="hint">Through ${providerName} · connected ${dayText(connection.connectedAt)}${connection.stateReason === "" && connection.consentExpiresAt !== undefined && html` · consent until ${dayText(connection.consentExpiresAt)}`}<br>
${connection.lastSyncAt !== undefined && html`Fetched ${timeElement(connection.lastSyncAt)}`}${connection.lastSyncAt === undefined && !isBusy && "Not fetched yet"}${isBusy && html`${connection.lastSyncAt !== undefined && " · "}Fetching now · <a href="${here}">Look again</a>`}</p>${accountRows(view, here)}${deeds(view, here, standing.needsConsent)}`)}
${transactionsPanel(view, here)}${historyPanel(view)}`;
}

function accountRows(view: ConnectionPage, here: string): SafeHtml {
  if (view.accounts.length === 0) {
    const isKnown = view.connection.lastSyncAt !== undefined;
    return html`<p>${isKnown ? "No account is shared here." : "No accounts have been fetched yet."}</p>`;
  }
  return html`<ul class="rows">${view.accounts.map((account) => {
    const chosen = account.accountId === view.account?.accountId;
    const detail = [account.accountType.replaceAll("_", " ").toLowerCase(), account.maskedNumber].filter(
      (each) => each !== "",
    );
    return html`<li><span class="text"><a class="name" href="${here}?account=${encodeURIComponent(account.accountId)}#transactions"${chosen && html` aria-current="true"`}>${account.displayName}</a><span class="detail">${detail.join(" · ")}</span></span>
<span class="sum">${account.balanceMinor === undefined ? html`<span class="detail">balance not known</span>` : moneyText(account.balanceMinor, parseCurrency(account.currency))}${account.availableMinor !== undefined && account.availableMinor !== account.balanceMinor && html`<span class="detail">${moneyText(account.availableMinor, parseCurrency(account.currency))} available</span>`}</span></li>`;
  })}</ul>`;
}

function deeds(view: ConnectionPage, here: string, needsConsent: boolean): SafeHtml {
  const { csrf, connection } = view;
  const { connector, institutionId, connectionId } = connection;
  const post = (action: string, label: string) =>
    form({ action: `${here}/${action}`, csrf, body: button({ label, kind: "secondary", small: true }) });
  const kind = needsConsent ? "primary" : "secondary";
  const keep = keepLink(connection, view.extensionDays, kind);
  const again = button({ label: "Connect again", kind: keep === undefined ? kind : "secondary", small: true });
  return html`<div class="does">${keep}${isUsableFor(connection, "accounts") && html`${post("sync", "Sync now")}${view.canRenew && post("refresh", "Refresh access")}`}
${startForm(csrf, { connector, institutionId, connectionId }, again)}${linkButton({ label: "Disconnect", href: `${here}/disconnect`, kind: "secondary", small: true })}</div>`;
}

function transactionsPanel(view: ConnectionPage, here: string): SafeHtml {
  const { account, transactions, olderToken } = view;
  const of = account === undefined ? "" : `account=${encodeURIComponent(account.accountId)}&`;
  const names = new Map(view.accounts.map((each) => [each.accountId, each.displayName]));
  return panel(html`<div class="head" id="transactions"><h2>Transactions${account !== undefined && html` of ${account.displayName}`}</h2>${account !== undefined && html`<a href="${here}#transactions">Of all accounts</a>`}</div>
<p class="hint">${syncInWords({ runs: view.runs, lastSyncAt: view.connection.lastSyncAt, since: view.syncedSince })}</p>
${transactions.length === 0 && view.syncedSince !== undefined && html`<p>There are no transactions here.</p>`}
${transactions.length > 0 && html`<ul class="rows">${transactions.map((each) => transactionRow(each, account === undefined ? names.get(each.accountId) : undefined))}</ul>`}
${olderToken !== "" && html`<p class="pages">${linkButton({ label: "Older transactions", href: `${here}?${of}page=${encodeURIComponent(olderToken)}#transactions`, kind: "secondary", small: true })}</p>`}`);
}

function transactionRow(each: ProviderTransaction, accountName: string | undefined): SafeHtml {
  const detail = [dayText(each.postedAt), accountName].filter((part) => part !== undefined);
  return html`<li><span class="text"><span class="name">${each.description || "No description"}</span><span class="detail">${detail.join(" · ")} ${each.status === "pending" && badge("Pending")}</span></span>
<span class="sum ${each.amountMinor > 0n && "in"}">${moneyText(each.amountMinor, parseCurrency(each.currency))}</span></li>`;
}

function historyPanel(view: ConnectionPage): SafeHtml {
  const runs = view.runs.map((run) => {
    const words = runInWords(run);
    return html`<li><span class="text"><span class="name">${words.title}</span><span class="detail">${words.detail}</span></span>${badge(words.state, run.state === "failed" ? "warning" : run.state === "succeeded" ? "success" : "neutral")}</li>`;
  });
  const acts = view.acts.map(
    (act) =>
      html`<li><span class="text"><span class="name">${actInWords(act)}</span><span class="detail">${timeElement(act.at)}</span></span></li>`,
  );
  return panel(html`<h2>What was fetched</h2>${runs.length === 0 && html`<p>Nothing yet.</p>`}<ul class="rows">${runs}</ul>
<details><summary>Everything that was done with this connection</summary><ul class="rows">${acts}</ul></details>`);
}
