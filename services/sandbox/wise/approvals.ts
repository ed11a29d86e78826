import { createPublicKey, verify } from "node:crypto";
import type { Moment } from "../kit/sandbox-clock.ts";
import type { Person } from "./domain/people.ts";
import type { Settings } from "./domain/settings.ts";
import type { ApprovalStore } from "./storage/approval-store.ts";
import type { GrantStore, WiseGrant } from "./storage/grant-store.ts";

/** The header of the one-time token, both ways. */
export const approvalHeader = "x-2fa-approval";
/** The header of its signature. */
export const signatureHeader = "x-signature";

/** What a call brought of a strong authentication. */
export interface ApprovalProof {
  readonly token: string | undefined;
  /** Base64 of RSA-SHA256 (PKCS#1 v1.5) over the token. */
  readonly signature: string | undefined;
}

/** Whether a statement may be shown. */
export type ApprovalResult =
  | { readonly kind: "not_needed" | "approved" }
  /** Sign this one-time token, and call again. */
  | { readonly kind: "rejected"; readonly token: string };

/** Strong authentications by the application's key. */
export interface Approvals {
  check(
    whose: { grant: WiseGrant; person: Person },
    proof: ApprovalProof,
    moment: Moment<Settings>,
  ): Promise<ApprovalResult>;
  /** The registered key; none with null. Throws for a text that is no RSA public key in PEM. */
  register(publicKey: string | null): Promise<void>;
}

/** Makes them. */
export function createApprovals(deps: { readonly approvals: ApprovalStore; readonly grants: GrantStore }): Approvals {
  const { approvals, grants } = deps;
  return {
    async check({ grant, person }, proof, { settings, now }) {
      if (!isNeeded(grant, person, { settings, now })) return { kind: "not_needed" };
      const after = (seconds: number) => new Date(now.getTime() + seconds * 1_000);
      if (await isProved(approvals, grant, proof, now)) {
        await grants.authenticate(grant.grantId, after(settings.authenticatedSeconds));
        return { kind: "approved" };
      }
      return { kind: "rejected", token: await approvals.ask(grant.grantId, after(settings.approvalSeconds)) };
    },
    async register(publicKey) {
      if (publicKey !== null) readRsaKey(publicKey);
      await approvals.saveKey(publicKey);
    },
  };
}

function isNeeded(grant: WiseGrant, person: Person, { settings, now }: Moment<Settings>): boolean {
  const until = grant.authenticatedUntil;
  if (settings.strongAuthentication === "never" || (until !== null && until > now)) return false;
  return settings.strongAuthentication === "always" || person.isRegulated;
}

async function isProved(approvals: ApprovalStore, grant: WiseGrant, proof: ApprovalProof, now: Date): Promise<boolean> {
  const { token, signature } = proof;
  const key = await approvals.key();
  if (token === undefined || signature === undefined || key === undefined) return false;
  if (!/^[0-9a-f-]{36}$/.test(token)) return false;
  if (!verify("sha256", Buffer.from(token), readRsaKey(key), Buffer.from(signature, "base64"))) return false;
  return await approvals.use(token, grant.grantId, now);
}

function readRsaKey(pem: string) {
  const key = createPublicKey(pem);
  if (key.asymmetricKeyType !== "rsa") throw new RangeError("the key is not RSA");
  return key;
}
