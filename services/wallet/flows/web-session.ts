import { uuidv7 } from "../../platform/ids/uuidv7.ts";
import { randomToken } from "../../platform/secrets/random-token.ts";
import type { Executor } from "../storage/tables.ts";
import { findWebSession, insertWebSession, type WebSession } from "../storage/web-sessions-store.ts";
import type { WalletDeps } from "./wallet-deps.ts";

/** Cookies ignore ports, so the name carries the service. */
export const webSessionCookieName = "wsim.sid";
const sessionLifetimeMs = 14 * 24 * 3600_000;
const cookieShape = /^[A-Za-z0-9_-]{43}$/;

/** A session just made; `cookie` is the value of the Set-Cookie header and the only copy of the secret. */
export interface OpenedWebSession {
  readonly session: WebSession;
  readonly cookie: string;
}

type SessionDeps = Pick<WalletDeps, "clock" | "hash" | "settings">;

/**
 * Makes a browser session, 14 days. Always a new secret, never an old one with a new user: a cookie planted before the
 * sign-in leads nowhere. Without a user it only ties an enrolment to this browser. `verified` says a code was used.
 */
export async function openWebSession(
  deps: SessionDeps,
  db: Executor,
  owner: { readonly userId: string | undefined; readonly verified: boolean },
): Promise<OpenedWebSession> {
  const secret = randomToken(32);
  const createdAt = deps.clock.now();
  const session: WebSession = {
    sessionId: uuidv7(createdAt.getTime()),
    userId: owner.userId ?? null,
    verified: owner.verified,
    createdAt,
    expiresAt: new Date(createdAt.getTime() + sessionLifetimeMs),
  };
  await insertWebSession(db, { ...session, sessionHash: deps.hash("web_session", secret) });
  return { session, cookie: sessionCookie(deps, secret, sessionLifetimeMs / 1000) };
}

/** The live session named by a `Cookie` header, if any; an unknown or ended one is like none. */
export async function readWebSession(
  deps: Pick<WalletDeps, "clock" | "hash" | "db">,
  cookieHeader: string | undefined,
): Promise<WebSession | undefined> {
  for (const secret of sessionSecrets(cookieHeader)) {
    const session = await findWebSession(deps.db.query, deps.hash("web_session", secret), deps.clock.now());
    if (session !== undefined) return session;
  }
  return undefined;
}

/** A Set-Cookie value that takes the session cookie away. */
export function clearedSessionCookie(deps: Pick<WalletDeps, "settings">): string {
  return sessionCookie(deps, "", 0);
}

function sessionCookie(deps: Pick<WalletDeps, "settings">, value: string, maxAgeSeconds: number): string {
  const secure = deps.settings.appUrl.startsWith("https:") ? "; Secure" : "";
  return `${webSessionCookieName}=${value}; Path=/; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Lax${secure}`;
}

/** Values of our cookie that could be one; at most two, for a header may be as long as its sender likes. */
function sessionSecrets(cookieHeader: string | undefined): string[] {
  const prefix = `${webSessionCookieName}=`;
  return (cookieHeader ?? "")
    .split(";")
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(prefix))
    .map((pair) => pair.slice(prefix.length))
    .filter((value) => cookieShape.test(value))
    .slice(0, 2);
}
