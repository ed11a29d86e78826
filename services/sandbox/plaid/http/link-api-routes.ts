import { randomUUID } from "node:crypto";
import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { optional } from "../../kit/http/request-fields.ts";
import { accountIdOf } from "../domain/feed.ts";
import { findInstitution } from "../domain/institutions.ts";
import { accountType } from "../domain/people.ts";
import { plaidError } from "../domain/plaid-error.ts";
import { historyDaysDefault, historyDaysMax } from "../link-sessions.ts";
import type { LinkSession } from "../storage/link-store.ts";
import type { ApiDeps } from "./api-deps.ts";
import { itemOfToken } from "./item-access.ts";
import { readRequest } from "./read-request.ts";
import { requireProducts } from "./sandbox-routes.ts";
import { sharedAccounts } from "./wire.ts";

const url = z.url({ protocol: /^https?$/ }).max(1000);
const createBody = z.object({
  client_name: z.string().min(1).max(100),
  language: z.string().min(1).max(10),
  country_codes: z.array(z.string().length(2)).min(1).max(30),
  user: optional(z.object({ client_user_id: z.string().min(1).max(200) })),
  products: optional(z.array(z.string().max(60)).max(60)),
  webhook: optional(url),
  access_token: optional(z.string().max(200)),
  redirect_uri: optional(url),
  institution_id: optional(z.string().max(64)),
  hosted_link: optional(
    z.object({
      completion_redirect_uri: optional(z.string().max(1000)),
      url_lifetime_seconds: optional(
        z
          .number()
          .int()
          .min(1)
          .max(21 * 86_400),
      ),
    }),
  ),
  transactions: optional(z.object({ days_requested: optional(z.number().int().min(1).max(historyDaysMax)) })),
});
type CreateBody = z.infer<typeof createBody>;

/** Link tokens and what became of them. */
export function addLinkApiRoutes(app: FastifyInstance, deps: ApiDeps): void {
  app.post("/link/token/create", async (request) => {
    const body = readRequest(createBody, request.body);
    const item = body.access_token === undefined ? undefined : await itemOfToken(deps, body.access_token);
    if (item?.state === "revoked") throw plaidError("USER_PERMISSION_REVOKED");
    if (item === undefined) requireNewItemFields(body);
    const completion = body.hosted_link?.completion_redirect_uri;
    for (const uri of [body.redirect_uri, completion]) if (uri !== undefined) requireRedirect(deps, uri);
    const settings = await deps.control.settings();
    const lifetime =
      body.hosted_link?.url_lifetime_seconds ??
      (item === undefined ? settings.linkTokenSeconds : settings.updateLinkTokenSeconds);
    const now = deps.clock.now();
    const expiresAt = new Date(now.getTime() + lifetime * 1000);
    const issued = deps.tokens.issue("link");
    await deps.links.create({
      tokenHash: issued.hash,
      id: randomUUID(),
      request: linkRequestOf(body, completion),
      updateItemId: item?.id ?? null,
      now,
      expiresAt,
    });
    return {
      link_token: issued.text,
      expiration: expiresAt.toISOString(),
      ...(body.hosted_link && { hosted_link_url: `${deps.origin}/link?token=${issued.text}` }),
      request_id: request.id,
    };
  });
  app.post("/link/token/get", async (request) => {
    const { link_token } = readRequest(z.object({ link_token: z.string().max(200) }), request.body);
    const session = await deps.links.find(deps.tokens.hash("link", link_token));
    if (session === undefined) throw plaidError("INVALID_LINK_TOKEN");
    return {
      link_token,
      created_at: session.createdAt.toISOString(),
      expiration: session.expiresAt.toISOString(),
      link_sessions: session.stage === "open" ? [] : [await sessionJson(deps, session)],
      metadata: {
        initial_products: session.request.products,
        webhook: session.request.webhook,
        country_codes: session.request.countryCodes,
        language: session.request.language,
        redirect_uri: session.request.redirectUri,
        client_name: session.request.clientName,
      },
      request_id: request.id,
    };
  });
}

function linkRequestOf(body: CreateBody, completion: string | undefined) {
  return {
    clientName: body.client_name,
    language: body.language,
    countryCodes: body.country_codes,
    products: body.products ?? [],
    webhook: body.webhook ?? null,
    redirectUri: body.redirect_uri ?? null,
    completionRedirectUri: completion ?? null,
    hosted: body.hosted_link !== undefined,
    clientUserId: body.user?.client_user_id ?? null,
    daysRequested: body.transactions?.days_requested ?? historyDaysDefault,
    institutionId: body.institution_id ?? null,
  };
}

function requireNewItemFields(body: CreateBody): void {
  const missing = [
    ...(body.user === undefined ? ["user"] : []),
    ...(body.products === undefined || body.products.length === 0 ? ["products"] : []),
  ];
  if (missing.length > 0) {
    throw plaidError("MISSING_FIELDS", `the following required fields are missing: ${missing.join(", ")}`);
  }
  requireProducts(body.products ?? []);
}

function requireRedirect(deps: ApiDeps, uri: string): void {
  const allowed =
    deps.redirectUris.length > 0
      ? deps.redirectUris.includes(uri)
      : URL.canParse(uri) && ["127.0.0.1", "localhost", "[::1]"].includes(new URL(uri).hostname);
  if (!allowed) throw plaidError("INVALID_FIELD", "OAuth redirect URI must be configured in the developer dashboard");
}

async function sessionJson(deps: ApiDeps, session: LinkSession) {
  const finished = session.finishedAt?.toISOString() ?? null;
  const results = session.stage === "finished" ? await itemResults(deps, session) : [];
  return {
    link_session_id: session.id,
    started_at: session.createdAt.toISOString(),
    finished_at: finished,
    results: {
      item_add_results: results,
      cra_item_add_results: [],
      cra_update_results: [],
      bank_income_results: [],
      payroll_income_results: [],
      document_income_results: null,
    },
  };
}

async function itemResults(deps: ApiDeps, session: LinkSession) {
  const institution = findInstitution(session.institutionId ?? "");
  const item = await deps.items.find(session.itemId ?? "");
  if (session.sealedPublicToken === null || institution === undefined || item === undefined) return [];
  return [
    {
      public_token: deps.tokens.open(session.sealedPublicToken, `link:${session.id}`),
      institution: { institution_id: institution.id, name: institution.name },
      accounts: sharedAccounts(item).map((account) => ({
        id: accountIdOf(item.id, account.key),
        name: account.name,
        mask: account.mask,
        type: accountType(account.kind),
        subtype: account.kind,
        verification_status: null,
        class_type: null,
      })),
    },
  ];
}
