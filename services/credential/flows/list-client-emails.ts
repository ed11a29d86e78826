import type { ClientKey } from "../storage/client-store.ts";
import { type EmailCursor, listEmails, type NotedEmail, openEmail } from "../storage/connect-email-store.ts";
import { ownClient } from "./client-customers.ts";
import type { Caller, Dependencies } from "./dependencies.ts";

/** An e-mail a client was sent a link by. */
export interface ClientEmail extends Pick<NotedEmail, "emailId" | "status" | "createdAt" | "expiresAt"> {
  readonly to: string;
  /** Of one that was sent. */
  readonly link?: string | undefined;
}

/** A client's e-mails, newest first; each that is read leaves its row in the audit. Throws `CLIENT_NOT_FOUND`. */
export async function listClientEmails(
  deps: Dependencies,
  key: ClientKey,
  page: { readonly after: EmailCursor | undefined; readonly limit: number },
  caller: Caller,
): Promise<{ emails: readonly ClientEmail[]; hasMore: boolean }> {
  await ownClient(deps, key);
  const { after, limit } = page;
  const noted = await listEmails(deps.storage.db.query, key, { after, limit: limit + 1 });
  const reader = { actor: caller.actor, now: deps.clock.now() };
  const emails = noted.slice(0, limit).map(async ({ details: _sealed, ...email }) => ({
    ...email,
    ...(await openEmail(deps.storage, { details: _sealed }, reader)),
  }));
  return { emails: await Promise.all(emails), hasMore: noted.length > limit };
}
