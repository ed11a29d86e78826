import { randomUUID } from "node:crypto";
import { keyedHash } from "../../platform/secrets/keyed-hash.ts";
import type { SealedBox } from "../../platform/vault/sealed-box.ts";
import { plaidError } from "./domain/plaid-error.ts";

/** What a token is for; the first word of its text. */
export type TokenKind = "link" | "public" | "access";

/** A token as it is given out once, and as it is kept. */
export interface IssuedToken {
  readonly text: string;
  readonly hash: Buffer;
}

/** Makes tokens and recognises them. Tokens are kept as keyed hashes; those to be told again also sealed. */
export interface Tokens {
  issue(kind: TokenKind): IssuedToken;
  /** The hash of a given token. Throws Plaid's error for a text that is no token of this kind. */
  hash(kind: TokenKind, text: string): Buffer;
  seal(text: string, owner: string): Buffer;
  open(sealed: Buffer, owner: string): string;
}

const unreadable = {
  link: "INVALID_LINK_TOKEN",
  public: "INVALID_PUBLIC_TOKEN",
  access: "INVALID_ACCESS_TOKEN",
} as const;

/** Tokens under one key and one box. */
export function createTokens(key: Uint8Array, box: SealedBox): Tokens {
  return {
    issue(kind) {
      const text = `${kind}-sandbox-${randomUUID()}`;
      return { text, hash: keyedHash(key, text) };
    },
    hash(kind, text) {
      if (!new RegExp(`^${kind}-sandbox-[0-9a-f-]{36}$`).test(text)) {
        throw plaidError(
          unreadable[kind],
          `provided ${kind} token is in an invalid format. expected format: ${kind}-<environment>-<identifier>`,
        );
      }
      return keyedHash(key, text);
    },
    seal: (text, owner) => box.seal(text, owner),
    open: (sealed, owner) => box.open(sealed, owner).toString("utf8"),
  };
}
