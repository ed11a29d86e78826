import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { Router } from "../../../gen/es/paymesh/router/v1/router_pb.js";
import type { Database } from "../db/open-database.ts";
import { DomainError } from "../errors/domain-error.ts";
import { genericErrors } from "../errors/error-table.ts";
import { createRateLimiter } from "../limits/rate-limiter.ts";
import { createLogger } from "../telemetry/logger.ts";
import { createTestDatabase, type TestDatabase } from "../testing/postgres.ts";
import { setUp } from "../testing/set-up.ts";
import type { Authenticators } from "./authenticate.ts";
import type { CallContext } from "./call-context.ts";
import { createRpcClient, type RpcClient } from "./client.ts";
import { type RpcServer, startRpcServer } from "./grpc-server.ts";
import { type Handlers, implement } from "./service-implementation.ts";

const windowMs = 60_000;
const adminLimit = 300;

let database: TestDatabase;
let db: Database<never>;
let servers: RpcServer[];
let clients: RpcClient<typeof Router>[];
let served = 0;

const authenticators: Authenticators = {
  operator: async (ctx) => ({ kind: "operator", name: ctx.header("x-admin-key") ?? "" }),
};

/** Answers the operators' list, and counts how often it was let through. */
function handlers(): Handlers<typeof Router> {
  const refuse = async (): Promise<never> => {
    throw new DomainError("NOT_FOUND");
  };
  const count = async (_request: unknown, _ctx: CallContext) => {
    served += 1;
    return {};
  };
  return {
    ...{ authorize: refuse, capture: refuse, void: refuse, refund: refuse, getPayment: refuse, listPayments: refuse },
    ...{ analyzeToken: refuse, listTokenTypes: refuse, getHealth: refuse, getReadiness: refuse },
    resolveReconciliation: refuse,
    listReconciliation: count,
  };
}

setUp(async () => {
  served = 0;
  database = await createTestDatabase({
    schema: "limited",
    directory: new URL("../limits/test-migrations/", import.meta.url),
  });
  db = database.open();
  const log = createLogger({ service: "test", level: "silent" });
  servers = await Promise.all(
    [1, 2].map(() =>
      startRpcServer({
        service: "router",
        implementations: [implement(Router, handlers())],
        authenticators,
        errorTable: genericErrors,
        limiter: createRateLimiter({ db }),
        log,
        host: "127.0.0.1",
        grpcPort: 0,
      }),
    ),
  );
  clients = servers.map(({ port }) => createRpcClient(Router, { address: `127.0.0.1:${port}`, serverName: "router" }));
  // All calls have to fall into one window, which starts with the minute.
  const left = windowMs - (Date.now() % windowMs);
  if (left < 8_000) await sleep(left);
  return async () => {
    for (const client of clients) client.close();
    await Promise.all(servers.map((server) => server.stop()));
    await database.drop();
  };
});

it("serves one caller as often as the policy of the method says, over all replicas, and others all the same", async () => {
  const call = (index: number, name: string) =>
    clients[index % 2]?.listReconciliation({}, { headers: { "x-admin-key": name } }).then(
      () => "served",
      (error: { reason?: string }) => error.reason,
    );
  const outcomes = await Promise.all(Array.from({ length: adminLimit + 40 }, (_, index) => call(index, "ann")));
  expect(outcomes.filter((outcome) => outcome === "served")).toHaveLength(adminLimit);
  expect(outcomes.filter((outcome) => outcome === "rate_limit_exceeded")).toHaveLength(40);
  expect(served).toBe(adminLimit);
  expect(await call(0, "bob")).toBe("served");
});
