import type { MessageShape } from "@bufbuild/protobuf";
import { z } from "zod";
import {
  Registry,
  type WatchedBankSchema,
  type WatchedOauthClientSchema,
  type WatchRegistryResponseSchema,
} from "../../../gen/es/paymesh/registry/v1/registry_pb.js";
import type { Database } from "../../platform/db/open-database.ts";
import { createRpcClient } from "../../platform/rpc/client.ts";
import { followStream } from "../../platform/rpc/follow-stream.ts";
import type { Logger } from "../../platform/telemetry/logger.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { MeshTls } from "../../platform/tls/load-mesh-tls.ts";
import { deleteSnapshotRow, readSnapshot, writeSnapshotRows } from "../storage/registry-snapshot-store.ts";
import type { WalletTables } from "../storage/tables.ts";
import type { BankDirectory } from "./bank-directory.ts";
import type { OauthClientDirectory } from "./oauth-clients.ts";

/** The Registry says something at least every five seconds. */
const staleAfterMs = 15_000;

const bankShape = z.object({
  bsimId: z.string(),
  name: z.string(),
  logoUrl: z.string().optional(),
  enrollable: z.boolean(),
});
const oauthClientShape = z.object({
  clientId: z.string(),
  name: z.string(),
  redirectUris: z.array(z.string()),
  postLogoutRedirectUris: z.array(z.string()),
  scopes: z.array(z.string()),
  merchantId: z.string(),
  active: z.boolean(),
  /** Keyed hashes, hex. */
  secretHashes: z.array(z.string()),
});

type StoredBank = z.infer<typeof bankShape>;
type StoredOauthClient = z.infer<typeof oauthClientShape>;
type WatchEvent = MessageShape<typeof WatchRegistryResponseSchema>;

/** Banks and OAuth clients, from memory; `stop` ends the watch. */
export interface RegistryDirectory extends BankDirectory, OauthClientDirectory {
  /** Whether the Registry has told everything once, or the last good snapshot stands in. */
  isKnown(): boolean;
  stop(): Promise<void>;
}

export interface RegistryDirectoryOptions {
  readonly address: string;
  readonly tls?: MeshTls | undefined;
  readonly db: Database<WalletTables>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Starts from the snapshot in the database, then follows the Registry. A Registry that is down stops changes alone. */
export async function openRegistryDirectory(options: RegistryDirectoryOptions): Promise<RegistryDirectory> {
  const memory = new DirectoryMemory();
  for (const row of await readSnapshot(options.db.query)) memory.restore(row.kind, row.id, row.body);
  const client = createRpcClient(Registry, {
    address: options.address,
    serverName: "registry",
    ...(options.tls === undefined ? {} : { tls: options.tls }),
  });
  let seen = new Set<string>();
  let synced = false;
  const watch = followStream<WatchEvent>({
    label: "registry",
    log: options.log,
    staleAfterMs,
    open: (signal) => {
      seen = new Set();
      return client.watchRegistry({}, { signal });
    },
    onEvent: async ({ revision, event }) => {
      if (event.case === "bank" || event.case === "oauthClient") {
        const row = event.case === "bank" ? bankRow(event.value) : oauthClientRow(event.value);
        if (row === undefined) return;
        seen.add(`${row.kind}:${row.id}`);
        memory.apply(row);
        await writeSnapshotRows(options.db.query, [{ ...row, revision }], options.clock.now());
      }
      if (event.case === "snapshotComplete") {
        synced = true;
        const { closed, gone } = memory.dropUnseen(seen);
        const rows = closed.map((row) => ({ ...row, revision }));
        await writeSnapshotRows(options.db.query, rows, options.clock.now());
        for (const id of gone) await deleteSnapshotRow(options.db.query, "oauth_client", id);
      }
    },
  });
  return {
    bank: (bsimId) => memory.bank(bsimId),
    enrollableBanks: () => memory.enrollableBanks(),
    find: (clientId) => memory.findClient(clientId),
    isKnown: () => synced || memory.isKnown(),
    stop: async () => {
      await watch.stop();
      client.close();
    },
  };
}

type DirectoryRow =
  | { readonly kind: "bank"; readonly id: string; readonly body: StoredBank }
  | { readonly kind: "oauth_client"; readonly id: string; readonly body: StoredOauthClient };

class DirectoryMemory {
  readonly #banks = new Map<string, StoredBank>();
  readonly #clients = new Map<string, StoredOauthClient>();

  apply(row: DirectoryRow): void {
    if (row.kind === "bank") this.#banks.set(row.id, row.body);
    else this.#clients.set(row.id, row.body);
  }

  /** Takes a row of the stored snapshot; one an older release wrote differently waits for the Registry. */
  restore(kind: DirectoryRow["kind"], id: string, body: unknown): void {
    const parsed = kind === "bank" ? bankShape.safeParse(body) : oauthClientShape.safeParse(body);
    if (parsed.success) this.apply({ kind, id, body: parsed.data } as DirectoryRow); // parsed by the shape of its kind
  }

  /**
   * After a whole snapshot: a bank that was not named cannot be enrolled any more (`closed`), but people who have it still
   * see its name; clients that were not named are `gone`.
   */
  dropUnseen(seen: ReadonlySet<string>): { readonly closed: DirectoryRow[]; readonly gone: string[] } {
    const closed: DirectoryRow[] = [...this.#banks]
      .filter(([id, bank]) => bank.enrollable && !seen.has(`bank:${id}`))
      .map(([id, bank]) => ({ kind: "bank", id, body: { ...bank, enrollable: false } }));
    for (const row of closed) this.apply(row);
    const gone = [...this.#clients.keys()].filter((id) => !seen.has(`oauth_client:${id}`));
    for (const id of gone) this.#clients.delete(id);
    return { closed, gone };
  }

  bank(bsimId: string) {
    const bank = this.#banks.get(bsimId);
    return bank === undefined ? undefined : { ...bank, logoUrl: bank.logoUrl };
  }

  enrollableBanks() {
    return [...this.#banks.values()]
      .filter((bank) => bank.enrollable)
      .map((bank) => ({ ...bank, logoUrl: bank.logoUrl }))
      .sort((left, right) => left.name.localeCompare(right.name, "en"));
  }

  findClient(clientId: string) {
    const client = this.#clients.get(clientId);
    if (client === undefined || !client.active) return undefined;
    return { ...client, secretHashes: client.secretHashes.map((hash) => Buffer.from(hash, "hex")) };
  }

  isKnown(): boolean {
    return this.#banks.size > 0 || this.#clients.size > 0;
  }
}

function bankRow({ bank }: MessageShape<typeof WatchedBankSchema>): DirectoryRow | undefined {
  if (bank === undefined) return undefined;
  const { bsimId, name, logoUrl, status, walletEnrollmentSupported } = bank;
  const enrollable = status === "active" && walletEnrollmentSupported;
  return { kind: "bank", id: bsimId, body: { bsimId, name, enrollable, ...(logoUrl ? { logoUrl } : {}) } };
}

function oauthClientRow(watched: MessageShape<typeof WatchedOauthClientSchema>): DirectoryRow | undefined {
  const { client, secrets } = watched;
  if (client === undefined) return undefined;
  const { clientId, name, redirectUris, postLogoutRedirectUris, scopes, merchantId, status } = client;
  return {
    kind: "oauth_client",
    id: clientId,
    body: {
      clientId,
      name,
      redirectUris,
      postLogoutRedirectUris,
      scopes,
      merchantId: merchantId === "" ? clientId : merchantId,
      active: status === "active",
      secretHashes: secrets.map((secret) => Buffer.from(secret.hash).toString("hex")),
    },
  };
}
