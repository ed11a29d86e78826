import type { FastifyInstance, FastifyRequest } from "fastify";
import { DomainError } from "../../../platform/errors/domain-error.ts";
import { formText } from "../../../platform/http/body-parsers.ts";
import { answerWithPages } from "../../../platform/pages/answer-with-pages.ts";
import type { Connection, Owner } from "../../domain/connection.ts";
import { type Dependencies, knowsCards } from "../../flows/dependencies.ts";
import { disconnect } from "../../flows/disconnect.ts";
import { findOwnConnection } from "../../flows/find-own-connection.ts";
import { linkConnector } from "../../flows/link-connector.ts";
import { requestRun } from "../../flows/request-run.ts";
import { listConnections } from "../../storage/connection-store.ts";
import { connectionsView, nameOf } from "./connections-view.ts";
import { disconnectedView, disconnectView } from "./disconnect-views.ts";
import { addErasePages } from "./erase-pages.ts";
import { addExtendPages, extensionDaysOf } from "./extend-pages.ts";
import { createInstitutionShelf, type InstitutionShelf } from "./institution-shelf.ts";
import {
  type ConnectionPageParts,
  connectionsBrand,
  connectionsWayOn,
  createPageContext,
  type PageContext,
  type Visit,
} from "./page-context.ts";
import { showConnection } from "./show-connection.ts";
import { consentProblem, pageErrors, startProblem } from "./words.ts";

const searchLengthMax = 60;

/**
 * People's pages for their connections of data providers: list and connect, look, renew, disconnect. Banks that know cards belong to
 * the wallet's own pages and are not shown here.
 */
export function addConnectionPages(app: FastifyInstance, parts: ConnectionPageParts): void {
  void app.register(async (pages) => {
    answerWithPages(pages, {
      brand: connectionsBrand,
      errorTable: pageErrors,
      log: parts.deps.log,
      wayOn: connectionsWayOn,
    });
    const context = createPageContext(pages, parts);
    addListPages(context, parts);
    addErasePages(context, parts);
    addOnePages(context, parts);
  });
}

function addListPages(context: PageContext, parts: ConnectionPageParts): void {
  const { deps } = parts;
  const connectors = [...deps.connectors.values()].filter((each) => each.cards === undefined);
  const shelf = createInstitutionShelf({ connectors, clock: deps.clock, log: deps.log });
  const list = (visit: Visit, problem?: string, status = 200) =>
    showList(context, parts, shelf, { visit, problem, status });

  context.get("/connections", (visit) => list(visit));
  context.post("/connections/start", async (visit) => {
    try {
      return visit.reply.redirect(await beginAtProvider(parts, visit), 303);
    } catch (error) {
      const problem = startProblem(error);
      if (problem === undefined) throw error;
      return await list(visit, problem, 502);
    }
  });
  // Where the callback of a consent leads in the end.
  context.get("/connections/done", async (visit) => {
    const connectionId = queryText(visit.request, "connectionId");
    if (connectionId === undefined)
      return await list(visit, consentProblem(queryText(visit.request, "error") ?? ""), 400);
    const connection = await findShown(deps, visit.owner, connectionId);
    return visit.reply.redirect(`/connections/${connection.connectionId}?done=connected`, 303);
  });
}

async function showList(
  context: PageContext,
  { deps }: ConnectionPageParts,
  shelf: InstitutionShelf,
  given: { readonly visit: Visit; readonly problem: string | undefined; readonly status: number },
) {
  const { visit, problem, status } = given;
  const search = (queryText(visit.request, "search") ?? "").slice(0, searchLengthMax);
  const all = await listConnections(deps.storage.db.query, visit.owner);
  const body = connectionsView({
    csrf: visit.csrf,
    now: deps.clock.now(),
    connections: all.filter((connection) => !knowsCards(deps, connection)),
    offers: await shelf.offers(search),
    providerName: (connector) => providerName(deps, connector),
    extensionDays: (connection) => extensionDaysOf(deps, connection),
    search,
    problem,
  });
  return context.show(visit, { title: "Connected accounts", body, status, leadsElsewhere: true });
}

/** The address of the provider's page. */
async function beginAtProvider(parts: ConnectionPageParts, visit: Visit): Promise<string> {
  const { deps, publicUrl } = parts;
  const { request, owner, caller } = visit;
  const field = (name: string) => formText(request.body, name) ?? "";
  const connector = field("connector");
  if (deps.connectors.get(connector)?.cards !== undefined) throw new DomainError("CONNECTOR_NOT_FOUND");
  const returnUrl = `${publicUrl}/connections/done`;
  const command = {
    owner,
    connector,
    institutionId: field("institutionId"),
    returnUrl,
    connectionId: field("connectionId"),
    browserMark: parts.browsers.mark(request, visit.reply, owner.userId),
  };
  const begun = await linkConnector(deps, { publicUrl, returnUrls: [returnUrl] }, command, caller);
  // A widget alone: its script would have to come from the provider's origin, which these pages let in nowhere.
  if (begun.authUrl === undefined) throw new DomainError("PROVIDER_NOT_CONFIGURED");
  return begun.authUrl;
}

function addOnePages(context: PageContext, parts: ConnectionPageParts): void {
  const { deps } = parts;
  const found = (visit: Visit) => findShown(deps, visit.owner, idOf(visit.request));
  const named = (connection: Connection) => {
    const provider = providerName(deps, connection.connector);
    return { name: nameOf(connection, provider), providerName: provider };
  };

  context.get("/connections/:id", async (visit) => {
    const connection = await found(visit);
    return await showConnection(context, parts, visit, { connection, providerName: named(connection).providerName });
  });
  addExtendPages(context, parts, async (visit) => {
    const connection = await found(visit);
    return { connection, ...named(connection) };
  });
  for (const [path, kind] of [
    ["sync", "transactions"],
    ["refresh", "tokens"],
  ] as const) {
    context.post(`/connections/:id/${path}`, async (visit) => {
      const connection = await found(visit);
      await requestRun(deps, { connection, kind }, visit.caller.actor);
      return visit.reply.redirect(`/connections/${connection.connectionId}?done=${path}`, 303);
    });
  }
  context.get("/connections/:id/disconnect", async (visit) => {
    const connection = await found(visit);
    const { connectionId } = connection;
    const { name, providerName } = named(connection);
    const body = disconnectView({ csrf: visit.csrf, connectionId, name, providerName });
    return context.show(visit, { title: `Disconnect ${name}`, body });
  });
  context.post("/connections/:id/disconnect", async (visit) => {
    const connection = await found(visit);
    const isConfirmed = await disconnect(deps, connection, visit.caller);
    const { name, providerName } = named(connection);
    return context.show(visit, {
      title: `${name} is disconnected`,
      body: disconnectedView({ name, isConfirmed, providerName }),
    });
  });
}

/** A connection of this person that these pages show. Throws `CONNECTION_NOT_FOUND` for any other. */
async function findShown(deps: Dependencies, owner: Owner, connectionId: string): Promise<Connection> {
  const connection = await findOwnConnection(deps, { owner, connectionId: connectionId.toLowerCase() });
  if (knowsCards(deps, connection)) throw new DomainError("CONNECTION_NOT_FOUND");
  return connection;
}

function providerName(deps: Dependencies, connector: string): string {
  return deps.connectors.get(connector)?.displayName ?? connector;
}

function idOf(request: FastifyRequest): string {
  const id: unknown = Reflect.get(Object(request.params), "id");
  return typeof id === "string" ? id : "";
}

function queryText(request: FastifyRequest, name: string): string | undefined {
  const value: unknown = Reflect.get(Object(request.query), name);
  return typeof value === "string" ? value : undefined;
}
