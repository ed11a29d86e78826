import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { optional } from "../../kit/http/request-fields.ts";
import { accountIdOf } from "../domain/feed.ts";
import { findInstitution, institutionProducts } from "../domain/institutions.ts";
import type { Item } from "../domain/item.ts";
import { findPerson, samplePassword } from "../domain/people.ts";
import { plaidError } from "../domain/plaid-error.ts";
import type { WebhookEvent } from "../domain/webhook-body.ts";
import { historyDaysDefault, historyDaysMax, itemOfGrant } from "../link-sessions.ts";
import type { ApiDeps } from "./api-deps.ts";
import { itemOfToken } from "./item-access.ts";
import { readRequest } from "./read-request.ts";
import { sharedAccounts } from "./wire.ts";

const dayMs = 86_400_000;
const createBody = z.object({
  institution_id: z.string().max(64),
  initial_products: z.array(z.string().max(60)).min(1).max(60),
  options: optional(
    z.object({
      webhook: optional(z.url({ protocol: /^https?$/ }).max(1000)),
      override_username: optional(z.string().max(100)),
      override_password: optional(z.string().max(100)),
      transactions: optional(z.object({ days_requested: optional(z.number().int().min(1).max(historyDaysMax)) })),
    }),
  ),
});
const fireBody = z.object({
  access_token: z.string().max(200),
  webhook_type: optional(z.string().max(60)),
  webhook_code: z.enum([
    "SYNC_UPDATES_AVAILABLE",
    "DEFAULT_UPDATE",
    "NEW_ACCOUNTS_AVAILABLE",
    "PENDING_DISCONNECT",
    "LOGIN_REPAIRED",
    "USER_PERMISSION_REVOKED",
    "USER_ACCOUNT_REVOKED",
    "ERROR",
  ]),
});

/** The endpoints only Plaid's sandbox has. */
export function addSandboxRoutes(app: FastifyInstance, deps: ApiDeps): void {
  app.post("/sandbox/public_token/create", async (request) => {
    const body = readRequest(createBody, request.body);
    const institution = findInstitution(body.institution_id);
    if (institution === undefined) throw plaidError("INVALID_INSTITUTION");
    const person = findPerson(body.options?.override_username ?? "user_good");
    if (person === undefined || (body.options?.override_password ?? samplePassword) !== samplePassword) {
      throw plaidError("INVALID_CREDENTIALS");
    }
    requireProducts(body.initial_products);
    const item = await itemOfGrant(deps, {
      institution,
      person,
      accountKeys: person.accounts.map((each) => each.key),
      products: body.initial_products,
      webhook: body.options?.webhook ?? null,
      daysRequested: body.options?.transactions?.days_requested ?? historyDaysDefault,
    });
    const issued = deps.tokens.issue("public");
    await deps.items.create(item, { hash: issued.hash, expiresAt: await publicTokenEnd(deps) });
    return { public_token: issued.text, request_id: request.id };
  });
  app.post("/sandbox/item/reset_login", async (request) => {
    const { access_token } = readRequest(z.object({ access_token: z.string().max(200) }), request.body);
    const item = await itemOfToken(deps, access_token);
    await deps.items.changeState({
      itemId: item.id,
      from: ["active"],
      to: "login_required",
      event: { code: "ERROR" },
      now: deps.clock.now(),
    });
    return { reset_login: true, request_id: request.id };
  });
  app.post("/sandbox/item/fire_webhook", async (request) => {
    const body = readRequest(fireBody, request.body);
    const item = await itemOfToken(deps, body.access_token);
    const fired = await deps.items.send(
      item.id,
      sampleEvent(item, body.webhook_code, deps.clock.now()),
      deps.clock.now(),
    );
    if (!fired) throw plaidError("SANDBOX_WEBHOOK_INVALID");
    return { webhook_fired: true, request_id: request.id };
  });
}

/** Throws when a product is not among those the institutions offer. */
export function requireProducts(products: readonly string[]): void {
  const unknown = products.filter((each) => !institutionProducts.includes(each));
  if (unknown.length > 0) {
    throw plaidError("INVALID_FIELD", `products are not supported by this sandbox: ${unknown.join(", ")}`);
  }
}

/** When a public token made now ends. */
export async function publicTokenEnd(deps: Pick<ApiDeps, "control" | "clock">): Promise<Date> {
  const { publicTokenSeconds } = await deps.control.settings();
  return new Date(deps.clock.now().getTime() + publicTokenSeconds * 1000);
}

/** A webhook of this code as it would be now; the item itself does not change. */
export function sampleEvent(item: Item, code: WebhookEvent["code"], now: Date): WebhookEvent {
  switch (code) {
    case "SYNC_UPDATES_AVAILABLE":
      return {
        code,
        initial: item.updateStatus !== "NOT_READY",
        historical: item.updateStatus === "HISTORICAL_UPDATE_COMPLETE",
      };
    case "INITIAL_UPDATE":
    case "HISTORICAL_UPDATE":
    case "DEFAULT_UPDATE":
      return { code, newTransactions: 0 };
    case "USER_ACCOUNT_REVOKED":
      return { code, accountId: accountIdOf(item.id, sharedAccounts(item)[0]?.key ?? "") };
    case "PENDING_EXPIRATION":
      return { code, consentExpiresAt: item.consentExpiresAt ?? new Date(now.getTime() + 7 * dayMs) };
    case "PENDING_DISCONNECT":
      return { code, reason: "INSTITUTION_TOKEN_EXPIRATION", disconnectAt: new Date(now.getTime() + 7 * dayMs) };
    case "WEBHOOK_UPDATE_ACKNOWLEDGED":
      return { code, url: item.webhook ?? "" };
    default:
      return { code };
  }
}
