import { DomainError } from "../../platform/errors/domain-error.ts";
import type { CallbackFacts } from "../connectors/connector.ts";
import type { Connection, Owner } from "../domain/connection.ts";
import { type FoundAttempt, findAttemptByState, findStartedAttempt, mayEnd } from "../storage/attempt-store.ts";
import { completeConnect } from "./complete-connect.ts";
import { type Caller, connectorNamed, type Dependencies } from "./dependencies.ts";

/** How a callback ended, and where the user's browser goes. */
export interface EndedConsent {
  /** Undefined for a state nobody was given, or one whose consent the caller ends himself. */
  readonly returnUrl: string | undefined;
  readonly outcome: { readonly connection: Connection } | { readonly error: DomainError };
  /** Nothing was done: the browser has to come once more, with its cookies, to be known. */
  readonly isVeiled?: true;
}

/** The browser that came back, as far as it is known. */
export interface ReturningBrowser {
  /** The mark its cookie holds; undefined when none was sent along. */
  readonly mark: string | undefined;
  /** Whether its cookies could not be sent: what a page of the provider posts comes without those that are SameSite=Lax. */
  readonly isVeiled: boolean;
}

/**
 * Ends a consent with what the user's browser brought back from the provider. The state says whose it is; one that was begun in a browser
 * ends in that browser alone: in another it is `OTHER_BROWSER`, with an alert, and stays as it is for the right one.
 */
export async function endConsentByCallback(
  deps: Dependencies,
  callback: { connector: string; query: URLSearchParams; browser?: ReturningBrowser },
  caller: Caller,
): Promise<EndedConsent> {
  const connector = connectorNamed(deps, callback.connector);
  const facts = connector.readCallback?.(callback.query) ?? readOauthCallback(callback.query);
  const found = facts.state === "" ? undefined : await findAttemptByState(deps.storage, facts.state);
  if (found === undefined || found.connector !== connector.name || found.returnUrl === undefined) {
    return { returnUrl: undefined, outcome: { error: new DomainError("INVALID_STATE") } };
  }
  const { owner, returnUrl } = found;
  if (!mayEnd(deps.storage, found, callback.browser?.mark)) {
    const outcome = { error: new DomainError("OTHER_BROWSER") };
    if (callback.browser?.isVeiled === true) return { returnUrl, outcome, isVeiled: true };
    await alertOwner(deps, found, caller);
    return { returnUrl, outcome };
  }
  const { state, code, iss, error } = facts;
  try {
    const command = { owner, attempt: { state }, connector: found.connector, code, iss, error };
    const { connection } = await completeConnect(deps, command, caller);
    return { returnUrl, outcome: { connection } };
  } catch (failure) {
    if (!(failure instanceof DomainError)) throw failure;
    return { returnUrl, outcome: { error: failure } };
  }
}

async function alertOwner(deps: Dependencies, found: FoundAttempt, { actor }: Caller): Promise<void> {
  const { owner, connector, institutionId } = found;
  const act = { action: "security_alert", outcome: "other_browser", connector, institutionId, durationMs: 0 } as const;
  const subject = { owner, actor, now: deps.clock.now() };
  await deps.storage.auditLog.append({ subject, acts: [act] });
}

/** RFC 6749, 4.1.2, with the issuer of RFC 9207. */
function readOauthCallback(query: URLSearchParams): CallbackFacts {
  const get = (name: string) => query.get(name) ?? "";
  return { state: get("state"), code: get("code"), iss: get("iss"), error: get("error") };
}

/**
 * Ends an owner's newest consent under way at a provider whose widget gives the code to the application and not to a callback.
 * Throws `INVALID_STATE` when none is under way, and what `completeConnect` throws.
 */
export async function endConsentByCode(
  deps: Dependencies,
  given: { owner: Owner; connector: string; code: string },
  caller: Caller,
): Promise<Connection> {
  const { owner, code } = given;
  const connector = connectorNamed(deps, given.connector).name;
  const found = await findStartedAttempt(deps.storage.db.query, { owner, connector, now: deps.clock.now() });
  if (found === undefined) throw new DomainError("INVALID_STATE");
  const command = { owner, attempt: { stateHash: found.stateHash }, connector, code, iss: "", error: "" };
  return (await completeConnect(deps, command, caller)).connection;
}
