import { DomainError } from "../../../platform/errors/domain-error.ts";
import type { Logger } from "../../../platform/telemetry/logger.ts";
import type { Clock } from "../../../platform/time/clock.ts";
import type { Connector } from "../../connectors/connector.ts";
import type { Institution } from "../../connectors/provider-data.ts";
import { ProviderError } from "../../connectors/provider-error.ts";
import { failureFacts, useFailure } from "../../flows/provider-failure.ts";

const keptMs = 10 * 60_000;
const failureKeptMs = 30_000;
const timeoutMs = 5_000;
const searchLengthMax = 60;
/** Without a search a page is no telephone book. */
const shownMax = 8;
const foundMax = 30;

/** What can be connected through one provider. */
export interface ProviderOffer {
  readonly connector: string;
  readonly displayName: string;
  /** Whether the provider's own page can ask which institution. */
  readonly asksItself: boolean;
  /** Undefined while the provider cannot say. */
  readonly institutions: readonly Institution[] | undefined;
  /** How many more there are. */
  readonly more: number;
}

/** The institutions of every provider whose connections a person makes here. */
export interface InstitutionShelf {
  /** Those whose names have every word of `search`; a few of each when it is empty. Never throws for a list that fails. */
  offers(search: string): Promise<readonly ProviderOffer[]>;
}

interface Kept {
  readonly untilMs: number;
  readonly institutions: Promise<readonly Institution[] | undefined>;
}

/** Keeps the lists of institutions for ten minutes: they are the same for everybody, and asked for with every page. */
export function createInstitutionShelf(parts: {
  readonly connectors: readonly Connector[];
  readonly clock: Clock;
  readonly log: Pick<Logger, "warn" | "error">;
}): InstitutionShelf {
  const { connectors, clock, log } = parts;
  const kept = new Map<string, Kept>();

  const ask = async (connector: Connector): Promise<readonly Institution[] | undefined> => {
    try {
      return await connector.listInstitutions({ now: clock.now(), timeoutMs, signal: AbortSignal.timeout(timeoutMs) });
    } catch (error) {
      // A fault of ours takes this list away, not a person's view of his connections.
      const isOurs = useFailure(error) === undefined;
      const told = error instanceof ProviderError ? failureFacts(error) : { err: error };
      log[isOurs ? "error" : "warn"]({ connector: connector.name, ...told }, "institutions not listed");
      const retry = { untilMs: clock.now().getTime() + failureKeptMs, institutions: Promise.resolve(undefined) };
      kept.set(connector.name, retry);
      return undefined;
    }
  };

  const listOf = (connector: Connector): Promise<readonly Institution[] | undefined> => {
    const nowMs = clock.now().getTime();
    const found = kept.get(connector.name);
    if (found !== undefined && found.untilMs > nowMs && found.untilMs <= nowMs + keptMs) return found.institutions;
    const institutions = ask(connector);
    kept.set(connector.name, { untilMs: nowMs + keptMs, institutions });
    return institutions;
  };

  return {
    offers: (search) =>
      Promise.all(connectors.map(async (connector) => offerOf(connector, await listOf(connector), search))),
  };
}

async function offerOf(
  connector: Connector,
  all: readonly Institution[] | undefined,
  search: string,
): Promise<ProviderOffer> {
  const words = search.slice(0, searchLengthMax).toLowerCase().split(/\s+/);
  const matching = all?.filter(({ name }) => words.every((word) => name.toLowerCase().includes(word)));
  const institutions = matching?.slice(0, search.trim() === "" ? shownMax : foundMax);
  return {
    connector: connector.name,
    displayName: connector.displayName,
    asksItself: await mayBegin(connector, ""),
    institutions,
    more: (matching?.length ?? 0) - (institutions?.length ?? 0),
  };
}

async function mayBegin(connector: Connector, institutionId: string): Promise<boolean> {
  try {
    await connector.check(institutionId, "begin");
    return true;
  } catch (error) {
    if (error instanceof DomainError) return false;
    throw error;
  }
}
