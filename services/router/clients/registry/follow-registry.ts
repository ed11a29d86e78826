import type { Registry, WatchRegistryResponse } from "../../../../gen/es/paymesh/registry/v1/registry_pb.js";
import type { RpcClient } from "../../../platform/rpc/client.ts";
import { followStream } from "../../../platform/rpc/follow-stream.ts";
import type { Logger } from "../../../platform/telemetry/logger.ts";
import type { Clock } from "../../../platform/time/clock.ts";
import type { RegistrySnapshotStore } from "../../storage/registry-snapshot-store.ts";
import { readPicture, writePicture } from "./picture-text.ts";
import { bankOf, merchantOf } from "./registry-event.ts";
import type { RegistryPicture } from "./registry-picture.ts";

/** Three keep-alives of the Registry: a stream silent for so long is dead. */
const staleAfterMs = 15_000;
/** Changes that come together are kept together. */
const saveAfterMs = 200;
/** After this without the Registry a bank it had found down is tried again: nobody else could tell of its return. */
const healthKeepsMs = 60_000;

/** What the follower works with. */
export interface FollowRegistryOptions {
  readonly client: Pick<RpcClient<typeof Registry>, "watchRegistry">;
  readonly picture: RegistryPicture;
  readonly snapshots: RegistrySnapshotStore;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Follows the Registry until stopped. */
export interface RegistryFollower {
  /** Whether there is a picture to decide by: the Registry's own, or the one kept from before. */
  isUsable(): boolean;
  /** Whether the Registry's word on the banks' health is fresh: now, or until a minute ago. */
  isHealthKnown(): boolean;
  /** Waits for the first picture, for at most `timeoutMs`; true when there is one. */
  firstPicture(timeoutMs: number): Promise<boolean>;
  stop(): Promise<void>;
}

/**
 * Starts from the kept picture, then follows the Registry's watch. Every whole picture and every change is kept, sealed,
 * so that a Router that starts while the Registry is dead routes by the last good state.
 */
export async function followRegistry(options: FollowRegistryOptions): Promise<RegistryFollower> {
  const { picture, log } = options;
  const first = Promise.withResolvers<boolean>();
  let usable = await loadKept(options);
  if (usable) first.resolve(true);
  const saver = createSaver(options);
  let applier = createApplier(picture);
  let heardAtMs = 0;
  const follower = followStream<WatchRegistryResponse>({
    label: "registry",
    log,
    staleAfterMs,
    open: (signal) => {
      applier = createApplier(picture);
      return options.client.watchRegistry({}, { signal });
    },
    onEvent: (message) => {
      heardAtMs = options.clock.now().getTime();
      const whole = applier.apply(message);
      if (!whole) return;
      usable = true;
      first.resolve(true);
      if (message.event.case !== "keepalive") saver.save(message.revision);
    },
  });
  return {
    isUsable: () => usable,
    isHealthKnown: () => options.clock.now().getTime() - heardAtMs < healthKeepsMs,
    firstPicture: (timeoutMs) => within(first.promise, timeoutMs),
    stop: async () => {
      await follower.stop();
      await saver.flush();
    },
  };
}

async function loadKept(options: FollowRegistryOptions): Promise<boolean> {
  try {
    const text = await options.snapshots.load();
    if (text === undefined) return false;
    const rows = readPicture(text);
    for (const bank of rows.banks) options.picture.putBank(bank);
    for (const merchant of rows.merchants) options.picture.putMerchant(merchant);
    return true;
  } catch (error) {
    // Sealed under another key, or written by another release: the Registry itself will tell.
    options.log.warn({ err: error }, "the kept picture of the registry is not usable");
    return false;
  }
}

/** Applies the events of one connection; `apply` is true once its snapshot is complete. */
function createApplier(picture: RegistryPicture): { apply(message: WatchRegistryResponse): boolean } {
  const bankIds = new Set<string>();
  const merchantIds = new Set<string>();
  let whole = false;
  return {
    apply: ({ event }) => {
      switch (event.case) {
        case "bank": {
          const bank = bankOf(event.value);
          if (bank === undefined) break;
          bankIds.add(bank.bankId);
          picture.putBank(bank);
          break;
        }
        case "merchant":
          merchantIds.add(event.value.merchantId);
          picture.putMerchant(merchantOf(event.value));
          break;
        case "snapshotComplete":
          // Once for each connection: rows that vanished while we were away are gone now.
          if (!whole) picture.keepOnly(bankIds, merchantIds);
          whole = true;
          break;
        default:
          // OAuth clients are the wallet's; keep-alives and events of a newer Registry say nothing here.
          break;
      }
      return whole;
    },
  };
}

function createSaver(options: FollowRegistryOptions): { save(revision: bigint): void; flush(): Promise<void> } {
  let timer: NodeJS.Timeout | undefined;
  let latest: bigint | undefined;
  let saving: Promise<void> = Promise.resolve();
  const write = (): void => {
    timer = undefined;
    const revision = latest;
    if (revision === undefined) return;
    latest = undefined;
    const text = writePicture(options.picture.rows());
    saving = saving
      .then(() => options.snapshots.save(text, revision, options.clock.now()))
      .catch((error: unknown) => options.log.warn({ err: error }, "the picture of the registry was not kept"));
  };
  return {
    save: (revision) => {
      latest = revision;
      timer ??= setTimeout(write, saveAfterMs);
    },
    flush: async () => {
      clearTimeout(timer);
      write();
      await saving;
    },
  };
}

async function within(promise: Promise<boolean>, timeoutMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), timeoutMs);
  });
  const result = await Promise.race([promise, late]);
  clearTimeout(timer);
  return result;
}
