import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  type KeyPairKeyObjectResult,
} from "node:crypto";
import { uuidv7 } from "../../platform/ids/uuidv7.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { SealedBox } from "../../platform/vault/sealed-box.ts";
import type { NewWebhookKey, StoredWebhookKey, WebhookKeyStore } from "./storage/webhook-key-store.ts";

/** Kinds of the providers' keys: P-256, P-521, and RSA of 2048 bits. */
export type KeyKind = "prime256v1" | "secp521r1" | "rsa2048";

/** A key that webhooks are or were signed with, without its private half. */
export type PublishedKey = Omit<StoredWebhookKey, "sealedPrivateKey">;

/** The keys webhooks are signed with. */
export interface WebhookKeys {
  /** The key that signs now. Throws when the stored one was sealed under another data key. */
  current(): Promise<{ kid: string; publicKey: JsonWebKey; privateKey: KeyObject }>;
  /** Public halves, the current one first, retired ones as well. */
  published(): Promise<readonly PublishedKey[]>;
  /** A new key signs from now on; its id. */
  rotate(): Promise<string>;
}

/**
 * Opens the keys of this installation, making the first. Private halves lie sealed, bound to their id. A `given` one signs from now on,
 * whichever did before.
 */
export async function openWebhookKeys(deps: {
  readonly store: WebhookKeyStore;
  readonly box: SealedBox;
  readonly clock: Clock;
  readonly kind: KeyKind;
  readonly given?: KeyObject | undefined;
}): Promise<WebhookKeys> {
  const { store, box } = deps;
  const make = (privateKey = keyPair(deps.kind).privateKey): NewWebhookKey => {
    const publicKey = createPublicKey(privateKey);
    const kid = uuidv7();
    const pem = privateKey.export({ format: "pem", type: "pkcs8" });
    return {
      kid,
      publicKey: publicKey.export({ format: "jwk" }),
      sealedPrivateKey: box.seal(pem, associatedData(kid)),
      createdAt: deps.clock.now(),
    };
  };
  const keys: WebhookKeys = {
    async current() {
      const key = (await store.list()).find((each) => each.retiredAt === null);
      if (key === undefined) throw new Error("no webhook key is current");
      const pem = box.open(key.sealedPrivateKey, associatedData(key.kid)).toString("utf8");
      return { kid: key.kid, publicKey: key.publicKey, privateKey: createPrivateKey(pem) };
    },
    async published() {
      return (await store.list()).map(({ sealedPrivateKey: _sealed, ...key }) => key);
    },
    async rotate() {
      const key = make();
      await store.replace(key);
      return key.kid;
    },
  };
  const stored = await store.list();
  if (!stored.some((key) => key.retiredAt === null)) await store.addFirst(make(deps.given));
  const { privateKey } = await keys.current();
  if (deps.given !== undefined && !privateKey.equals(deps.given)) await store.replace(make(deps.given));
  return keys;
}

/** Some other private key of the same kind, for a signature that must be refused. */
export function foreignKey(kind: KeyKind): KeyObject {
  return keyPair(kind).privateKey;
}

function keyPair(kind: KeyKind): KeyPairKeyObjectResult {
  return kind === "rsa2048"
    ? generateKeyPairSync("rsa", { modulusLength: 2048 })
    : generateKeyPairSync("ec", { namedCurve: kind });
}

function associatedData(kid: string): string {
  return `sandbox_webhook_keys/${kid}`;
}
