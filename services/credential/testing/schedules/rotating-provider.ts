import { setTimeout as pause } from "node:timers/promises";
import type { Connector, ProviderCall, TokenSet } from "../../connectors/connector.ts";
import { ProviderError } from "../../connectors/provider-error.ts";
import { timeToSend } from "../../connectors/time-to-send.ts";
import { refreshOnlyConnector } from "../refresh-only-connector.ts";
import type { Mortality } from "./mortality.ts";

/** How the provider treats one request. */
export type ProviderMood = "answers" | "loses_answer" | "is_late" | "is_down";

/**
 * What becomes of a refresh token that was used. `strict`: refused from then on. The others honour it until a token that came of it is
 * used, which proves that that one arrived; after that `patient` refuses it, and `watchful` ends the grant of whoever uses it, who has
 * lost a rotated token (RFC 9700, 4.14.2).
 */
export type ProviderKind = "strict" | "patient" | "watchful";

interface Token {
  readonly grant: Grant;
  readonly parent: string | undefined;
  isDead: boolean;
}

interface Grant {
  isRevoked: boolean;
  tokens: string[];
  underWay: number;
}

/** A provider that rotates at every refresh, and what it has seen go wrong. */
export interface RotatingProvider {
  /** Makes a grant; its first refresh token. */
  grant(): string;
  /** The user ends the grant there. */
  revoke(refreshToken: string): void;
  /** Whether this token would be accepted. */
  isGood(refreshToken: string): boolean;
  /** How the next requests are treated, in order; then all are answered. */
  readonly moods: ProviderMood[];
  readonly violations: string[];
  /** Each request as it ended, in order, with the time it took: a seed repeats what was meant to happen, not when. */
  readonly seen: string[];
  /** The connector of one worker, whose death ends its calls unheard. */
  connector(worker: Mortality): Connector;
}

/** How a provider is made. */
export interface RotatingProviderOptions {
  readonly kind: ProviderKind;
  /** How long an answer that comes too late takes. */
  readonly lateMs: number;
  /** How long any other takes at most, and what decides it, from 0 up to 1. */
  readonly latencyMsMax: number;
  readonly random: () => number;
}

/** Makes a provider. */
export function createRotatingProvider(options: RotatingProviderOptions): RotatingProvider {
  const { kind, lateMs } = options;
  const tokens = new Map<string, Token>();
  const moods: ProviderMood[] = [];
  const violations: string[] = [];
  const seen: string[] = [];

  const issue = (grant: Grant, parent: string | undefined): string => {
    const token = `refresh-${tokens.size + 1}`;
    tokens.set(token, { grant, parent, isDead: false });
    grant.tokens.push(token);
    return token;
  };
  const kill = (name: string): void => {
    const token = tokens.get(name);
    if (token !== undefined) token.isDead = true;
  };
  const rotate = (given: string): string | undefined => {
    const token = tokens.get(given);
    if (token === undefined) violations.push("a token nobody gave was used");
    if (token === undefined || token.grant.isRevoked) return undefined;
    const { grant } = token;
    if (token.isDead) {
      if (kind !== "watchful") return undefined;
      violations.push("a rotated token was lost: its dead ancestor was used");
      grant.isRevoked = true;
      return undefined;
    }
    if (kind === "strict") kill(given);
    else if (token.parent !== undefined) {
      for (const other of grant.tokens) if (other !== given) kill(other);
    }
    return issue(grant, given);
  };
  const answer = async (given: string, call: ProviderCall, worker: Mortality): Promise<TokenSet> => {
    const mood = moods.shift() ?? "answers";
    if (mood === "is_down") throw new ProviderError("unavailable", { detail: "status 503" });
    const rotated = rotate(given);
    if (kind === "strict" && rotated !== undefined) worker.rotated();
    if (mood === "loses_answer") throw new ProviderError("unavailable", { detail: "reset", mayHaveActed: true });
    if (mood === "is_late" && call.timeoutMs < lateMs) {
      await pause(call.timeoutMs);
      throw new ProviderError("unavailable", { detail: "timeout", mayHaveActed: true });
    }
    await pause(options.latencyMsMax * options.random());
    if (rotated === undefined) throw new ProviderError("grant_refused");
    const accessTokenExpiresAt = new Date(call.now.getTime() + 3_600_000);
    return { accessToken: `access-of-${rotated}`, refreshToken: rotated, accessTokenExpiresAt };
  };
  const ask = async (given: string, call: ProviderCall, worker: Mortality): Promise<TokenSet> => {
    await worker.step();
    // As real requests do: one who stood still looks at his time once more before anything leaves.
    const inTime = timeToSend(call);
    const grant = tokens.get(given)?.grant;
    if (grant !== undefined) grant.underWay += 1;
    if ((grant?.underWay ?? 0) > 1) violations.push("two refreshes of one connection were under way");
    const askedMs = performance.now();
    const note = (end: string) =>
      seen.push(`${askedMs.toFixed(0)} to ${performance.now().toFixed(0)} ms ${given}: ${end}`);
    try {
      const answered = await answer(given, inTime, worker);
      note(answered.refreshToken ?? "");
      return answered;
    } catch (error) {
      note(String(error));
      throw error;
    } finally {
      if (grant !== undefined) grant.underWay -= 1;
    }
  };

  return {
    grant: () => issue({ isRevoked: false, tokens: [], underWay: 0 }, undefined),
    revoke: (token) => {
      const grant = tokens.get(token)?.grant;
      if (grant !== undefined) grant.isRevoked = true;
    },
    isGood: (token) => tokens.get(token)?.isDead === false && tokens.get(token)?.grant.isRevoked === false,
    moods,
    violations,
    seen,
    connector: (worker) =>
      refreshOnlyConnector({
        name: "rotating",
        displayName: "Rotating",
        refresh: async ({ refreshToken: given }, call) => {
          // An answer that is refused is heard as late, or never, like any other.
          const heard = await ask(given, call, worker).catch((error: unknown) => error);
          await worker.step();
          if (heard instanceof Error) throw heard;
          return heard as TokenSet; // every failure is an Error
        },
      }),
  };
}
