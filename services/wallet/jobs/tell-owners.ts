import type { OwnerNotices } from "../clients/owner-notices.ts";
import { mailNotices } from "../flows/mail-notices.ts";
import { receiveNotices } from "../flows/receive-notices.ts";
import type { WalletDeps } from "../flows/wallet-deps.ts";

const callTimeoutMs = 5_000;

/**
 * Takes over what people are to be told of their connections, then mails what waits. A holder that does not answer keeps nothing back that
 * came before. Run it every few seconds; safe on several replicas.
 */
export async function tellOwners(deps: WalletDeps, notices: OwnerNotices, signal: AbortSignal): Promise<void> {
  await receiveNotices(deps, notices, { timeoutMs: callTimeoutMs, signal }).catch((err: unknown) => {
    deps.log.warn({ err }, "notices of connections not received");
  });
  await mailNotices(deps, signal);
}
