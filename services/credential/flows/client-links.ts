import { inTransaction } from "../../platform/db/transaction.ts";
import { DomainError } from "../../platform/errors/domain-error.ts";
import type { LinkEmail, MadeLink } from "../connectors/client-connector.ts";
import type { Client } from "../domain/client.ts";
import { isAllowedUrl } from "../domain/provider-urls.ts";
import { appendAudit } from "../storage/audit-store.ts";
import { type ClientKey, findConnectionOfLogin, moveClient } from "../storage/client-store.ts";
import { finishEmail, insertEmail } from "../storage/connect-email-store.ts";
import { clientConnector, ownClient } from "./client-customers.ts";
import { type Caller, callFor, type Dependencies, detachedCall } from "./dependencies.ts";
import { fromProvider } from "./provider-failure.ts";

const redirectLengthMax = 2_048;

/** A link to be made; empty members are left to the provider. */
export interface ClientLinkCommand {
  readonly key: ClientKey;
  readonly redirectUri: string;
  /** The login to repair. */
  readonly loginId: string;
}

/** Makes a link for a client. Throws `CLIENT_NOT_FOUND`, `LOGIN_NOT_FOUND`, `INVALID_ARGUMENT`, and the provider's failures. */
export async function makeClientLink(
  deps: Dependencies,
  command: ClientLinkCommand,
  caller: Caller,
): Promise<MadeLink> {
  const { key, loginId } = command;
  const redirectUri = redirectOf(deps, command.redirectUri);
  const client = await ownClient(deps, key);
  if (loginId !== "") await assertOwnLogin(deps, key, loginId);
  const request = { customerId: client.customerId, redirectUri, loginId: loginId === "" ? undefined : loginId };
  const asked = { connector: key.connector, operation: "make_link" };
  const answer = clientConnector(deps, key.connector).makeLink(request, callFor(deps, caller));
  const made = await fromProvider(deps, asked, answer);
  await noteLink(deps, client, { outcome: "link_made", caller });
  return made;
}

/** An e-mail to be sent. */
export interface ClientEmailCommand {
  readonly key: ClientKey;
  readonly email: LinkEmail;
  readonly language: string;
  readonly consumerId: string;
  readonly redirectUri: string;
}

/**
 * Has the provider send an e-mail. It is noted before it is asked for, so that none goes out of which nothing is known; one whose answer
 * was lost stays noted as being sent. Throws as `makeClientLink`.
 */
export async function sendClientEmail(
  deps: Dependencies,
  command: ClientEmailCommand,
  caller: Caller,
): Promise<MadeLink> {
  const { key, email, language, consumerId } = command;
  const redirectUri = redirectOf(deps, command.redirectUri);
  const client = await ownClient(deps, key);
  const clients = clientConnector(deps, key.connector);
  const emailId = await insertEmail(deps.storage, key, email, deps.clock.now());
  const { to } = email;
  const request = {
    customerId: client.customerId,
    redirectUri,
    email,
    language: language === "" ? undefined : language,
    consumerId: consumerId === "" ? undefined : consumerId,
  };
  const asked = { connector: key.connector, operation: "send_link" };
  const answer = fromProvider(deps, asked, clients.sendLink(request, detachedCall(deps)));
  const sent = await answer.catch(async (error: unknown) => {
    const isUnknown = error instanceof DomainError && error.reason === "PROVIDER_UNAVAILABLE";
    if (!isUnknown) await finishEmail(deps.storage, key, { emailId, to, sent: undefined });
    throw error;
  });
  await finishEmail(deps.storage, key, { emailId, to, sent });
  await noteLink(deps, client, { outcome: "email_sent", caller });
  return sent;
}

/** Throws `LOGIN_NOT_FOUND` for a login that is none of this client's. */
async function assertOwnLogin(deps: Dependencies, { owner, connector }: ClientKey, loginId: string): Promise<void> {
  const login = { tenant: owner.tenant, connector, loginId };
  const found = await findConnectionOfLogin(deps.storage.db.query, login);
  if (found?.owner.userId !== owner.userId) throw new DomainError("LOGIN_NOT_FOUND");
}

async function noteLink(deps: Dependencies, client: Client, act: { outcome: string; caller: Caller }): Promise<void> {
  const now = deps.clock.now();
  await inTransaction(deps.storage.db, async (tx) => {
    const from = ["not_linked", "pending", "error"] as const;
    await moveClient(tx, client, { from, to: "pending", errorCode: "", now });
    await appendAudit(deps.storage, tx, { owner: client.owner, actor: act.caller.actor, now }, [
      { action: "connect", outcome: act.outcome, connector: client.connector, institutionId: "", durationMs: 0 },
    ]);
  });
}

function redirectOf(deps: Dependencies, redirectUri: string): string | undefined {
  if (redirectUri === "") return undefined;
  if (redirectUri.length > redirectLengthMax || !isAllowedUrl(redirectUri, deps.insecureAllowed)) {
    throw new DomainError("INVALID_ARGUMENT", { why: "redirectUri must be an https address" });
  }
  return redirectUri;
}
