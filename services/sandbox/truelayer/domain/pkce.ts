import { createHash } from "node:crypto";
import { textsEqual } from "../../../platform/secrets/keyed-hash.ts";

/** What the auth link promised; both null when it promised nothing. */
export interface CodeChallenge {
  readonly challenge: string | null;
  readonly method: string | null;
}

/** Whether the verifier keeps the promise (RFC 7636, 4.6). One sent without a promise is refused as well. */
export function verifierKeeps(promise: CodeChallenge, verifier: string | undefined): boolean {
  if (promise.challenge === null) return verifier === undefined;
  if (verifier === undefined || !/^[A-Za-z0-9._~-]{43,128}$/.test(verifier)) return false;
  const given = promise.method === "plain" ? verifier : createHash("sha256").update(verifier).digest("base64url");
  return textsEqual(given, promise.challenge);
}
