import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { Client, credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Router } from "../../../gen/es/paymesh/router/v1/router_pb.js";
import { BatcherFullError } from "../db/batcher.ts";
import { DomainError } from "../errors/domain-error.ts";
import { genericErrors } from "../errors/error-table.ts";
import { GrpcCode } from "../errors/grpc-code.ts";
import { createHttpServer } from "../http/create-http-server.ts";
import { createLogger } from "../telemetry/logger.ts";
import type { Authenticators } from "./authenticate.ts";
import { createRpcClient, type RpcClient } from "./client.ts";
import { addConnectRoutes } from "./connect-routes.ts";
import { type RpcServer, startRpcServer } from "./grpc-server.ts";
import { RpcError } from "./rpc-error.ts";
import { type Handlers, implement } from "./service-implementation.ts";

const log = createLogger({ service: "test", level: "silent" });
const logLines: string[] = [];
const loud = createLogger({ service: "test", destination: { write: (line: string) => logLines.push(line) } });

const authenticators: Authenticators = {
  merchant: async (ctx) => {
    const key = ctx.header("x-api-key");
    if (key === undefined) return undefined;
    if (key !== "right") throw new DomainError("UNAUTHENTICATED");
    return { kind: "merchant", merchantId: "m1", keyId: "k1" };
  },
};

let lastSignal: AbortSignal | undefined;

/** Each method shows one behaviour of the chain; those a test does not call refuse. */
function handlers(): Handlers<typeof Router> {
  const refuse = async (): Promise<never> => {
    throw new DomainError("NOT_FOUND");
  };
  return {
    authorize: async (request, ctx) => {
      ctx.setHttpStatus(400);
      return { transactionId: request.orderId, status: ctx.principal.kind, timestamp: ctx.requestId };
    },
    capture: async (_request, ctx) => {
      lastSignal = ctx.signal;
      await sleep(ctx.timeoutMs() + 5_000, undefined, { signal: ctx.signal });
      return {};
    },
    void: async () => {
      throw new Error("the secret is ctok_0123456789abcdef");
    },
    refund: refuse,
    getPayment: refuse,
    listPayments: async () => {
      throw new BatcherFullError("too many rows wait");
    },
    listReconciliation: refuse,
    resolveReconciliation: refuse,
    analyzeToken: refuse,
    listTokenTypes: async () => ({ supportedPrefixes: ["wsim_"] }),
    getHealth: refuse,
    getReadiness: refuse,
  };
}

let server: RpcServer;
let client: RpcClient<typeof Router>;
const app = createHttpServer({ service: "router", errorTable: genericErrors, log });
let connectUrl = "";

beforeAll(async () => {
  const implementations = [implement(Router, handlers())];
  const chain = { authenticators, errorTable: genericErrors, log: loud };
  server = await startRpcServer({ service: "router", implementations, ...chain, host: "127.0.0.1", grpcPort: 0 });
  client = createRpcClient(Router, { address: `127.0.0.1:${server.port}`, serverName: "router" });
  await addConnectRoutes(app, { implementations, ...chain });
  connectUrl = await app.listen({ host: "127.0.0.1", port: 0 });
});

afterAll(async () => {
  client.close();
  await Promise.all([server.stop(), app.close()]);
});

const order = { merchantId: "m1", amount: 1, cardToken: "t", orderId: "o1" };
const asMerchant = { headers: { "x-api-key": "right" } };

async function failureOf(work: Promise<unknown>): Promise<RpcError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof RpcError)) throw new Error(`expected an RpcError, got ${String(error)}`);
  return error;
}

it("gives a handler its principal and request id", async () => {
  const answer = await client.authorize(order, { ...asMerchant, requestId: "req-12345678" });
  expect(answer).toMatchObject({ transactionId: "o1", status: "merchant", timestamp: "req-12345678" });
});

it("refuses a call without the credential its policy asks for, and one with a wrong credential", async () => {
  for (const headers of [{}, { "x-api-key": "wrong" }]) {
    const error = await failureOf(client.authorize(order, { headers }));
    expect(error).toMatchObject({ code: GrpcCode.UNAUTHENTICATED, reason: "unauthorized", httpStatus: 401 });
  }
});

it("does not tell an unknown caller which fields a method needs", async () => {
  expect((await failureOf(client.authorize({}))).code).toBe(GrpcCode.UNAUTHENTICATED);
});

it("names the required fields that are missing, a blank text among them", async () => {
  const error = await failureOf(client.authorize({ ...order, orderId: "  ", amount: 1 }, asMerchant));
  expect(error).toMatchObject({ code: GrpcCode.INVALID_ARGUMENT, reason: "bad_request" });
  expect(error.message).toContain("orderId");
  expect(error.message).not.toContain("amount");
});

it("ends a call at its deadline and aborts the handler's signal", async () => {
  const error = await failureOf(client.capture({ id: "p1" }, { ...asMerchant, timeoutMs: 300 }));
  expect(error.code).toBe(GrpcCode.DEADLINE_EXCEEDED);
  await expect.poll(() => lastSignal?.aborted).toBe(true);
});

it("hides the cause of an internal error from the caller and its secrets from the log", async () => {
  const error = await failureOf(client.void({ id: "p1" }, asMerchant));
  expect(error).toMatchObject({ code: GrpcCode.INTERNAL, reason: "server_error", httpStatus: 500 });
  expect(error.message).not.toContain("ctok_");
  expect(logLines.join()).toContain("call failed");
  expect(logLines.join()).not.toContain("ctok_0123456789abcdef");
});

it("serves public methods without a credential, and still refuses none at all for others", async () => {
  expect((await client.listTokenTypes({})).supportedPrefixes).toEqual(["wsim_"]);
});

it("serves the same handlers over Connect, with the error word in a header", async () => {
  const transport = createConnectTransport({ baseUrl: connectUrl, httpVersion: "1.1" });
  const connect = createClient(Router, transport);
  const answer = await connect.authorize(order, { headers: { "x-api-key": "right" } });
  expect(answer.status).toBe("merchant");
  await expect(connect.authorize(order)).rejects.toMatchObject({ code: GrpcCode.UNAUTHENTICATED });
  const response = await fetch(`${connectUrl}/paymesh.router.v1.Router/Authorize`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(order),
  });
  expect(response.status).toBe(401);
  expect(response.headers.get("x-error-code")).toBe("unauthorized");
});

it("is unavailable, and says when to come back, while the queue for the database is full", async () => {
  const error = await failureOf(client.listPayments({}, asMerchant));
  expect(error).toMatchObject({ code: GrpcCode.UNAVAILABLE, reason: "unavailable", httpStatus: 503 });
  const response = await fetch(`${connectUrl}/paymesh.router.v1.Router/ListPayments`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-api-key": "right" },
    body: "{}",
  });
  expect([response.status, response.headers.get("retry-after")]).toEqual([503, "1"]);
});

it("answers an unknown method as unimplemented", async () => {
  const raw = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure());
  const error = await new Promise<{ code?: number } | null>((resolve) => {
    raw.makeUnaryRequest(
      "/paymesh.router.v1.Router/Nothing",
      (value: Buffer) => value,
      (bytes: Buffer) => bytes,
      Buffer.alloc(0),
      (failure) => resolve(failure),
    );
  });
  raw.close();
  expect(error?.code).toBe(GrpcCode.UNIMPLEMENTED);
});

it("refuses to join a service whose methods have no handler", () => {
  const { authorize: _, ...rest } = handlers();
  expect(() => implement(Router, rest as Handlers<typeof Router>)).toThrow(/Authorize has no handler/);
});

it("keeps a call in flight through a shutdown", async () => {
  let release = (): void => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const arrived = Promise.withResolvers<void>();
  const listTokenTypes = async () => {
    arrived.resolve();
    return await held.then(() => ({ notes: ["done"] }));
  };
  const slow = { ...handlers(), listTokenTypes };
  const other = await startRpcServer({
    service: "router",
    implementations: [implement(Router, slow)],
    authenticators,
    errorTable: genericErrors,
    log,
    host: "127.0.0.1",
    grpcPort: 0,
  });
  const otherClient = createRpcClient(Router, { address: `127.0.0.1:${other.port}`, serverName: "router" });
  const answer = otherClient.listTokenTypes({});
  await arrived.promise;
  const stopped = other.stop();
  release();
  expect((await answer).notes).toEqual(["done"]);
  await stopped;
  otherClient.close();
});

it("reaches a service with the first call after its return, however long it was gone", async () => {
  const implementations = [implement(Router, handlers())];
  const start = (grpcPort: number) =>
    startRpcServer({
      service: "router",
      implementations,
      authenticators,
      errorTable: genericErrors,
      log,
      host: "127.0.0.1",
      grpcPort,
    });
  const first = await start(0);
  const { port } = first;
  const caller = createRpcClient(Router, { address: `127.0.0.1:${port}`, serverName: "router" });
  const types = () => caller.listTokenTypes({});
  expect(await types()).toMatchObject({ supportedPrefixes: ["wsim_"] });
  await first.stop();
  // Refused again and again, as an outage of some seconds does to a caller that has work: the pause between two tries stays short.
  for (let asked = 0; asked < 4; asked += 1) {
    await expect(types()).rejects.toMatchObject({ code: GrpcCode.UNAVAILABLE });
  }
  const second = await start(port);
  expect(await types()).toMatchObject({ supportedPrefixes: ["wsim_"] });
  caller.close();
  await second.stop();
});

it("waits for a service that is gone no longer than its caller does", async () => {
  // Nothing listens on port 1.
  const caller = createRpcClient(Router, { address: "127.0.0.1:1", serverName: "router" });
  const failed: number[] = [];
  const ask = (options: { timeoutMs?: number; signal?: AbortSignal }) =>
    caller.listTokenTypes({}, options).catch((error: RpcError) => failed.push(error.code)); // it throws nothing else
  await ask({});
  await ask({ timeoutMs: 400 });
  expect(failed.splice(0)).toEqual([GrpcCode.UNAVAILABLE, GrpcCode.UNAVAILABLE]);
  const leaving = new AbortController();
  const asked = [ask({}), ask({ signal: leaving.signal }), ask({ signal: AbortSignal.abort() })];
  setImmediate(() => leaving.abort());
  await Promise.all(asked);
  expect(failed).toEqual([GrpcCode.CANCELLED, GrpcCode.CANCELLED, GrpcCode.UNAVAILABLE]);
  caller.close();
});

it("limits refused credentials by address, and says unavailable where the counters cannot be reached", async () => {
  const taken: string[] = [];
  let answer: () => Promise<{ allowed: boolean; retryAfterSeconds: number }> = async () => ({
    allowed: taken.length < 3,
    retryAfterSeconds: 7,
  });
  const limited = await startRpcServer({
    service: "router",
    implementations: [implement(Router, handlers())],
    authenticators,
    errorTable: genericErrors,
    log,
    limiter: {
      take: async (request) => {
        taken.push(`${request.class} ${request.key}`);
        return answer();
      },
    },
    host: "127.0.0.1",
    grpcPort: 0,
  });
  const caller = createRpcClient(Router, { address: `127.0.0.1:${limited.port}`, serverName: "router" });
  const guess = (): Promise<RpcError> => failureOf(caller.authorize(order, { headers: { "x-api-key": "guess" } }));
  expect((await guess()).httpStatus).toBe(401);
  expect((await guess()).httpStatus).toBe(401);
  expect(await guess()).toMatchObject({ httpStatus: 429, reason: "rate_limit_exceeded" });
  expect(new Set(taken)).toEqual(new Set(["refused address:127.0.0.1"]));
  answer = async () => {
    throw new Error("connection refused");
  };
  expect((await failureOf(caller.authorize(order, asMerchant))).httpStatus).toBe(503);
  caller.close();
  await limited.stop();
});
