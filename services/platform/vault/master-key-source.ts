/** A service outside this process that keeps a key and never gives it away, such as a cloud's KMS. */
export interface KeyWrapper {
  /** Makes 32 random bytes and their wrapped form, which only this service opens again, for the same context alone. */
  generate(context: Readonly<Record<string, string>>): Promise<{ readonly key: Buffer; readonly wrapped: Buffer }>;
  /** Opens a wrapped form. Throws `MasterKeyError` when the service refuses it; other errors when it cannot be asked. */
  unwrap(wrapped: Uint8Array, context: Readonly<Record<string, string>>): Promise<Buffer>;
}

/** What a master key comes from: a secret it is derived from, or a key kept outside under which it is stored wrapped. */
export type MasterKeyEntry =
  | { readonly kind: "secret"; readonly secret: string }
  | { readonly kind: "kept"; readonly wrapper: KeyWrapper };

/** Where master keys come from, by version. */
export interface MasterKeySource {
  /** What is configured now; asked again while the service runs, so that a source that can change is heard. */
  read(): Promise<ReadonlyMap<number, MasterKeyEntry>>;
  /** Adds a version with a fresh random secret, for good when it resolves; absent where the source cannot be written. */
  readonly add?: (version: number) => Promise<void>;
}
