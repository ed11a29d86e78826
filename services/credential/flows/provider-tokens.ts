import { setTimeout as pause } from "node:timers/promises";
import { inTransaction } from "../../platform/db/transaction.ts";
import { keyedHash } from "../../platform/secrets/keyed-hash.ts";
import type { Logger } from "../../platform/telemetry/logger.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { ProviderCall } from "../connectors/connector.ts";
import { ProviderError } from "../connectors/provider-error.ts";
import type { ProviderTokenPolicy, ProviderTokens } from "../connectors/provider-tokens.ts";
import { jobActor } from "../domain/audit.ts";
import { mintRetryMs, mintsAllowed } from "../domain/mint-schedule.ts";
import { appendAudit } from "../storage/audit-store.ts";
import {
  claimMint,
  failMint,
  forgetToken,
  isToken,
  openToken,
  type ProviderTokenState,
  readTokenState,
  storeToken,
  tokenOwner,
} from "../storage/provider-token-store.ts";
import type { Storage } from "../storage/storage.ts";
import { failureFacts } from "./provider-failure.ts";
import { savePatiently } from "./save-patiently.ts";

const pollMs = 50;
// Longer than a mint with its patience of saving: whoever is over it has died.
const leaseMarginMs = 15_000;
// A provider that refuses every token it gives must not be made to give thousands.
const betweenMintsMs = 2_000;

/** What the engine works with. */
export interface ProviderTokenParts {
  readonly storage: Storage;
  readonly log: Logger;
  readonly clock: Clock;
  /** Names this process in the lease. */
  readonly holder: string;
}

/** What a replica has opened once need not be opened, and audited, for every request; which one is in force is asked each time. */
interface OpenedToken {
  readonly epoch: number;
  readonly text: string;
}

type Parts = ProviderTokenParts & { readonly opened: Map<string, OpenedToken> };

interface TokenWork {
  readonly name: string;
  readonly policy: ProviderTokenPolicy;
  readonly call: ProviderCall;
}

/** Makes the tokens of the installation: rows in the database decide, so any number of replicas share each token and each mint. */
export function createProviderTokens(given: ProviderTokenParts): ProviderTokens {
  const parts = { ...given, opened: new Map<string, OpenedToken>() };
  return {
    get: async (name, policy, call) => {
      const work = { name, policy, call };
      const endsAtMs = performance.now() + call.timeoutMs;
      do {
        call.signal?.throwIfAborted();
        const state = await readTokenState(parts.storage.db.query, name);
        const token = await tokenFrom(parts, state, work);
        if (token !== undefined) return token;
        await pause(pollMs, undefined, { signal: call.signal });
      } while (performance.now() < endsAtMs);
      throw new ProviderError("unavailable", { detail: "nobody minted in time" });
    },
    reject: async (name, token) => {
      const { storage } = parts;
      const state = await readTokenState(storage.db.query, name);
      if (state.token === undefined || !(await isToken(storage, { name, token: state.token }, token))) return;
      const { epoch } = state.token;
      await inTransaction(storage.db, async (tx) => {
        const forgotten = await forgetToken(tx, { name, epoch, waitMs: betweenMintsMs });
        if (forgotten === undefined) return;
        await appendAudit(
          storage,
          tx,
          { owner: tokenOwner, actor: jobActor("provider-tokens"), now: parts.clock.now() },
          [forgotten],
        );
      });
    },
  };
}

/** Undefined: somebody else is minting, look again. */
async function tokenFrom(parts: Parts, state: ProviderTokenState, work: TokenWork): Promise<string | undefined> {
  const { policy, call } = work;
  // It has to stay good until the request it is for has ended.
  const isGood = state.ageMs + call.timeoutMs <= policy.neverPastAgeMs && state.remainingMs > call.timeoutMs;
  const token = isGood ? state.token : undefined;
  if (token !== undefined && state.ageMs < policy.renewAtAgeMs) return await openOnce(parts, work, token);
  const minted = state.isMinting ? undefined : await mintIfAllowed(parts, state, work, token !== undefined);
  if (minted !== undefined) return minted;
  return token === undefined ? undefined : await openOnce(parts, work, token);
}

async function openOnce(
  parts: Parts,
  { name, call }: TokenWork,
  token: NonNullable<ProviderTokenState["token"]>,
): Promise<string> {
  const known = parts.opened.get(name);
  if (known?.epoch === token.epoch) return known.text;
  const text = await openToken(parts.storage, { name, token }, call.now);
  parts.opened.set(name, { epoch: token.epoch, text });
  return text;
}

async function mintIfAllowed(
  parts: Parts,
  state: ProviderTokenState,
  work: TokenWork,
  hasGoodOne: boolean,
): Promise<string | undefined> {
  const { name, policy, call } = work;
  const credentialsHash = keyedHash(parts.storage.auditKey, `provider token ${policy.credentialsHash}`);
  const limits = mintsAllowed(policy.failuresMax);
  const isSame = state.credentialsHash?.equals(credentialsHash) ?? false;
  const isStopped = state.refusalsInAll >= limits.refusalsInAllMax || (isSame && state.refusals >= limits.refusalsMax);
  if (isStopped || (isSame && state.waitMs > 0)) {
    if (hasGoodOne) return undefined;
    if (!isStopped && state.waitMs <= call.timeoutMs) return undefined;
    throw new ProviderError(isStopped ? "client_refused" : "unavailable", { detail: "minting waits" });
  }
  const leaseMs = call.timeoutMs + leaseMarginMs;
  const claim = { name, seenEpoch: state.mintEpoch, holder: parts.holder, leaseMs, credentialsHash, ...limits };
  const epoch = await claimMint(parts.storage.db.query, claim);
  if (epoch === undefined) return undefined;
  try {
    return await mint(parts, work, epoch);
  } catch (error) {
    await settleFailure(parts, { name, epoch, tries: state.tries + 1, error });
    if (!hasGoodOne) throw error;
    return undefined;
  }
}

async function mint(parts: ProviderTokenParts, { name, policy, call }: TokenWork, epoch: number): Promise<string> {
  const { storage } = parts;
  const startedMs = performance.now();
  // Not the caller's signal: the provider acts on the login whether he listens or not, and its token is for everyone.
  const { token, expiresAt } = await policy.mint({ now: call.now, timeoutMs: call.timeoutMs });
  const lifeMs = expiresAt === undefined ? undefined : Math.max(0, expiresAt.getTime() - call.now.getTime());
  const durationMs = performance.now() - startedMs;
  await savePatiently(
    () =>
      inTransaction(storage.db, async (tx) => {
        // An overtaken one is good all the same, for this caller; the newest is the one that is kept.
        const stored = await storeToken(storage, tx, { name, epoch, token, lifeMs });
        if (stored === undefined) return;
        await appendAudit(storage, tx, { owner: tokenOwner, actor: jobActor("provider-tokens"), now: call.now }, [
          { action: "token_refresh", outcome: "ok", connector: name, institutionId: name, durationMs },
          stored,
        ]);
      }),
    () => false,
  );
  return token;
}

async function settleFailure(
  parts: ProviderTokenParts,
  failed: { name: string; epoch: number; tries: number; error: unknown },
): Promise<void> {
  const { name, epoch, error } = failed;
  const isKnown = error instanceof ProviderError;
  const outcome = isKnown ? error.failure : "failed";
  // A login whose answer was lost may have been refused; one the provider did not look at was none.
  const wasLogin = !isKnown || error.failure === "client_refused" || error.mayHaveActed;
  const retryMs = mintRetryMs(failed.tries, wasLogin);
  await failMint(parts.storage.db.query, { name, epoch, outcome, wasLogin, retryMs });
  const told = isKnown ? failureFacts(error) : {};
  parts.log.error({ name, outcome, count: failed.tries, ...told }, "a provider token could not be minted");
}
