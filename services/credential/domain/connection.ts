import { DomainError } from "../../platform/errors/domain-error.ts";

/** Whose connection it is. */
export interface Owner {
  /** `wallet`, or a firm's id. */
  readonly tenant: string;
  readonly userId: string;
}

/** What names a connection: never the id alone, so that another owner's id finds nothing. */
export interface ConnectionKey {
  readonly owner: Owner;
  readonly connectionId: string;
}

/** Shown states. `EXPIRED` needs its user, `REVOKED` is over, `ERROR` is retried by itself. */
export type ConnectionState = "ACTIVE" | "EXPIRED" | "REVOKED" | "ERROR";

/** The same in the words of connectors' APIs: `syncing` is ACTIVE while a run over its data is under way. */
export type ConnectionStatus = "connected" | "syncing" | "error" | "expired" | "revoked";

/** Why a connection is not ACTIVE. */
export type StateReason =
  | ""
  /** The bank refused the refresh token, or gave none and the access token ended. */
  | "consent_ended"
  /** The consent came without a wallet credential. */
  | "credential_missing"
  /** The bank refused the wallet credential. */
  | "credential_revoked"
  | "credential_expired"
  | "access_token_missing"
  | "provider_unavailable"
  | "disconnected"
  /** The user ended the consent at the provider. */
  | "revoked_at_provider";

/** What its owner set for a connection; what is absent has the service's default. */
export interface ConnectionSettings {
  /** Older transactions are removed. */
  readonly retentionDays?: number | undefined;
}

/** A connection as the domain sees it; secrets are elsewhere. */
export interface Connection extends ConnectionKey {
  readonly connector: string;
  /** The bank's id in the Registry. */
  readonly institutionId: string;
  readonly issuer: string;
  /** What people call the institution; empty for connections made before it was kept. */
  readonly institutionName: string;
  readonly ownerReference: string;
  /** How the provider's webhooks name it; empty when they cannot. */
  readonly providerReference: string;
  readonly state: ConnectionState;
  readonly stateReason: StateReason;
  /** Grows with every consent. */
  readonly generation: number;
  /** Grows with every stored access token. */
  readonly tokenVersion: bigint;
  readonly hasAccessToken: boolean;
  readonly hasRefreshToken: boolean;
  readonly hasCredential: boolean;
  readonly accessTokenExpiresAt: Date | undefined;
  readonly credentialExpiresAt: Date | undefined;
  /** When the consent itself ends; undefined when the provider does not say. */
  readonly consentExpiresAt: Date | undefined;
  readonly lastSyncAt: Date | undefined;
  readonly settings: ConnectionSettings;
  readonly refreshEpoch: bigint;
  readonly refreshHolder: string | undefined;
  readonly refreshOutcome: string | undefined;
  readonly refreshFailures: number;
  /** When the first consent was stored. */
  readonly connectedAt: Date;
  /** When the present one was. */
  readonly consentedAt: Date;
  readonly updatedAt: Date;
}

/** A connection with its status as of when it was read. */
export interface ShownConnection extends Connection {
  readonly status: ConnectionStatus;
}

/** What a connection can be used for: `accounts` with the access token, `cards` with the wallet credential. */
export type Capability = "accounts" | "cards";

/*
 * One half of a connection may be dead while the other works: a revoked wallet credential does not end open banking, and an
 * access token that was never stored does not end payments. A consent that ended, ends both.
 */
const usableBy: Readonly<Record<StateReason, readonly Capability[]>> = {
  "": ["accounts", "cards"],
  provider_unavailable: ["accounts", "cards"],
  access_token_missing: ["cards"],
  credential_missing: ["accounts"],
  credential_revoked: ["accounts"],
  credential_expired: ["accounts"],
  consent_ended: [],
  disconnected: [],
  revoked_at_provider: [],
};

/** Whether the state of a connection lets it be used so. Says nothing of expiry times. */
export function isUsableFor(connection: Pick<Connection, "stateReason">, capability: Capability): boolean {
  return usableBy[connection.stateReason].includes(capability);
}

/**
 * Checks that accounts may be read. Throws `CONNECTION_NOT_FOUND` once disconnected, `MISSING_ACCESS_TOKEN`, and
 * `BSIM_TOKEN_EXPIRED` when the consent has ended.
 */
export function assertAccountsReadable(connection: Connection): void {
  assertNotDisconnected(connection);
  if (!connection.hasAccessToken) throw new DomainError("MISSING_ACCESS_TOKEN");
  if (!isUsableFor(connection, "accounts")) throw new DomainError("BSIM_TOKEN_EXPIRED");
}

/**
 * Checks that cards may be used at this time. Throws `CONNECTION_NOT_FOUND` once disconnected and
 * `REAUTHORIZATION_REQUIRED` when there is no credential, or it has ended.
 */
export function assertCardsUsable(connection: Connection, now: Date): void {
  assertNotDisconnected(connection);
  if (!connection.hasCredential || !isUsableFor(connection, "cards") || isCredentialExpired(connection, now)) {
    throw new DomainError("REAUTHORIZATION_REQUIRED");
  }
}

/** Whether the wallet credential has reached its end; a credential without a known end has not. */
export function isCredentialExpired(connection: Pick<Connection, "credentialExpiresAt">, now: Date): boolean {
  const end = connection.credentialExpiresAt;
  return end !== undefined && end.getTime() <= now.getTime();
}

/** A disconnected connection answers like one that does not exist. */
export function assertNotDisconnected(connection: Pick<Connection, "state">): void {
  if (connection.state === "REVOKED") throw new DomainError("CONNECTION_NOT_FOUND");
}
