import { createHash } from "node:crypto";
import { request } from "node:http";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import type { FastifyInstance } from "fastify";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { Credential } from "../../gen/es/paymesh/credential/v1/credential_pb.js";
import { Router } from "../../gen/es/paymesh/router/v1/router_pb.js";
import { DomainError } from "../../services/platform/errors/domain-error.ts";
import { type GatewayWorld, startGatewayWorld } from "./testing/gateway-world.ts";

let world: GatewayWorld;

beforeAll(async () => {
  world = await startGatewayWorld({
    addPages: { wallet: addWalletPages, credential: addWebhooks },
  });
});

function addWalletPages(app: FastifyInstance): void {
  app.get("/wallet/cards", async (request) => ({ page: request.url, address: request.clientAddress }));
  app.post("/login", async (request) => ({ page: request.url }));
  app.get("/api/mobile/enrollment/callback/:bank", async (_request, reply) =>
    reply.redirect("mwsim://enrollment/callback?success=true&bsimId=td%20bank"),
  );
  app.get("/internal/secret", async () => ({ leaked: true }));
  app.get("/auth", async () => ({ page: "oidc" }));
}

/** Tells where a webhook went and which bytes arrived. */
function addWebhooks(app: FastifyInstance): void {
  app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
    scope.post("/*", { bodyLimit: 1_000_000 }, async (request) => ({
      path: request.url,
      bytes: (request.body as Buffer).toString("base64"), // as the parser above leaves it
      type: request.headers["content-type"],
      address: request.clientAddress,
    }));
    scope.all("/api/connectors/access-token-in-query", async (request) => ({
      path: request.url,
      refused: request.headers["x-refused-path"],
      everything: JSON.stringify(request.headers),
    }));
  });
}

afterAll(() => world?.stop());
beforeEach(() => world.behaviours.clear());

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: Record<string, unknown>;
}

async function call(method: string, path: string, given: { body?: string; headers?: Record<string, string> } = {}) {
  const response = await fetch(world.url + path, {
    method,
    headers: { ...(given.body === undefined ? {} : { "content-type": "application/json" }), ...given.headers },
    ...(given.body === undefined ? {} : { body: given.body }),
    redirect: "manual",
  });
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.startsWith("application/json") === true;
  const body = isJson ? (JSON.parse(text) as Record<string, unknown>) : {};
  return { status: response.status, headers: response.headers, text, body } satisfies Answer;
}

function expectError(answer: Answer, status: number, error: string): void {
  expect({ status: answer.status, error: answer.body["error"] }).toEqual({ status, error });
  expect(answer.headers.get("content-type")).toMatch(/^application\/json/);
  expect(answer.body["message"]).toBeTypeOf("string");
  expect(answer.body["message"]).not.toBe("");
  expect(answer.body["code"]).toBeTypeOf("number");
  expect(answer.body["details"]).toEqual([]);
  for (const name of ["grpc-status", "grpc-message", "x-error-code", "x-http-status", "x-error-members"]) {
    expect(answer.headers.has(name), name).toBe(false);
  }
}

const authorize = { merchantId: "m1", amount: 12.34, cardToken: "ctok_1", orderId: "o1" };

it("gives a success the status the service chose and prints zeros, empty lists and null", async () => {
  world.behaviours.set("Router.analyzeToken", async (_request, ctx) => {
    ctx.setHttpStatus(201);
    return { analysis: { rawLength: 0 } };
  });
  const answer = await call("POST", "/api/v1/diagnostics/analyze-token", { body: '{"cardToken":"x"}' });
  expect(answer.status).toBe(201);
  expect(answer.body).toEqual({
    tokenPreview: "",
    analysis: { isJwt: false, jwtPayload: null, tokenType: "", isWalletToken: false, rawLength: 0 },
    warnings: [],
  });
  expect(answer.headers.has("x-http-status")).toBe(false);
  expect(answer.headers.has("grpc-status")).toBe(false);
});

it("gives a refusal with a normal body the status 400 and keeps the body", async () => {
  world.behaviours.set("Router.authorize", async (_request, ctx) => {
    ctx.setHttpStatus(400);
    return { transactionId: "t1", status: "declined", timestamp: "now" };
  });
  const answer = await call("POST", "/api/v1/payments/authorize", { body: JSON.stringify(authorize) });
  expect(answer.status).toBe(400);
  expect(answer.body).toEqual({ transactionId: "t1", status: "declined", timestamp: "now" });
});

it("sends 204 without body and content type", async () => {
  world.behaviours.set("Registry.removeBank", async (_request, ctx) => {
    ctx.setHttpStatus(204);
    return { success: true };
  });
  const answer = await call("DELETE", "/api/v1/registry/bsims/b1");
  expect(answer.status).toBe(204);
  expect(answer.text).toBe("");
  expect(answer.headers.has("content-type")).toBe(false);
});

it("shapes a service's error: word, message, code, details and its further members", async () => {
  world.behaviours.set("Router.authorize", async () => {
    throw new DomainError("AMOUNT_INVALID");
  });
  const answer = await call("POST", "/api/v1/payments/authorize", { body: JSON.stringify(authorize) });
  expectError(answer, 400, "invalid_amount");
  expect(answer.body).toEqual({
    error: "invalid_amount",
    message: 'The "amount" is wrong',
    code: 3,
    details: [],
    required: ["amount"],
    note: 'é \\ "',
  });
  expect(Number(answer.headers.get("content-length"))).toBe(Buffer.byteLength(answer.text));
});

it("lets an error choose a status gRPC does not know", async () => {
  for (const [reason, status] of [
    ["PAYMENT_EXPIRED", 410],
    ["CARD_TOKEN_ERROR", 502],
  ] as const) {
    world.behaviours.set("Router.capture", async () => {
      throw new DomainError(reason);
    });
    expectError(await call("POST", "/api/v1/payments/p1/capture", { body: "" }), status, reason);
  }
});

it("acts on the payment in the path whatever the query string says", async () => {
  world.behaviours.set("Router.capture", async (request) => ({ transactionId: request["id"], status: "captured" }));
  world.behaviours.set("Router.getPayment", async (request) => ({ id: request["id"] }));
  world.behaviours.set("Wallet.deletePushToken", async (request) => ({ success: request["deviceId"] === "mine" }));
  for (const query of ["?id=p2", "?%69d=p2", "?x=1&id=p2", "?amount=5&id=p2"]) {
    const captured = await call("POST", `/api/v1/payments/p1/capture${query}`, { body: '{"amount":1}' });
    expect(captured.body["transactionId"], query).toBe("p1");
    expect((await call("GET", `/api/v1/payments/p1${query}`)).body["id"], query).toBe("p1");
  }
  for (const query of ["?device_id=other", "?deviceId=other"]) {
    const removed = await call("DELETE", `/api/mobile/device/push-token/mine${query}`);
    expect(removed.body, query).toEqual({ success: true });
  }
});

it("binds no member of a body from the URL, bar those the contract puts there", async () => {
  world.behaviours.set("Router.authorize", async (request) => ({
    transactionId: `${request["merchantId"]} ${request["amount"]} ${request["walletCardToken"]}`,
  }));
  world.behaviours.set("Wallet.signOut", async (request) => ({ success: request["revokeAll"] }));
  const body = JSON.stringify(authorize);
  for (const path of ["/api/v1/payments/authorize", "/%61pi/v1/payments/authorize", "//api/v1/payments/authorize"]) {
    const answer = await call("POST", `${path}?merchant_id=m2&amount=1&walletCardToken=wsim_a_b`, { body });
    expect(answer.body["transactionId"], path).toBe("m1 12.34 undefined");
  }
  expect((await call("POST", "/api/mobile/auth/logout?revokeAll=true&x=1")).body).toEqual({ success: true });
  expect((await call("POST", "/api/mobile/auth/logout?x=1", { body: "{}" })).body).toEqual({ success: false });
});

it("reads declared query parameters and ignores unknown ones", async () => {
  world.behaviours.set("Router.listPayments", async (request) => ({
    nextPageToken: `${request["merchantId"]} ${request["orderId"]} ${request["pageSize"]}`,
  }));
  const answer = await call("GET", "/api/v1/payments?merchantId=m1&order_id=o%201&pageSize=3&unknown=1");
  expect(answer.body).toEqual({ payments: [], nextPageToken: "m1 o 1 3" });
});

it("reads an empty body as the empty message and ignores unknown members", async () => {
  world.behaviours.set("Router.void", async (request) => ({ transactionId: request["id"], status: "voided" }));
  for (const body of ["", "{}", '{"unknown":{"a":[1]}}']) {
    const answer = await call("POST", "/api/v1/payments/p1/void", { body });
    expect(answer.body, body).toEqual({ transactionId: "p1", status: "voided", timestamp: "" });
  }
  const bare = await call("POST", "/api/v1/payments/p1/void", { headers: { "content-type": "application/json" } });
  expect(bare.status).toBe(200);
});

it("answers malformed JSON and wrong types with 400 and quotes nothing of the body", async () => {
  for (const body of [
    '{"cardToken":"ctok_secret"',
    '{"cardToken":"ctok_secret",}x',
    '{"amount":"abc"}',
    "[1]",
    '{"amount":{}}',
  ]) {
    const answer = await call("POST", "/api/v1/payments/authorize", { body });
    expectError(answer, 400, "bad_request");
    expect(answer.text).not.toContain("ctok_secret");
    expect(answer.text).not.toContain("abc");
  }
});

it("refuses a body member that contradicts the path", async () => {
  world.behaviours.set("Router.void", async (request) => ({ transactionId: request["id"] }));
  const answer = await call("POST", "/api/v1/payments/p1/void", { body: '{"id":"p2"}' });
  expect(answer.status === 400 || answer.body["transactionId"] === "p1").toBe(true);
});

it("takes bodies up to 64 KiB and answers larger ones 413", async () => {
  world.behaviours.set("Router.authorize", async (request) => ({
    status: String(String(request["description"]).length),
  }));
  const sized = (length: number) => JSON.stringify({ ...authorize, description: "x".repeat(length) });
  const large = await call("POST", "/api/v1/payments/authorize", { body: sized(60_000) });
  expect(large.body["status"]).toBe("60000");
  expectError(await call("POST", "/api/v1/payments/authorize", { body: sized(200_000) }), 413, "payload_too_large");
});

it("answers unknown routes, wrong methods and escaped slashes in the one error shape", async () => {
  expectError(await call("GET", "/nothing"), 404, "not_found");
  expectError(await call("GET", "/api/v1/payments/authorize/x/y"), 404, "not_found");
  expectError(await call("PUT", "/api/v1/payments/p1/capture", { body: "{}" }), 404, "not_found");
  expectError(await call("GET", "/walletx"), 404, "not_found");
  expectError(await call("GET", "/api/v1/payments/a%2Fb"), 400, "bad_request");
});

const browser = { headers: { accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8" } };

it("shows a browser a page where it has nothing to lead to, and a program that takes HTML too the error shape", async () => {
  const page = await call("GET", "/conections", browser);
  expect([page.status, page.headers.get("content-type")]).toEqual([404, "text/html; charset=utf-8"]);
  expect(page.text).toContain("<h1>Page not found</h1><p>There is no page at this address.</p>");
  const style = /<style>(.*)<\/style>/.exec(page.text)?.[1] ?? "";
  const source = createHash("sha256").update(style).digest("base64");
  expect(page.headers.get("content-security-policy")).toContain(`style-src 'sha256-${source}'`);
  expect(page.headers.get("x-request-id")).toBeTruthy();
  expectError(await call("GET", "/nothing", { headers: { accept: "application/json, text/html" } }), 404, "not_found");
});

it("never routes methods between services, by any protocol", async () => {
  world.behaviours.set("Credential.listConnections", async () => ({ connections: [] }));
  const path = "/paymesh.credential.v1.Credential/ListConnections";
  expectError(await call("POST", path, { body: "{}" }), 404, "not_found");
  expectError(await call("POST", path, { body: "{}", headers: { "connect-protocol-version": "1" } }), 404, "not_found");
  const grpc = createClient(Credential, createGrpcTransport({ baseUrl: world.url }));
  await expect(grpc.listConnections({})).rejects.toMatchObject({ code: 12 });
  expectError(await call("GET", "/internal/secret"), 404, "not_found");
  expectError(await call("GET", "/internal"), 404, "not_found");
  const inner = await fetch(`${world.oidcUrl}/internal/secret`);
  expect(inner.status).toBe(404);
});

it("drops what only the gateway may say, and names one client address", async () => {
  world.behaviours.set("Router.getPayment", async (_request, ctx) => ({
    id: ["x-http-status", "x-error-code", "x-error-members", "x-forwarded-client-cert", "x-real-ip", "forwarded"]
      .map((name) => ctx.header(name) ?? "-")
      .join(""),
    merchantId: ctx.clientAddress,
    orderId: ctx.header("x-forwarded-for"),
    status: ctx.header("x-envoy-external-address") ?? "127.0.0.1",
    currency: String(ctx.requestId.startsWith("chosen")),
  }));
  const spoofed = await call("GET", "/api/v1/payments/p1", {
    headers: {
      "x-http-status": "418",
      "x-error-code": "spoof",
      "x-error-members": "{}",
      "x-forwarded-client-cert": "URI=spiffe://paymesh/wallet",
      "x-forwarded-for": "6.6.6.6",
      "x-envoy-external-address": "6.6.6.6",
      "x-envoy-upstream-rq-timeout-ms": "1",
      "x-real-ip": "6.6.6.6",
      forwarded: "for=6.6.6.6",
      "x-request-id": "chosen-by-the-client",
    },
  });
  expect(spoofed.status).toBe(200);
  expect(spoofed.body["id"]).toBe("------");
  expect(spoofed.body["merchantId"]).toBe("127.0.0.1");
  expect(spoofed.body["orderId"]).toBe("127.0.0.1");
  expect(spoofed.body["status"]).toBe("127.0.0.1");
  expect(spoofed.body["currency"]).toBe("false");
  expect(spoofed.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
  const page = await call("GET", "/wallet/cards?a=1", { headers: { "x-forwarded-for": "6.6.6.6" } });
  expect(page.body).toEqual({ page: "/wallet/cards?a=1", address: "127.0.0.1" });
});

it("passes cookies, keys and Set-Cookie through", async () => {
  world.behaviours.set("Wallet.getWebSession", async (_request, ctx) => {
    ctx.setHeader("set-cookie", "wsim.sid=abc; HttpOnly");
    return { authenticated: ctx.header("cookie") === "wsim.sid=xyz" && ctx.header("x-api-key") === "k" };
  });
  const answer = await call("GET", "/api/auth/session", { headers: { cookie: "wsim.sid=xyz", "x-api-key": "k" } });
  expect(answer.body).toEqual({ authenticated: true });
  expect(answer.headers.get("set-cookie")).toBe("wsim.sid=abc; HttpOnly");
});

it("leaves pages, form posts with a query and app redirects alone", async () => {
  const redirect = await call("GET", "/api/mobile/enrollment/callback/td-bank?code=1&state=2");
  expect(redirect.status).toBe(302);
  expect(redirect.headers.get("location")).toBe("mwsim://enrollment/callback?success=true&bsimId=td%20bank");
  expect((await call("POST", "/login?back=%2Fpay", { body: "{}" })).body).toEqual({ page: "/login?back=%2Fpay" });
  const oidc = await fetch(`${world.oidcUrl}/auth`);
  expect(await oidc.json()).toEqual({ page: "oidc" });
});

it.each([
  ["GET", "/api/connectors/plaid/accounts?accessToken=access-secret"],
  ["GET", "/api/connectors/plaid/connections/c-1/transactions?from=2026-01-01&access_token=access-secret"],
  ["POST", "/api/connectors/plaid/connections/c-1/sync?ACCESSTOKEN=access-secret"],
  ["DELETE", "/api/connectors/connections/c-1?accessToken=access-secret"],
  ["GET", "/api/open-banking/accounts/a/transactions?accessToken=access-secret"],
])("leads %s %s to where it is refused, and leaves the token behind", async (method, path) => {
  const answer = await call(method, path, { headers: { "x-refused-path": "made-up" } });
  const [bare] = path.split("?");
  expect(answer.body).toMatchObject({ path: "/api/connectors/access-token-in-query", refused: bare });
  expect(answer.text).not.toContain("access-secret");
});

it("leaves a token's name alone where it means something else", async () => {
  const answer = await call("GET", "/api/mobile/accounts?accessToken=x");
  expect(answer.text).not.toContain("access-token-in-query");
  const inner = await call("GET", "/api/connectors/plaid/connections/c-1/transactions?note=accessToken=x");
  expect(inner.text).not.toContain("access-token-in-query");
});

it("leads providers' webhooks to the credential service, byte for byte and whatever their content type", async () => {
  const bytes = Buffer.concat([Buffer.from('{ "a" : 1.0,\r\n "b":"é"}'), Buffer.of(0, 0xff, 0xfe)]);
  for (const path of [
    "/api/v1/integrations/truelayer/webhook",
    "/api/open-banking/webhook",
    "/functions/v1/open-banking-webhook",
    "/api/connectors/plaid/webhook",
    "/api/connectors/some-new-1/webhook",
  ]) {
    for (const type of [
      "application/json",
      "text/plain",
      "application/x-www-form-urlencoded",
      "application/cloudevents+json",
    ]) {
      const answer = await fetch(world.url + path, { method: "POST", headers: { "content-type": type }, body: bytes });
      expect(await answer.json(), path).toEqual({ path, bytes: bytes.toString("base64"), type, address: "127.0.0.1" });
    }
  }
  for (const path of [
    "/api/connectors/Plaid/webhook",
    "/api/connectors/a/b/webhook",
    "/api/connectors/plaid/webhook/x",
  ]) {
    expectError(await call("POST", path, { body: "{}" }), 404, "not_found");
  }
});

it("takes webhooks of 256 KiB and tells a sender of more at once, whether he says how many or not", async () => {
  const url = `${world.url}/api/connectors/plaid/webhook`;
  const full = await fetch(url, { method: "POST", body: Buffer.alloc(256 * 1024) });
  expect(full.status).toBe(200);
  for (let count = 0; count < 5; count += 1) {
    const answer = await fetch(url, { method: "POST", body: Buffer.alloc(10_000_000) });
    expect(answer.status).toBe(413);
    expect(await answer.json()).toMatchObject({ error: "payload_too_large" });
  }
  const chunked = await new Promise<number | undefined>((resolve, reject) => {
    const sent = request(url, { method: "POST" }, (response) => resolve(response.statusCode));
    sent.on("error", reject);
    for (let count = 0; count < 5; count += 1) sent.write(Buffer.alloc(64 * 1024));
    sent.flushHeaders();
  });
  expect(chunked).toBe(413);
});

it("serves native gRPC, gRPC-Web and both Connect encodings with the service's error word", async () => {
  world.behaviours.set("Router.listTokenTypes", async (_request, ctx) => ({ notes: [ctx.clientAddress] }));
  world.behaviours.set("Router.capture", async () => {
    throw new DomainError("PAYMENT_EXPIRED");
  });
  const transports = {
    grpc: createGrpcTransport({ baseUrl: world.url }),
    web: createGrpcWebTransport({ baseUrl: world.url, httpVersion: "1.1" }),
    connectJson: createConnectTransport({ baseUrl: world.url, httpVersion: "1.1", useBinaryFormat: false }),
    connectBinary: createConnectTransport({ baseUrl: world.url, httpVersion: "2", useBinaryFormat: true }),
  };
  for (const [name, transport] of Object.entries(transports)) {
    const client = createClient(Router, transport);
    const types = await client.listTokenTypes({}, { headers: { "x-forwarded-for": "6.6.6.6" } });
    expect(types.notes, name).toEqual(["127.0.0.1"]);
    const failure: unknown = await client.capture({ id: "p1" }).catch((error: unknown) => error);
    expect(failure, name).toMatchObject({ code: 9, rawMessage: "Too late" });
    expect((failure as { metadata: Headers }).metadata.get("x-error-code"), name).toBe("PAYMENT_EXPIRED");
  }
});

it("serves the OpenAPI document and both health routes", async () => {
  const document = await call("GET", "/openapi.json");
  expect(document.status).toBe(200);
  expect(document.body["openapi"]).toBe("3.1.0");
  world.behaviours.set("Router.getHealth", async () => ({ service: "nsim" }));
  world.behaviours.set("Wallet.getHealth", async () => ({ service: "wallet" }));
  expect((await call("GET", "/health")).body["service"]).toBe("nsim");
  expect((await call("GET", "/api/health")).body["service"]).toBe("wallet");
});

it("sends no CORS headers", async () => {
  const preflight = await call("OPTIONS", "/api/v1/payments", {
    headers: { origin: "http://evil.example", "access-control-request-method": "GET" },
  });
  expect(preflight.status).toBe(404);
  expect(preflight.headers.has("access-control-allow-origin")).toBe(false);
});

it("answers 503 in the one shape when a service is gone, and keeps serving the others", async () => {
  await world.stopService("credential");
  expectError(await call("GET", "/api/v1/provider-clients"), 503, "unavailable");
  expectError(await call("PUT", "/api/v1/provider-clients/b1", { body: "{}" }), 503, "unavailable");
  const page = await call("GET", "/connections", browser);
  expect([page.status, page.text]).toEqual([503, expect.stringContaining("Please try again in a moment.")]);
  const connect = createClient(Credential, createConnectTransport({ baseUrl: world.url, httpVersion: "1.1" }));
  await expect(connect.listProviderClients({})).rejects.toMatchObject({ code: 14 });
  world.behaviours.set("Router.getHealth", async () => ({ service: "nsim" }));
  expect((await call("GET", "/health")).status).toBe(200);
});
