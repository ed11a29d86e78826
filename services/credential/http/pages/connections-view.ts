import { alert, badge, button, field, form, hidden, linkButton, panel } from "../../../platform/pages/components.ts";
import { html, type SafeHtml } from "../../../platform/pages/html.ts";
import type { Institution } from "../../connectors/provider-data.ts";
import type { Connection } from "../../domain/connection.ts";
import type { ProviderOffer } from "./institution-shelf.ts";
import { standingInWords, timeElement } from "./words.ts";

/** What the list of connections shows. */
export interface ConnectionsPage {
  readonly csrf: string;
  readonly now: Date;
  readonly connections: readonly Connection[];
  readonly offers: readonly ProviderOffer[];
  /** Name of a connection's provider. */
  readonly providerName: (connector: string) => string;
  /** For how long a consent can be kept without going to the provider; undefined where it cannot. */
  readonly extensionDays: (connection: Connection) => number | undefined;
  readonly search: string;
  /** What went wrong just before. */
  readonly problem?: string | undefined;
}

/** What people call a connection's institution. */
export function nameOf(connection: Connection, providerName: string): string {
  return connection.institutionName === "" ? providerName : connection.institutionName;
}

/** A person's connections, and what else could be connected. */
export function connectionsView(view: ConnectionsPage): SafeHtml {
  return html`${view.problem !== undefined && alert({ kind: "error", text: view.problem })}<h1>Connected accounts</h1>
<p class="lead">Banks and services whose balances and transactions you see here. You can take each back at any time.</p>
${view.connections.map((connection) => connectionPanel(view, connection))}${anotherPanel(view)}
${view.connections.length > 0 && html`<p class="hint"><a href="/connections/erase">Erase everything that is kept about my connected accounts</a></p>`}`;
}

function connectionPanel(view: ConnectionsPage, connection: Connection): SafeHtml {
  const provider = view.providerName(connection.connector);
  const name = nameOf(connection, provider);
  const standing = standingInWords(connection, view.now);
  const { lastSyncAt } = connection;
  const keep = standing.needsConsent ? keepLink(connection, view.extensionDays(connection), "primary") : undefined;
  const again = button({
    label: "Connect again",
    spokenLabel: `Connect again: ${name}`,
    kind: keep === undefined ? "primary" : "secondary",
    small: true,
  });
  return panel(html`<div class="head"><h2>${name}</h2>${badge(standing.badge, standing.kind)}</div>
<p class="hint">Through ${provider} · ${lastSyncAt === undefined ? "not fetched yet" : html`fetched ${timeElement(lastSyncAt)}`}</p>
${standing.advice !== undefined && html`<p>${standing.advice}</p>`}
<div class="does">${linkButton({ label: "Open", spokenLabel: `Open ${name}`, href: `/connections/${connection.connectionId}`, kind: "secondary", small: true })}
${keep}${standing.needsConsent && startForm(view.csrf, { connector: connection.connector, institutionId: connection.institutionId, connectionId: connection.connectionId }, again)}</div>`);
}

/** The way to keep a consent that ends one day; undefined where its provider extends none. */
export function keepLink(
  connection: Connection,
  days: number | undefined,
  kind: "primary" | "secondary",
): SafeHtml | undefined {
  if (days === undefined || connection.consentExpiresAt === undefined) return undefined;
  const href = `/connections/${connection.connectionId}/extend`;
  return linkButton({ label: `Keep access for another ${days} days`, href, kind, small: true });
}

/** A form that begins a consent. */
export function startForm(
  csrf: string,
  start: { readonly connector: string; readonly institutionId: string; readonly connectionId?: string },
  submit: SafeHtml,
): SafeHtml {
  const { connector, institutionId, connectionId } = start;
  return form({
    action: "/connections/start",
    csrf,
    body: html`${hidden("connector", connector)}${hidden("institutionId", institutionId)}${connectionId !== undefined && hidden("connectionId", connectionId)}${submit}`,
  });
}

function anotherPanel(view: ConnectionsPage): SafeHtml {
  if (view.offers.length === 0) {
    return panel(html`<h2>Connect another account</h2><p>No data provider is set up here yet.</p>`);
  }
  return panel(html`<h2>Connect ${view.connections.length === 0 ? "an" : "another"} account</h2>
<p class="hint">You sign in at the bank and decide there what to share. We never see your password.</p>
<form method="get" action="/connections" class="search" role="search">${field({ name: "search", label: "Name of the bank or service", type: "search", value: view.search, required: false, maxLength: 60 })}${button({ label: "Search", kind: "secondary" })}</form>
${view.offers.map((offer) => offerSection(view, offer))}`);
}

function offerSection(view: ConnectionsPage, offer: ProviderOffer): SafeHtml {
  const { connector, displayName, institutions } = offer;
  const choose =
    offer.asksItself &&
    ((institutions?.length ?? 0) === 0 || offer.more > 0) &&
    startForm(
      view.csrf,
      { connector, institutionId: "" },
      button({ label: `Choose at ${displayName}`, kind: "secondary", small: true }),
    );
  return html`<h3>Through ${displayName}</h3>${institutions === undefined && html`<p class="hint">${displayName} cannot list its banks right now.</p>`}
${institutions?.length === 0 && html`<p class="hint">${view.search === "" ? "Nothing to choose from here." : "Nothing of that name."}</p>`}
<ul class="rows">${institutions?.map((institution) => institutionRow(view, offer, institution))}</ul>
${offer.more > 0 && html`<p class="hint">And ${offer.more} more; search by name.</p>`}${choose}`;
}

function institutionRow(
  view: ConnectionsPage,
  offer: ProviderOffer,
  { institutionId, name, countries }: Institution,
): SafeHtml {
  const label = `Connect ${name} through ${offer.displayName}`;
  const submit = button({ label: "Connect", spokenLabel: label, kind: "secondary", small: true });
  return html`<li><span class="text"><span class="name">${name}</span>${countries.length > 0 && html`<span class="detail">${countries.slice(0, 6).join(", ")}</span>`}</span>
${startForm(view.csrf, { connector: offer.connector, institutionId }, submit)}</li>`;
}
