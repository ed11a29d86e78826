/** A webhook as it arrived: nothing of it is believed before its scheme has proved it. */
export interface RawWebhook {
  /** The bytes as they were sent; signatures cover exactly these. */
  readonly body: Buffer;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  /** Without the query, as the provider called it. */
  readonly path: string;
  readonly receivedAt: Date;
}

/** Why a webhook is refused. The word goes to the audit; the sender is told only that it is not valid. */
export type WebhookRefusal =
  | "signature_missing"
  | "signature_malformed"
  | "signature_wrong"
  | "body_changed"
  | "timestamp_missing"
  | "stale"
  | "key_unknown"
  | "key_expired"
  | "key_source_refused";

/** A webhook that its provider did not send, or not now. Answered with 401; carries nothing the sender wrote. */
export class WebhookRefused extends Error {
  override readonly name = "WebhookRefused";
  readonly reason: WebhookRefusal;

  constructor(reason: WebhookRefusal) {
    super(`webhook refused: ${reason}`);
    this.reason = reason;
  }
}
