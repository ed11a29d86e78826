import { uuidv7 } from "../../platform/ids/uuidv7.ts";
import { hashesEqual, keyedHash } from "../../platform/secrets/keyed-hash.ts";
import type { Clock } from "../../platform/time/clock.ts";
import {
  credentialScopes,
  decideCredential,
  type WalletCredential,
  walletEnrollScope,
} from "../domain/wallet-credential.ts";
import type { Consent, ConsentStore } from "../storage/consent-store.ts";
import type { WalletCredentialStore } from "../storage/wallet-credential-store.ts";
import type { CredentialSigner } from "./credential-signer.ts";

const dayMs = 86_400_000;
/** Own write, the read of what another request wrote, and one more after a change of the signing key. */
const attemptsMax = 4;

/** What the issuer needs. */
export interface CredentialIssuerDeps {
  readonly consents: ConsentStore;
  readonly credentials: WalletCredentialStore;
  readonly signer: CredentialSigner;
  readonly pepper: Uint8Array;
  readonly lifeDays: number;
  readonly clock: Clock;
}

/** Gives a grant its wallet credential: the same text until under 30 days remain, then a new one; undefined once revoked. */
export type IssueCredential = (grantId: string, holder: CredentialHolder) => Promise<string | undefined>;

/** Whom the credential speaks of and who holds it. */
export interface CredentialHolder {
  readonly fiUserRef: string;
  readonly walletName: string;
}

/** Makes the issuer. Safe to run for one grant several times at once: all get the same credential. */
export function createCredentialIssuer(deps: CredentialIssuerDeps): IssueCredential {
  return async (grantId, holder) => {
    const consent = await deps.consents.ofGrant(grantId, deps.clock.now());
    if (consent === undefined || !consent.scopes.includes(walletEnrollScope)) return undefined;
    for (let attempt = 1; attempt <= attemptsMax; attempt += 1) {
      const newest = await deps.credentials.newestOfGrant(grantId);
      const decision = decideCredential(newest, deps.clock.now());
      if (decision.kind === "none") return undefined;
      if (decision.kind === "next") {
        await addGeneration(deps, consent, holder, decision.generation);
        continue;
      }
      const text = await deps.signer.sign(decision.credential);
      if (hashesEqual(credentialHash(deps.pepper, text), decision.credential.credentialHash)) return text;
      // Signed under a key that is no longer ours: the text is lost, so the wallet gets a new credential.
      await addGeneration(deps, consent, holder, decision.credential.generation + 1);
    }
    throw new Error("the wallet credential changed under every attempt to issue it");
  };
}

async function addGeneration(
  deps: CredentialIssuerDeps,
  consent: Consent,
  holder: CredentialHolder,
  generation: number,
): Promise<void> {
  // Whole seconds, as in the signed text, so that the row gives the same text again.
  const issuedAt = new Date(Math.floor(deps.clock.now().getTime() / 1000) * 1000);
  const unsigned: WalletCredential = {
    id: uuidv7(issuedAt.getTime()),
    grantId: consent.grantId,
    generation,
    customerId: consent.customerId,
    fiUserRef: holder.fiUserRef,
    walletId: consent.clientId,
    walletName: holder.walletName,
    scopes: credentialScopes,
    cardIds: consent.cardIds,
    credentialHash: Buffer.alloc(0),
    issuedAt,
    expiresAt: new Date(issuedAt.getTime() + deps.lifeDays * dayMs),
    lastUsedAt: undefined,
    revokedAt: undefined,
  };
  const text = await deps.signer.sign(unsigned);
  await deps.credentials.add({ ...unsigned, credentialHash: credentialHash(deps.pepper, text) });
}

/** How a wallet credential is kept: its keyed hash. */
export function credentialHash(pepper: Uint8Array, text: string): Buffer {
  return keyedHash(pepper, `wallet-credential\n${text}`);
}
