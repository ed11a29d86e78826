import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { EmbeddedPostgresError } from "./embedded-postgres-error.ts";

const run = promisify(execFile);
const accountName = "postgres";

/** The system user PostgreSQL runs as; undefined where it runs as whoever started this process. */
export interface ServerAccount {
  readonly uid: number;
  readonly gid: number;
}

/**
 * PostgreSQL refuses to run as root, so root hands it to the user `postgres`, which is created where it is missing.
 * Anyone else runs it as themselves.
 * @throws EmbeddedPostgresError when the user is missing and cannot be created.
 */
export async function serverAccount(): Promise<ServerAccount | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const existing = await findAccount();
  if (existing) return existing;
  const attempts: readonly (readonly [string, readonly string[]])[] = [
    ["useradd", ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", accountName]],
    ["adduser", ["-S", "-D", "-H", "-s", "/sbin/nologin", accountName]],
  ];
  for (const [command, parameters] of attempts) {
    // The next command is tried where one is missing or fails; the outcome is read from the account list.
    await run(command, [...parameters]).catch(() => undefined);
    const created = await findAccount();
    if (created) return created;
  }
  throw new EmbeddedPostgresError(
    "PostgreSQL does not run as root and no user could be created for it: run `useradd --system postgres`, or start as another user",
  );
}

async function findAccount(): Promise<ServerAccount | undefined> {
  const accounts = await readFile("/etc/passwd", "utf8");
  const fields = accounts
    .split("\n")
    .map((line) => line.split(":"))
    .find(([name]) => name === accountName);
  if (!fields) return undefined;
  return { uid: Number(fields[2]), gid: Number(fields[3]) };
}
