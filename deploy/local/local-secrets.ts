import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";

/** The file of secrets cannot be used; the message is one line for a person and holds none. */
export class LocalSecretsError extends Error {}

/** Whose keys these are. Told to the database too, so that data and keys of different installations are never joined. */
export interface Installation {
  /** 16 hex characters, random, no secret. */
  readonly id: string;
  /**
   * The folder of its embedded cluster: `postgres-<id>`, or `postgres` for one that was made before installations had
   * ids. Data of the latter bear no id, so it takes what bears none for its own.
   */
  readonly dataFolder: string;
}

/** Secrets of one local world, made once and kept in one file only its owner may read. */
export interface LocalSecrets {
  /** Made together with the file. */
  readonly installation: Installation;
  /** The secret of this name, 64 hex characters; made and stored when there is none yet. */
  of(name: string): string;
}

/** The folder of a world that was made before installations had ids. */
export const namelessDataFolder = "postgres";
const idName = "installation.id";
const folderName = "installation.data-folder";
const idPattern = /^[0-9a-f]{16}$/;

/** Opens the file, which is made when it is missing. Throws LocalSecretsError when it is not what this module wrote. */
export function openLocalSecrets(file: string): LocalSecrets {
  const isNew = !existsSync(file);
  const known = isNew ? {} : parse(file);
  const keep = (made: Record<string, string>): void => {
    Object.assign(known, made);
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    // Whole or not at all: a secret used for sealing must never be half written.
    const partial = `${file}.partial`;
    writeFileSync(partial, `${JSON.stringify(known, null, 2)}\n`, { mode: 0o600 });
    renameSync(partial, file);
  };
  let installation = installationIn(known);
  if (installation === undefined) {
    const id = randomBytes(8).toString("hex");
    installation = { id, dataFolder: isNew ? `${namelessDataFolder}-${id}` : namelessDataFolder };
    keep({ [idName]: installation.id, [folderName]: installation.dataFolder });
  }
  return {
    installation,
    of(name) {
      const existing = known[name];
      if (existing !== undefined) return existing;
      const made = randomBytes(32).toString("hex");
      keep({ [name]: made });
      return made;
    },
  };
}

/**
 * The folder of the cluster that belongs to the secrets in this file; undefined where there are no secrets, or none that
 * can be read. Makes nothing.
 */
export function findDataFolder(file: string): string | undefined {
  if (!existsSync(file)) return undefined;
  try {
    return installationIn(parse(file))?.dataFolder ?? namelessDataFolder;
  } catch {
    return undefined; // damaged: what it said is not known
  }
}

function installationIn(known: Readonly<Record<string, string>>): Installation | undefined {
  const { [idName]: id, [folderName]: dataFolder } = known;
  return id === undefined || dataFolder === undefined ? undefined : { id, dataFolder };
}

function parse(file: string): Record<string, string> {
  const damaged = new LocalSecretsError(`${file} is damaged: start with --reset`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    throw damaged;
  }
  if (typeof parsed !== "object" || parsed === null) throw damaged;
  if (!Object.values(parsed).every((value) => typeof value === "string")) throw damaged;
  const known = { ...parsed } as Record<string, string>; // every value checked above
  // The folder's name becomes part of a path that a reset removes.
  const { [idName]: id, [folderName]: folder } = known;
  const isNamed =
    id !== undefined &&
    idPattern.test(id) &&
    (folder === namelessDataFolder || folder === `${namelessDataFolder}-${id}`);
  if (!isNamed && (id !== undefined || folder !== undefined)) throw damaged;
  return known;
}
