import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";

const namePattern = /^\d{4}_[a-z0-9_]+\.sql$/;

/** One migration as it lies on disk. */
export interface MigrationFile {
  /** `0001_create_banks.sql` */
  readonly name: string;
  readonly sql: string;
  /** SHA-256 of the text, hex. */
  readonly checksum: string;
}

/** A set of migrations that cannot be applied as it is; the message says what to do. */
export class MigrationError extends Error {
  override readonly name = "MigrationError";
}

/**
 * Reads every migration of a directory in order. Line ends do not count in the checksum, since a checkout may change them.
 * @throws MigrationError for a file that is not `NNNN_name.sql` or a number used twice.
 */
export async function readMigrationFiles(directory: URL): Promise<MigrationFile[]> {
  const folder = directory.href.endsWith("/") ? directory : new URL(`${directory.href}/`);
  const names = (await readdir(folder)).sort();
  const numbers = new Set<string>();
  const files: MigrationFile[] = [];
  for (const name of names) {
    if (!namePattern.test(name)) throw new MigrationError(`${name} in ${folder.pathname} is not named NNNN_name.sql`);
    const number = name.slice(0, 4);
    if (numbers.has(number)) throw new MigrationError(`migration number ${number} is used twice in ${folder.pathname}`);
    numbers.add(number);
    const sql = (await readFile(new URL(name, folder), "utf8")).replaceAll("\r\n", "\n");
    files.push({ name, sql, checksum: createHash("sha256").update(sql).digest("hex") });
  }
  return files;
}
