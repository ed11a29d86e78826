import { uuidv7 } from "../../platform/ids/uuidv7.ts";
import { hashPassword } from "../../platform/secrets/password.ts";
import type { OutgoingCall } from "../clients/credential-connections.ts";
import { parseNewPassword } from "../domain/wallet-password.ts";
import type { WebSession } from "../storage/web-sessions-store.ts";
import { keepPassword } from "./choose-password.ts";
import { type StartedEnrolment, startEnrolment } from "./start-enrolment.ts";
import type { WalletDeps } from "./wallet-deps.ts";
import { openWebSession } from "./web-session.ts";

/** A walk begun in a browser. `cookie`: Set-Cookie of the session made for it, where the browser had none. */
export interface StartedWebEnrolment extends StartedEnrolment {
  readonly cookie: string | undefined;
}

/**
 * Begins an enrolment from the wallet's own pages. A person who is not signed in gets a session without a user, and an
 * account when the bank has told the address; `password` becomes that account's. For a signed-in person it is set at once,
 * but only where there was none: a changed password asks for more proof than a session.
 * Throws as `startEnrolment`, and `INVALID_ARGUMENT` for a password of the wrong length.
 */
export async function startWebEnrolment(
  deps: WalletDeps,
  request: {
    readonly bsimId: string;
    readonly session: WebSession | undefined;
    readonly password: string | undefined;
  },
  call: OutgoingCall,
): Promise<StartedWebEnrolment> {
  const { bsimId, session, password } = request;
  const passwordHash = password ? await hashPassword(parseNewPassword(password)) : undefined;
  if (session !== undefined && session.userId !== null) {
    const { userId, sessionId } = session;
    if (passwordHash !== undefined) await keepPassword(deps, { userId, sessionId, inPlaceOf: null, passwordHash });
    const begun = await startEnrolment(deps, { via: "web", userId, bsimId, webSessionId: sessionId }, call);
    return { ...begun, cookie: undefined };
  }
  const opened =
    session === undefined
      ? await openWebSession(deps, deps.db.query, { userId: undefined, verified: false })
      : { session, cookie: undefined };
  const begun = await startEnrolment(
    deps,
    {
      via: "web",
      userId: uuidv7(deps.clock.now().getTime()),
      bsimId,
      webSessionId: opened.session.sessionId,
      newAccount: { passwordHash },
    },
    call,
  );
  return { ...begun, cookie: opened.cookie };
}
