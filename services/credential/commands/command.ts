import type { MasterKeySource } from "../../platform/vault/master-key-source.ts";
import type { Storage } from "../storage/storage.ts";

/** What an operator's command works with. */
export interface CommandParts {
  readonly storage: Storage;
  readonly source: MasterKeySource;
  /** Words after the command's name. */
  readonly args: readonly string[];
  /** Writes a line to standard output. */
  readonly print: (line: string) => void;
}

/** Thrown for words a command does not understand; the message is its usage. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** A whole number an operator gave, within bounds. Throws `UsageError`. */
export function wholeNumberOf(text: string, bounds: { readonly min: number; readonly max: number }): number {
  const value = Number(text);
  if (!/^\d{1,9}$/.test(text) || value < bounds.min || value > bounds.max) {
    throw new UsageError(`${text.slice(0, 20)} is not a whole number of ${bounds.min} to ${bounds.max}`);
  }
  return value;
}
