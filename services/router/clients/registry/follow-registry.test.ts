import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createLogger } from "../../../platform/telemetry/logger.ts";
import { eventually } from "../../../platform/testing/eventually.ts";
import { createTestDatabase, type TestDatabase } from "../../../platform/testing/postgres.ts";
import { ManualClock } from "../../../platform/time/manual-clock.ts";
import { createSealedBox } from "../../../platform/vault/sealed-box.ts";
import { createRegistrySnapshotStore } from "../../storage/registry-snapshot-store.ts";
import type { RouterTables } from "../../storage/tables.ts";
import { migrations } from "../../testing/router-under-test.ts";
import { followRegistry, type RegistryFollower } from "./follow-registry.ts";
import { createRegistryPicture, type RegistryPicture } from "./registry-picture.ts";
import { RegistryStandIn } from "./registry-stand-in.ts";

const log = createLogger({ service: "router", level: "silent" });
const hash = Buffer.alloc(32, 7);

let database: TestDatabase;
let registry: RegistryStandIn;
let clock: ManualClock;
const following: RegistryFollower[] = [];

beforeEach(async () => {
  database = await createTestDatabase({ schema: "router", directory: migrations });
  registry = new RegistryStandIn();
  registry.putBank({ bsimId: "north-bank", apiBaseUrl: "http://north.example/api/" });
  registry.putMerchant("merchant-1", [hash]);
  clock = new ManualClock();
});

afterEach(async () => {
  for (const follower of following.splice(0)) await follower.stop();
  await database.drop();
});

async function follow(
  client: Pick<RegistryStandIn, "watchRegistry"> = registry,
  key = 1,
): Promise<{ picture: RegistryPicture; follower: RegistryFollower }> {
  const picture = createRegistryPicture();
  const box = createSealedBox({ keys: new Map([["k", Buffer.alloc(32, key)]]), currentKeyId: "k" });
  const snapshots = createRegistrySnapshotStore(database.open<RouterTables>(), box);
  const follower = await followRegistry({ client: client as never, picture, snapshots, clock, log });
  following.push(follower);
  return { picture, follower };
}

const dead: Pick<RegistryStandIn, "watchRegistry"> = {
  // biome-ignore lint/correctness/useYield: a stream that fails before its first event
  watchRegistry: async function* () {
    throw new Error("connection refused");
  },
};

describe("following the Registry", () => {
  it("fills the picture: banks by id and issuer without a doubled /api, merchants by the hash of their key", async () => {
    const { picture, follower } = await follow();
    expect(await follower.firstPicture(2_000)).toBe(true);
    expect(picture.bank("north-bank")).toMatchObject({
      apiBaseUrl: "http://north.example",
      apiKey: "key-of-north-bank",
      voidByKey: true,
    });
    expect(picture.bank("NORTH-BANK")).toBeUndefined();
    expect(picture.bankIdByIssuer("http://north.example/api//oidc")).toBe("north-bank");
    expect(picture.merchantKey(hash.toString("hex"))).toEqual({ merchantId: "merchant-1", keyId: "merchant-1-0" });
  });

  it("hears of a change, a revoked key included, at once", async () => {
    const { picture, follower } = await follow();
    await follower.firstPicture(2_000);
    registry.putBank({ bsimId: "maple-bank", apiBaseUrl: "http://maple.example", status: "maintenance" });
    registry.putMerchant("merchant-1", []);
    await eventually("the bank is known", () => picture.bank("maple-bank")?.status === "maintenance");
    await eventually("the key is gone", () => picture.merchantKey(hash.toString("hex")) === undefined);
  });

  it("drops what vanished while it was away, once the new snapshot is whole", async () => {
    const { picture, follower } = await follow();
    await follower.firstPicture(2_000);
    await eventually("the picture is kept", async () => (await kept()) !== undefined);
    await follower.stop();
    registry.dropBank("north-bank");
    registry.putBank({ bsimId: "maple-bank", apiBaseUrl: "http://maple.example" });
    const again = await follow();
    expect(again.picture.bank("north-bank")).toBeDefined();
    await eventually("the new picture", () => again.picture.bank("maple-bank") !== undefined);
    await eventually("the old bank is gone", () => again.picture.bank("north-bank") === undefined);
    expect(picture.bank("north-bank")).toBeDefined();
  });

  it("starts from the kept picture when the Registry is dead, and counts its banks as healthy", async () => {
    registry.putBank({ bsimId: "north-bank", apiBaseUrl: "http://north.example", health: "unhealthy" });
    const { picture, follower } = await follow();
    await follower.firstPicture(2_000);
    expect(picture.bank("north-bank")?.healthy).toBe(false);
    await follower.stop();
    const later = await follow(dead);
    expect(later.follower.isUsable()).toBe(true);
    expect(later.picture.bank("north-bank")).toMatchObject({ healthy: true, apiKey: "key-of-north-bank" });
    expect(later.picture.merchantKey(hash.toString("hex"))?.merchantId).toBe("merchant-1");
  });

  it("is not usable with neither a Registry nor a kept picture that opens", async () => {
    const { follower } = await follow();
    await follower.firstPicture(2_000);
    await follower.stop();
    const otherKey = await follow(dead, 2);
    expect(otherKey.follower.isUsable()).toBe(false);
    expect(await otherKey.follower.firstPicture(50)).toBe(false);
    expect(otherKey.picture.rows().banks).toEqual([]);
  });

  it("keeps the Registry's word on health for a minute after it fell silent", async () => {
    const { follower } = await follow();
    await follower.firstPicture(2_000);
    clock.advance(59_000);
    expect(follower.isHealthKnown()).toBe(true);
    clock.advance(1_000);
    expect(follower.isHealthKnown()).toBe(false);
  });
});

async function kept(): Promise<unknown> {
  return database.open<RouterTables>().query.selectFrom("registry_snapshot").selectAll().executeTakeFirst();
}
