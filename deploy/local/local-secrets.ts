import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";

/** Secrets of one local world, made once and kept in one file only its owner may read. */
export interface LocalSecrets {
  /** The secret of this name, 64 hex characters; made and stored when there is none yet. */
  of(name: string): string;
}

/** Opens the file, which need not exist. Throws an Error naming the file when it is not what this module wrote. */
export function openLocalSecrets(file: string): LocalSecrets {
  const known = existsSync(file) ? parse(file) : {};
  return {
    of(name) {
      const existing = known[name];
      if (existing !== undefined) return existing;
      const made = randomBytes(32).toString("hex");
      known[name] = made;
      mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
      // Whole or not at all: a secret used for sealing must never be half written.
      const partial = `${file}.partial`;
      writeFileSync(partial, `${JSON.stringify(known, null, 2)}\n`, { mode: 0o600 });
      renameSync(partial, file);
      return made;
    },
  };
}

function parse(file: string): Record<string, string> {
  const parsed: unknown = JSON.parse(readFileSync(file, "utf8"));
  const isWhole =
    typeof parsed === "object" && parsed !== null && Object.values(parsed).every((value) => typeof value === "string");
  if (!isWhole) throw new Error(`${file} is damaged: start with --reset`);
  return { ...parsed } as Record<string, string>; // every value checked above
}
