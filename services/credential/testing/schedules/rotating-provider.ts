import type { Connector, ProviderCall, TokenSet } from "../../connectors/connector.ts";
import { ProviderError } from "../../connectors/provider-error.ts";

/** How the provider treats one request. */
export type ProviderMood = "answers" | "loses_answer" | "is_late" | "is_down";

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
  isRevoked(refreshToken: string): boolean;
  /** Whether this token would be accepted. */
  isGood(refreshToken: string): boolean;
  /** How the next requests are treated, in order; then all are answered. */
  readonly moods: ProviderMood[];
  readonly violations: string[];
  /** The connector of one worker; `isAlive` false ends its calls as a dead process ends them: unheard. */
  connector(worker: ProviderUser): Connector;
}

/** What the provider knows of who calls it. */
export interface ProviderUser {
  isAlive(): boolean;
  step(): Promise<void>;
  /** A token was rotated for him whose old one is dead by now. */
  rotated(): void;
}

/** How a provider is made. */
export interface RotatingProviderOptions {
  /** How long an answer that comes too late takes. */
  readonly lateMs: number;
  /** A used token is dead at once, and no answer may get lost any more. */
  readonly isStrict: boolean;
}

/**
 * Makes a provider. A used refresh token is honoured until one that came of it is used, which proves that it arrived: from then on it
 * is dead, with everything else that came of it, and whoever uses it has lost a rotated token and loses the grant (RFC 9700, 4.14.2).
 * A strict one honours no used token at all.
 */
export function createRotatingProvider({ lateMs, isStrict }: RotatingProviderOptions): RotatingProvider {
  const tokens = new Map<string, Token>();
  const moods: ProviderMood[] = [];
  const violations: string[] = [];
  let made = 0;

  const issue = (grant: Grant, parent: string | undefined): string => {
    made += 1;
    const token = `refresh-${made}`;
    tokens.set(token, { grant, parent, isDead: false });
    grant.tokens.push(token);
    return token;
  };
  const rotate = (given: string): string | undefined => {
    const token = tokens.get(given);
    if (token === undefined) {
      violations.push("a token nobody gave was used");
      return undefined;
    }
    const { grant } = token;
    if (grant.isRevoked) return undefined;
    if (token.isDead) {
      violations.push("a rotated token was lost: its dead ancestor was used");
      grant.isRevoked = true;
      return undefined;
    }
    if (isStrict) kill(tokens, given);
    else if (token.parent !== undefined) {
      for (const other of grant.tokens) if (other !== given) kill(tokens, other);
    }
    return issue(grant, given);
  };
  const answer = async (given: string, call: ProviderCall, user: ProviderUser): Promise<TokenSet> => {
    const mood = moods.shift() ?? "answers";
    if (mood === "is_down") throw new ProviderError("unavailable", { detail: "status 503" });
    const rotated = rotate(given);
    if (isStrict && rotated !== undefined) user.rotated();
    if (mood === "loses_answer") throw new ProviderError("unavailable", { detail: "reset", mayHaveActed: true });
    if (mood === "is_late" && call.timeoutMs < lateMs) {
      await new Promise((resolve) => setTimeout(resolve, call.timeoutMs));
      throw new ProviderError("unavailable", { detail: "timeout", mayHaveActed: true });
    }
    if (rotated === undefined) throw new ProviderError("grant_refused");
    const accessTokenExpiresAt = new Date(call.now.getTime() + 3_600_000);
    return { accessToken: `access-of-${rotated}`, refreshToken: rotated, accessTokenExpiresAt };
  };

  return {
    grant: () => issue({ isRevoked: false, tokens: [], underWay: 0 }, undefined),
    revoke: (token) => {
      const grant = tokens.get(token)?.grant;
      if (grant !== undefined) grant.isRevoked = true;
    },
    isRevoked: (token) => tokens.get(token)?.grant.isRevoked ?? false,
    isGood: (token) => tokens.get(token)?.isDead === false && tokens.get(token)?.grant.isRevoked === false,
    moods,
    violations,
    connector: (worker) =>
      connectorThat(async (given, call) => {
        await worker.step();
        const grant = tokens.get(given)?.grant;
        if (grant !== undefined) {
          grant.underWay += 1;
          if (grant.underWay > 1) violations.push("two refreshes of one connection were under way");
        }
        try {
          const result = await answer(given, call, worker);
          if (!worker.isAlive()) return await new Promise<never>(() => {});
          return result;
        } finally {
          if (grant !== undefined) grant.underWay -= 1;
        }
      }),
  };
}

function kill(tokens: ReadonlyMap<string, Token>, name: string): void {
  const token = tokens.get(name);
  if (token !== undefined) token.isDead = true;
}

function connectorThat(refresh: (given: string, call: ProviderCall) => Promise<TokenSet>): Connector {
  const unused = () => Promise.reject(new Error("schedules only refresh"));
  return {
    name: "rotating",
    displayName: "Rotating",
    life: "rotating",
    check: async () => {},
    listInstitutions: unused,
    begin: unused,
    complete: unused,
    revoke: unused,
    listAccounts: unused,
    refresh: ({ refreshToken }, call) => refresh(refreshToken, call),
  };
}
