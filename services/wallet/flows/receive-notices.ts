import { inTransaction } from "../../platform/db/transaction.ts";
import { bankDisplayName } from "../clients/bank-directory.ts";
import type { OutgoingCall } from "../clients/credential-connections.ts";
import type { OwnerNotice, OwnerNotices } from "../clients/owner-notices.ts";
import { deservesMail, idsOf, isOfBank, placeName } from "../domain/owner-notice.ts";
import { keepNotices, type NewNotice } from "../storage/owner-notices-store.ts";
import { lockUserById } from "../storage/users-store.ts";
import type { WalletDeps } from "./wallet-deps.ts";

const batchesMax = 10;
const batchSize = 100;

/**
 * Takes over what people are to be told of their connections, and acknowledges what is kept here. A notice that comes again, since its
 * acknowledgement was lost, is known by its id. Rejects with a ConnectionError. Resolves to how many came.
 */
export async function receiveNotices(
  deps: Pick<WalletDeps, "clock" | "db" | "directory">,
  notices: OwnerNotices,
  call: OutgoingCall,
): Promise<number> {
  let received = 0;
  for (let batch = 0; batch < batchesMax && call.signal?.aborted !== true; batch += 1) {
    const taken = await notices.take(call);
    if (taken.length === 0) break;
    for (const [userId, ofPerson] of Map.groupBy(taken, (notice) => notice.userId)) await keep(deps, userId, ofPerson);
    await notices.acknowledge(idsOf(taken), call);
    received += taken.length;
    if (taken.length < batchSize) break;
  }
  return received;
}

async function keep(
  deps: Pick<WalletDeps, "clock" | "db" | "directory">,
  userId: string,
  notices: readonly OwnerNotice[],
): Promise<void> {
  await inTransaction(deps.db, async (tx) => {
    // Nobody is to be told of a connection whose person is gone.
    const user = await lockUserById(tx, userId);
    if (user === undefined) return;
    // An address nobody has proved may be anybody's mailbox.
    const mayBeMailed = user.verifiedAt !== null;
    const kept = notices.map((notice) => ({
      ...toKeep(deps, notice),
      waitsForMail: mayBeMailed && deservesMail(notice.kind),
    }));
    await keepNotices(tx, { userId, now: deps.clock.now() }, kept);
  });
}

function toKeep({ directory }: Pick<WalletDeps, "directory">, notice: OwnerNotice): Omit<NewNotice, "waitsForMail"> {
  const { noticeId, connectionId, connector, institutionId, institutionName, providerName, kind } = notice;
  const name = isOfBank(notice) ? bankDisplayName(directory, institutionId) : institutionName || providerName;
  return {
    noticeId,
    connectionId,
    connector,
    place: placeName(name) || "A connected account",
    kind,
    createdAt: notice.createdAt,
    consentEndsAt: notice.consentEndsAt,
  };
}
