import type { ProviderCall } from "./connector.ts";

/** A webhook as it arrived. */
export interface RawWebhook {
  /** The exact bytes: signatures cover them, white space included. */
  readonly body: Buffer;
  /** Names in lower case; only those the reader asked to be kept. */
  readonly headers: Readonly<Record<string, string>>;
  /** As the provider called it, query included. */
  readonly path: string;
  readonly receivedAt: Date;
}

/** What a webhook asks us to do. None of them is believed further than this: data is fetched from the provider. */
export type WebhookEffectKind =
  | "sync_transactions"
  | "sync_accounts"
  | "refresh_balances"
  /** The consent ended at the provider: the connection is over and its tokens are destroyed. */
  | "consent_revoked"
  /** The user has to consent anew. */
  | "reauthorize"
  /** The consent ends soon; `detail` is the time, ISO 8601, when the provider says it. */
  | "expiring"
  /** It works again without the user. */
  | "healed"
  /** A consent under way got further; `detail` is the step. */
  | "progress"
  | "ignore"
  /** The payload is thin: the connector fetches the event by its id later. */
  | "fetch";

/** An effect with what belongs to it, never a secret. */
export interface WebhookEffect {
  readonly kind: WebhookEffectKind;
  readonly detail?: string | undefined;
}

/** What a verified webhook says. */
export interface ProviderEvent {
  /** The provider's id of the event, the same when it is sent again; undefined: the digest of the body has to do. */
  readonly eventId?: string | undefined;
  readonly type: string;
  readonly occurredAt?: Date | undefined;
  /** Which connection, as `Grant.providerReference`; undefined for what concerns none. */
  readonly providerReference?: string | undefined;
  /** Which one of several connections with that name, as `Grant.ownerReference`; undefined: all of them. */
  readonly ownerReference?: string | undefined;
  readonly effect: WebhookEffect;
}

/** A webhook that is not the provider's, or not of now. `reason` is a word for the audit, such as `bad_signature`. */
export class WebhookRefused extends Error {
  override readonly name = "WebhookRefused";
  readonly reason: string;

  constructor(reason: string) {
    super(`webhook refused: ${reason}`);
    this.reason = reason;
  }
}

/** How the webhooks of one provider are proved and read. */
export interface WebhookReader {
  /** Names of the headers worth keeping, in lower case; everything else of the request is dropped. */
  readonly headers: readonly string[];
  /**
   * Proves the raw bytes, in constant time and within the provider's time tolerance. Throws `WebhookRefused` for a forged or stale
   * one, and `ProviderError` when the keys could not be fetched: the provider is asked to send it again.
   */
  verify(request: RawWebhook, call: ProviderCall): Promise<void>;
  /** What it says, after `verify`. Throws `WebhookRefused` for a body that is not what the provider documents. */
  read(request: RawWebhook, call: ProviderCall): Promise<readonly ProviderEvent[]>;
  /**
   * What a thin event (effect `fetch`) turned out to be, asked from the provider: later and as often as it takes, while `read` is
   * waited for. Has the id, type and reference that `read` gave. Absent where no event is thin. Throws `ProviderError`.
   */
  resolve?(event: ProviderEvent, call: ProviderCall): Promise<ProviderEvent>;
}
