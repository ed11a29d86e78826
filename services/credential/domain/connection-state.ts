import type { ConnectionState, StateReason } from "./connection.ts";

/** What happens to a connection. */
export type ConnectionEvent =
  /** A consent was stored, the first or a later one. */
  | { readonly kind: "consented"; readonly hasCredential: boolean; readonly hasAccessToken: boolean }
  | { readonly kind: "refreshed"; readonly credential: CredentialAfterRefresh }
  | { readonly kind: "refresh_refused" }
  /** The bank could not be asked, and the access token has ended. */
  | { readonly kind: "provider_unavailable" }
  /** The provider says that only its user can bring it back. */
  | { readonly kind: "reauthorize" }
  /** It works again, without the user having come to us. */
  | { readonly kind: "healed" }
  /** The consent was ended at the provider. */
  | { readonly kind: "revoked_at_provider" }
  | { readonly kind: "credential_refused" }
  | { readonly kind: "credential_ended" }
  | { readonly kind: "disconnected" };

/** What a refresh leaves of the wallet credential: a new one, the old one, one past its end, or none. */
export type CredentialAfterRefresh = "renewed" | "kept" | "ended" | "missing";

/** A state with the reason that belongs to it. */
export interface Standing {
  readonly state: ConnectionState;
  readonly reason: StateReason;
}

const active: Standing = Object.freeze({ state: "ACTIVE", reason: "" });

/**
 * The state after an event. `REVOKED` is final: whatever arrives late changes nothing. An outage never expires a
 * connection, and what only the user can repair is not covered up by a later outage.
 */
export function nextStanding(current: Standing, event: ConnectionEvent): Standing {
  if (current.state === "REVOKED") return current;
  switch (event.kind) {
    case "consented":
      if (!event.hasAccessToken) return expired("access_token_missing");
      return event.hasCredential ? active : expired("credential_missing");
    case "refreshed":
      return afterRefresh(current, event.credential);
    case "refresh_refused":
    case "reauthorize":
      return expired("consent_ended");
    case "healed":
      return current.reason === "consent_ended" ? active : current;
    case "revoked_at_provider":
      return { state: "REVOKED", reason: "revoked_at_provider" };
    case "provider_unavailable":
      return current.state === "EXPIRED" ? current : { state: "ERROR", reason: "provider_unavailable" };
    case "credential_refused":
      return current.reason === "consent_ended" ? current : expired("credential_revoked");
    case "credential_ended":
      return current.state === "EXPIRED" ? current : expired("credential_expired");
    case "disconnected":
      return { state: "REVOKED", reason: "disconnected" };
    default: {
      const impossible: never = event;
      throw new Error(`unreachable event ${String(impossible)}`);
    }
  }
}

function afterRefresh(current: Standing, credential: CredentialAfterRefresh): Standing {
  if (credential === "renewed") return active;
  // Fresh tokens do not bring a dead credential back; the user still has to come.
  if (current.state === "EXPIRED" && current.reason.startsWith("credential_")) return current;
  if (credential === "kept") return active;
  return expired(credential === "ended" ? "credential_expired" : "credential_missing");
}

function expired(reason: StateReason): Standing {
  return { state: "EXPIRED", reason };
}
