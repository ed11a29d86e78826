/** Thrown when a master key is missing, or not the one this installation's secrets are sealed with. Names no key. */
export class MasterKeyError extends Error {
  override readonly name = "MasterKeyError";
}
