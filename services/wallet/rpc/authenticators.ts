import { DomainError } from "../../platform/errors/domain-error.ts";
import type { Authenticators } from "../../platform/rpc/authenticate.ts";
import type { WalletDeps } from "../flows/wallet-deps.ts";
import { readWebSession } from "../flows/web-session.ts";
import { isDeviceSessionLive } from "../storage/device-sessions-store.ts";

/** How long an access token may outlive its sign-out, at most. */
export const revocationCacheMs = 5_000;
const cachedSessionsMax = 10_000;

/** What proves a phone's user and a browser's. `forgetPhone` makes a sign-out felt at once on this replica. */
export interface WalletAuthenticators {
  readonly authenticators: Authenticators;
  forgetPhone(userId: string): void;
  /** Whose access token this is; undefined for one that is not ours, has ended, or was signed out. */
  checkAccessToken(token: string): Promise<{ readonly userId: string; readonly deviceId: string } | undefined>;
}

/**
 * Phones by access token: signature, issuer, audience and type, then the sign-in it stands on, remembered five seconds.
 * Browsers by cookie, looked up each time; an unknown or ended one is like none, since a browser cannot help sending it.
 */
export function createWalletAuthenticators(
  deps: Pick<WalletDeps, "clock" | "db" | "hash" | "tokens">,
): WalletAuthenticators {
  // Session id to the time its sign-in was last seen standing, and whose it is.
  const seen = new Map<string, { readonly userId: string; readonly untilMs: number }>();

  async function isLive(userId: string, sessionId: string): Promise<boolean> {
    const nowMs = deps.clock.now().getTime();
    const known = seen.get(sessionId);
    if (known !== undefined && known.userId === userId && known.untilMs > nowMs) return true;
    seen.delete(sessionId);
    if (!(await isDeviceSessionLive(deps.db.query, { userId, sessionId, now: new Date(nowMs) }))) return false;
    if (seen.size >= cachedSessionsMax) {
      const oldest = seen.keys().next().value;
      if (oldest !== undefined) seen.delete(oldest);
    }
    seen.set(sessionId, { userId, untilMs: nowMs + revocationCacheMs });
    return true;
  }

  const checkAccessToken: WalletAuthenticators["checkAccessToken"] = async (token) => {
    const claims = await deps.tokens.verifyAccess(token);
    if (claims === undefined || !(await isLive(claims.userId, claims.sessionId))) return undefined;
    return { userId: claims.userId, deviceId: claims.deviceId };
  };

  return {
    checkAccessToken,
    forgetPhone: (userId) => {
      for (const [sessionId, entry] of seen) if (entry.userId === userId) seen.delete(sessionId);
    },
    authenticators: {
      mobile_user: async (ctx) => {
        const token = /^Bearer +([\w.-]+) *$/i.exec(ctx.header("authorization") ?? "")?.[1];
        if (token === undefined) return undefined;
        const phone = await checkAccessToken(token);
        if (phone === undefined) throw new DomainError("UNAUTHENTICATED");
        return { kind: "mobile_user", ...phone };
      },
      web_user: async (ctx) => {
        const session = await readWebSession(deps, ctx.header("cookie"));
        if (session === undefined || session.userId === null) return undefined;
        return { kind: "web_user", userId: session.userId, sessionId: session.sessionId };
      },
    },
  };
}
