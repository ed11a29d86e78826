/** What a partner asked of one Connect link. */
export interface ConnectRequest {
  readonly consumerId: string | null;
  readonly redirectUri: string | null;
  readonly webhook: string | null;
  /** Comes back in every webhook. */
  readonly webhookData: Readonly<Record<string, unknown>> | null;
  /** Sent with every webhook. */
  readonly webhookHeaders: Readonly<Record<string, string>> | null;
  /** Whether the link ends with the first success; else it may be followed until its time is over. */
  readonly singleUse: boolean;
}

/** The e-mail that carries a link. */
export interface EmailOptions {
  readonly to: string;
  readonly from?: string | undefined;
  readonly supportPhone?: string | undefined;
  readonly subject?: string | undefined;
  readonly firstName?: string | undefined;
  readonly institutionName?: string | undefined;
  readonly institutionAddress?: string | undefined;
  readonly signature?: readonly string[] | undefined;
}
