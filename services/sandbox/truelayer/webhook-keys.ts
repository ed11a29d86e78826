import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { uuidv7 } from "../../platform/ids/uuidv7.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { SealedBox } from "../../platform/vault/sealed-box.ts";
import type { StoredWebhookKey, WebhookKeyStore } from "./storage/webhook-key-store.ts";

/** The keys webhooks are signed with. */
export interface WebhookKeys {
  /** The key that signs now. Throws when the stored one was sealed under another control key. */
  current(): Promise<{ kid: string; privateKey: KeyObject }>;
  /** Public halves, retired ones as well, as served at `/.well-known/jwks`. */
  published(): Promise<{ keys: readonly object[] }>;
  /** A new key signs from now on. */
  rotate(): Promise<string>;
}

/** Opens the keys of this installation, making the first. Private halves lie sealed. */
export async function openWebhookKeys(deps: {
  readonly store: WebhookKeyStore;
  readonly box: SealedBox;
  readonly clock: Clock;
}): Promise<WebhookKeys> {
  const { store, box, clock } = deps;
  const current = async () => {
    const key = (await store.list()).find((each) => each.retiredAt === null);
    if (key === undefined) throw new Error("no webhook key is current");
    const pem = box.open(key.sealedPrivateKey, associatedData(key.kid)).toString("utf8");
    return { kid: key.kid, privateKey: createPrivateKey(pem) };
  };
  const stored = await store.list();
  if (!stored.some((key) => key.retiredAt === null)) await store.addFirst(makeKey(box), clock.now());
  await current();
  return {
    current,
    async published() {
      const keys = await store.list();
      return {
        keys: keys.map(({ kid, publicKey: { x, y } }) => ({
          kty: "EC",
          crv: "P-521",
          alg: "ES512",
          use: "sig",
          kid,
          x,
          y,
        })),
      };
    },
    async rotate() {
      const key = makeKey(box);
      await store.replace(key, clock.now());
      return key.kid;
    },
  };
}

function makeKey(box: SealedBox): StoredWebhookKey {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "secp521r1" });
  const { x = "", y = "" } = publicKey.export({ format: "jwk" });
  const kid = uuidv7();
  const pem = privateKey.export({ format: "pem", type: "pkcs8" });
  return { kid, publicKey: { x, y }, sealedPrivateKey: box.seal(pem, associatedData(kid)), retiredAt: null };
}

function associatedData(kid: string): string {
  return `truelayer_webhook_keys/${kid}`;
}
