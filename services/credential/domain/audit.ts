/** Every act that leaves an audit row. */
export type AuditAction =
  | "connect"
  | "disconnect"
  | "token_exchange"
  | "token_refresh"
  | "credential_store"
  | "credential_access"
  | "credential_delete"
  | "account_list"
  | "transaction_fetch"
  | "sync"
  | "security_alert";

/** Who acted, as the audit keeps it. */
export interface Actor {
  /** `service:wallet`, `operator:anna` or `job:refresh`. */
  readonly name: string;
  readonly clientAddress: string;
  readonly userAgent: string;
}

/** One act. Nothing in it may be a secret. */
export interface AuditAct {
  readonly action: AuditAction;
  /** `ok`, or why not, in a word. */
  readonly outcome: string;
  readonly connectionId?: string | undefined;
  /** Through which it was done; empty where through none. Kept in the entry, for the connection may be erased. */
  readonly connector: string;
  readonly institutionId: string;
  readonly durationMs: number;
  readonly details?: Readonly<Record<string, string | number | readonly string[]>>;
}

/** The actor of work nobody called for. */
export function jobActor(job: string): Actor {
  return { name: `job:${job}`, clientAddress: "", userAgent: "" };
}
