import { auditEntries } from "./audit-verify.ts";
import type { Storage } from "./storage.ts";

/** Which entries are wanted; everything unless told. */
export interface ExportRange {
  readonly tenant?: string | undefined;
  /** Of acts at or after this time. */
  readonly from?: Date | undefined;
  /** Of acts before this time. */
  readonly to?: Date | undefined;
}

/** An entry as it is exported: all that its hash covers, and the hash. */
export type ExportedEntry = Readonly<Record<string, unknown>>;

/** Entries chain by chain, each in its order; entries that come meanwhile may or may not be among them. */
export async function* exportEntries(db: Storage["db"], range: ExportRange): AsyncGenerator<ExportedEntry> {
  let chains = db.query.selectFrom("audit_chains").select(["tenant", "chain"]).orderBy("tenant").orderBy("chain");
  if (range.tenant !== undefined) chains = chains.where("tenant", "=", range.tenant);
  for (const chain of await chains.execute()) {
    for await (const { entry, stored } of auditEntries(db.query, chain)) {
      const isWanted =
        (range.from === undefined || entry.at >= range.from) && (range.to === undefined || entry.at < range.to);
      if (!isWanted) continue;
      yield {
        ...entry,
        sequence: entry.sequence.toString(),
        at: entry.at.toISOString(),
        ownerHash: Buffer.from(entry.ownerHash).toString("hex"),
        details: detailsOf(entry.details),
        hash: Buffer.from(stored).toString("hex"),
      };
    }
  }
}

/** Altered details are shown as the text they are. */
function detailsOf(details: string): unknown {
  try {
    return JSON.parse(details);
  } catch {
    return details;
  }
}
