import type { MessageShape } from "@bufbuild/protobuf";
import {
  Registry,
  type WatchedMerchant,
  type WatchRegistryResponseSchema,
} from "../../../gen/es/paymesh/registry/v1/registry_pb.js";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { createRpcClient } from "../../platform/rpc/client.ts";
import { followStream } from "../../platform/rpc/follow-stream.ts";
import type { MerchantKey, MerchantKeys } from "../../platform/rpc/merchant-authenticator.ts";
import type { Logger } from "../../platform/telemetry/logger.ts";
import type { MeshTls } from "../../platform/tls/load-mesh-tls.ts";
import type { Bank, BankDirectory } from "../domain/bank.ts";

// The Registry sends a keep-alive every five seconds.
const staleAfterMs = 15_000;

/** Where the Registry is. */
export interface BankDirectoryOptions {
  /** `host:port`. */
  readonly address: string;
  readonly tls?: MeshTls;
  readonly log: Logger;
}

/** Banks and merchants' keys of the Registry, kept in memory from its watch stream; what was known last survives a dead Registry. */
export interface WatchedBankDirectory extends BankDirectory, MerchantKeys {
  /** Whether a whole snapshot has arrived since the start. */
  isReady(): boolean;
  stop(): Promise<void>;
}

/** Follows the Registry until stopped. */
export function watchBanks(options: BankDirectoryOptions): WatchedBankDirectory {
  const { address, tls, log } = options;
  const client = createRpcClient(Registry, { address, serverName: "registry", ...(tls === undefined ? {} : { tls }) });
  let rows = emptyRows();
  let snapshot: Rows | undefined = emptyRows();
  let keys: ReadonlyMap<string, MerchantKey> = new Map();
  let ready = false;

  const onEvent = (response: MessageShape<typeof WatchRegistryResponseSchema>): void => {
    const { event } = response;
    if (event.case === "bank" && event.value.bank !== undefined) {
      const bank = toBank(event.value.bank);
      (snapshot ?? rows).banks.set(bank.bankId, bank);
    }
    if (event.case === "merchant") {
      (snapshot ?? rows).merchants.set(event.value.merchantId, event.value);
      if (snapshot === undefined) keys = keysOf(rows);
    }
    if (event.case === "snapshotComplete" && snapshot !== undefined) {
      // Replaced as a whole: what the snapshot did not name is gone.
      rows = snapshot;
      keys = keysOf(rows);
      snapshot = undefined;
      ready = true;
    }
  };

  const following = followStream({
    label: "registry",
    open: (signal) => client.watchRegistry({}, { signal }),
    onEvent,
    onDisconnect: () => {
      snapshot = emptyRows();
    },
    staleAfterMs,
    log,
  });
  const known = (): ReadonlyMap<string, Bank> => {
    if (!ready) throw new DomainError("PROVIDER_UNAVAILABLE");
    return rows.banks;
  };
  return {
    find: (bankId) => known().get(bankId),
    list: () => [...known().values()],
    // Before the first snapshot nobody is known: a firm is refused rather than believed.
    merchantKey: (hashHex) => keys.get(hashHex),
    isReady: () => ready,
    stop: async () => {
      await following.stop();
      client.close();
    },
  };
}

/** The rows of one snapshot and the changes since. */
interface Rows {
  readonly banks: Map<string, Bank>;
  readonly merchants: Map<string, WatchedMerchant>;
}

function emptyRows(): Rows {
  return { banks: new Map(), merchants: new Map() };
}

/** By hash, in hex; a merchant that is not active has no key that counts. */
function keysOf({ merchants }: Rows): ReadonlyMap<string, MerchantKey> {
  const active = [...merchants.values()].filter((each) => each.status === "active");
  return new Map(
    active.flatMap(({ merchantId, keys }) =>
      keys.map(({ keyId, hash }) => [Buffer.from(hash).toString("hex"), { merchantId, keyId }] as const),
    ),
  );
}

type WatchedBank = NonNullable<
  Extract<MessageShape<typeof WatchRegistryResponseSchema>["event"], { case: "bank" }>["value"]["bank"]
>;

function toBank(bank: WatchedBank): Bank {
  return {
    bankId: bank.bsimId,
    name: bank.name,
    issuer: bank.authServerUrl,
    apiUrl: bank.apiBaseUrl === "" ? undefined : bank.apiBaseUrl,
    openBankingUrl: bank.openBankingUrl,
    status: bank.status,
    health: bank.health,
    walletEnrollmentSupported: bank.walletEnrollmentSupported,
  };
}
