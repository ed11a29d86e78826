import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { optional } from "../../kit/http/request-fields.ts";
import { accountIdOf } from "../domain/feed.ts";
import { plaidError } from "../domain/plaid-error.ts";
import type { ApiDeps } from "./api-deps.ts";
import { itemOfToken, usableItem } from "./item-access.ts";
import { readRequest } from "./read-request.ts";
import { accountsJson, itemJson } from "./wire.ts";

const byToken = z.object({ access_token: z.string().max(200) });
const idsMax = 100;
const accountsBody = byToken.extend({
  options: optional(z.object({ account_ids: optional(z.array(z.string().max(64)).max(idsMax)) })),
});
const webhookUrl = z.url({ protocol: /^https?$/ }).max(1000);

/** Items, their tokens and accounts. */
export function addItemRoutes(app: FastifyInstance, deps: ApiDeps): void {
  app.post("/item/public_token/exchange", async (request) => {
    const { public_token } = readRequest(z.object({ public_token: z.string().max(200) }), request.body);
    const used = await deps.items.exchange(deps.tokens.hash("public", public_token), deps.clock.now(), (itemId) => {
      const issued = deps.tokens.issue("access");
      return { hash: issued.hash, sealed: deps.tokens.seal(issued.text, `item:${itemId}`) };
    });
    if (used === undefined) throw plaidError("INVALID_PUBLIC_TOKEN");
    if (used === "expired") {
      throw plaidError("INVALID_PUBLIC_TOKEN", "provided public token is expired. it can no longer be exchanged");
    }
    const access = deps.tokens.open(used.sealed, `item:${used.itemId}`);
    return { access_token: access, item_id: used.itemId, request_id: request.id };
  });
  app.post("/item/access_token/invalidate", async (request) => {
    const { access_token } = readRequest(byToken, request.body);
    const item = await itemOfToken(deps, access_token);
    const issued = deps.tokens.issue("access");
    const replaced = await deps.items.replaceAccessToken(deps.tokens.hash("access", access_token), {
      hash: issued.hash,
      sealed: deps.tokens.seal(issued.text, `item:${item.id}`),
    });
    if (!replaced) throw plaidError("INVALID_ACCESS_TOKEN");
    return { new_access_token: issued.text, request_id: request.id };
  });
  app.post("/item/get", async (request) => {
    const item = await itemOfToken(deps, readRequest(byToken, request.body).access_token);
    const lastUpdate = item.lastUpdateAt?.toISOString() ?? null;
    const lastWebhook = { sent_at: item.lastWebhookAt?.toISOString() ?? null, code_sent: item.lastWebhookCode ?? "" };
    return {
      item: { ...itemJson(item), created_at: item.createdAt.toISOString() },
      status: {
        transactions: { last_successful_update: lastUpdate, last_failed_update: null },
        last_webhook: item.lastWebhookAt === null ? null : lastWebhook,
      },
      request_id: request.id,
    };
  });
  app.post("/item/remove", async (request) => {
    const item = await itemOfToken(deps, readRequest(byToken, request.body).access_token);
    const now = deps.clock.now();
    const removed = await deps.items.changeState({
      itemId: item.id,
      from: ["active", "login_required", "revoked"],
      to: "removed",
      now,
    });
    if (!removed) throw plaidError("ITEM_NOT_FOUND");
    return { request_id: request.id };
  });
  app.post("/item/webhook/update", async (request) => {
    const shape = byToken.extend({ webhook: webhookUrl.or(z.literal("")).nullish() });
    const body = readRequest(shape, request.body);
    const item = await itemOfToken(deps, body.access_token);
    const webhook = body.webhook || null;
    await deps.items.setWebhook(item.id, webhook, deps.clock.now());
    return { item: itemJson({ ...item, webhook }), request_id: request.id };
  });
  for (const path of ["/accounts/get", "/accounts/balance/get"]) {
    app.post(path, async (request) => {
      const body = readRequest(accountsBody, request.body);
      const item = await usableItem(deps, body.access_token);
      const accounts = accountsJson(item, await deps.feed.sums(item.id));
      const wanted = body.options?.account_ids ?? accounts.map((each) => each.account_id);
      const known = new Set(item.accountKeys.map((key) => accountIdOf(item.id, key)));
      if (wanted.some((id) => !known.has(id))) throw plaidError("INVALID_ACCOUNT_ID");
      return {
        accounts: accounts.filter((each) => wanted.includes(each.account_id)),
        item: itemJson(item),
        request_id: request.id,
      };
    });
  }
}
