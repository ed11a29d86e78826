import type { OutgoingCall } from "./credential-connections.ts";

/** Something a person is to be told of a connection, as its holder hands it out. */
export interface OwnerNotice {
  /** The same however often it is handed out. */
  readonly noticeId: string;
  readonly userId: string;
  readonly connectionId: string;
  readonly connector: string;
  readonly institutionId: string;
  /** As people know the institution; empty where its provider did not say. */
  readonly institutionName: string;
  readonly providerName: string;
  /** A word of the holder's contract; new ones may come. */
  readonly kind: string;
  readonly createdAt: Date;
  readonly consentEndsAt: Date | undefined;
}

/** What the holder of connections has to tell the wallet's people. Both reject with a ConnectionError. */
export interface OwnerNotices {
  /** The oldest, at most 100. What is not acknowledged within a minute comes again. */
  take(call: OutgoingCall): Promise<OwnerNotice[]>;
  /** Ends notices, at most 100. A repeat succeeds. */
  acknowledge(noticeIds: readonly string[], call: OutgoingCall): Promise<void>;
}
