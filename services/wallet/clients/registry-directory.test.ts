import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Registry, type WatchRegistryResponseSchema } from "../../../gen/es/paymesh/registry/v1/registry_pb.js";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { genericErrors } from "../../platform/errors/error-table.ts";
import type { CallContext } from "../../platform/rpc/call-context.ts";
import { startRpcServer } from "../../platform/rpc/grpc-server.ts";
import { type Handlers, implement } from "../../platform/rpc/service-implementation.ts";
import { createLogger } from "../../platform/telemetry/logger.ts";
import { eventually } from "../../platform/testing/eventually.ts";
import { createTestDatabase, type TestDatabase } from "../../platform/testing/postgres.ts";
import { systemClock } from "../../platform/time/clock.ts";
import { ensureAuthority } from "../../platform/tls/authority.ts";
import { loadMeshTls } from "../../platform/tls/load-mesh-tls.ts";
import type { WalletTables } from "../storage/tables.ts";
import { openRegistryDirectory } from "./registry-directory.ts";

type WatchEvent = MessageInitShape<typeof WatchRegistryResponseSchema>;

const log = createLogger({ service: "test", level: "silent" });
let database: TestDatabase;
let certificates: string;

beforeAll(async () => {
  certificates = await mkdtemp(join(tmpdir(), "paymesh-directory-test-"));
  await ensureAuthority({ directory: certificates, services: ["registry", "wallet"] });
  const directory = new URL("../storage/migrations/", import.meta.url);
  database = await createTestDatabase({ schema: "wallet", directory });
});
afterAll(async () => {
  await database.drop();
  await rm(certificates, { recursive: true, force: true });
});

const tlsOf = (service: string) =>
  loadMeshTls({
    certFile: join(certificates, `${service}.pem`),
    keyFile: join(certificates, `${service}.key`),
    caFile: join(certificates, "ca.pem"),
  });

/** A Registry that sends what a test says, then stays silent. */
async function startRegistry(events: readonly WatchEvent[]) {
  const refuse = async (): Promise<never> => {
    throw new DomainError("NOT_FOUND");
  };
  const unused = Object.fromEntries(Registry.methods.map((method) => [method.localName, refuse]));
  const handlers = {
    ...unused,
    watchRegistry: async function* (_request: unknown, ctx: CallContext) {
      yield* events;
      await sleep(60_000, undefined, { signal: ctx.signal }).catch(() => undefined);
    },
  } as unknown as Handlers<typeof Registry>; // every other method is refused above
  return await startRpcServer({
    service: "registry",
    implementations: [implement(Registry, handlers)],
    authenticators: {},
    errorTable: genericErrors,
    log,
    tls: await tlsOf("registry"),
    host: "127.0.0.1",
    grpcPort: 0,
  });
}

const bank = (bsimId: string, change: object = {}): WatchEvent => ({
  revision: 1n,
  event: {
    case: "bank",
    value: { bank: { bsimId, name: `The ${bsimId}`, status: "active", walletEnrollmentSupported: true, ...change } },
  },
});
const merchant: WatchEvent = {
  revision: 1n,
  event: {
    case: "oauthClient",
    value: {
      client: {
        clientId: "shop",
        name: "Shop",
        redirectUris: ["http://shop/cb"],
        scopes: ["openid"],
        status: "active",
      },
      secrets: [{ keyId: "k1", hash: new Uint8Array([1, 2, 255]) }],
    },
  },
};
const snapshotComplete: WatchEvent = { revision: 1n, event: { case: "snapshotComplete", value: {} } };

async function open(port: number) {
  const db = database.open<WalletTables>();
  return await openRegistryDirectory({
    address: `127.0.0.1:${port}`,
    tls: await tlsOf("wallet"),
    db,
    clock: systemClock,
    log,
  });
}

it("knows banks and merchants from the watch, and after a restart without any Registry", async () => {
  const paused = bank("paused", { status: "maintenance" });
  const closed = bank("closed", { walletEnrollmentSupported: false });
  const registry = await startRegistry([bank("north"), paused, closed, merchant, snapshotComplete]);
  const directory = await open(registry.port);
  await eventually("the shop is known", () => directory.find("shop") !== undefined);
  expect(directory.enrollableBanks().map((one) => one.bsimId)).toEqual(["north"]);
  expect(directory.bank("paused")).toMatchObject({ name: "The paused", enrollable: false });
  expect(directory.find("shop")).toMatchObject({ merchantId: "shop", secretHashes: [Buffer.from([1, 2, 255])] });
  await directory.stop();
  await registry.stop();
  const alone = await open(registry.port);
  expect(alone.isKnown()).toBe(true);
  expect(alone.enrollableBanks().map((one) => one.bsimId)).toEqual(["north"]);
  expect(alone.find("shop")).toMatchObject({ secretHashes: [Buffer.from([1, 2, 255])] });
  await alone.stop();
});

it("drops a merchant the Registry names no more and stops offering a bank that is gone, but keeps its name", async () => {
  const registry = await startRegistry([bank("south"), snapshotComplete]);
  const directory = await open(registry.port);
  await eventually(
    "the new picture",
    () => directory.bank("south") !== undefined && directory.find("shop") === undefined,
  );
  await eventually("the bank can be enrolled", () => directory.enrollableBanks().length === 1);
  expect(directory.enrollableBanks().map((one) => one.bsimId)).toEqual(["south"]);
  expect(directory.bank("north")?.name).toBe("The north");
  await directory.stop();
  await registry.stop();
  const alone = await open(registry.port);
  expect(alone.enrollableBanks().map((one) => one.bsimId)).toEqual(["south"]);
  expect(alone.find("shop")).toBeUndefined();
  await alone.stop();
});
