import { ConfigError } from "../../platform/config/config-error.ts";
import { openDatabase } from "../../platform/db/open-database.ts";
import { createLogger } from "../../platform/telemetry/logger.ts";
import { MasterKeyError } from "../../platform/vault/master-key-error.ts";
import { MasterKeyListError } from "../../platform/vault/parse-master-keys.ts";
import { KeyCommandError } from "../flows/rotate-master-key.ts";
import { masterKeysOf } from "../master-keys.ts";
import { openStorage } from "../storage/open-storage.ts";
import type { Tables } from "../storage/tables.ts";
import { auditCommand } from "./audit.ts";
import { type CommandParts, UsageError } from "./command.ts";
import { readCommandConfig } from "./command-config.ts";
import { keysCommand } from "./keys.ts";

// `node services/credential/commands/main.ts keys|audit …`: the operators' commands, beside the running service.

const commands: Readonly<Record<string, (parts: CommandParts) => Promise<number>>> = {
  keys: keysCommand,
  audit: auditCommand,
};
// A batch, or a page of the audit, may take longer than a request's statement.
const statementTimeoutMs = 60_000;
/** What a shell shows for a process that SIGPIPE ended. */
const brokenPipeExitCode = 141;

/** These tell an operator what to do by their message alone. */
const plainErrors = [ConfigError, KeyCommandError, MasterKeyError, MasterKeyListError, UsageError];

async function run(name: string | undefined, args: readonly string[]): Promise<number> {
  const command = commands[name ?? ""];
  if (command === undefined) throw new UsageError("node services/credential/commands/main.ts keys|audit …");
  const config = readCommandConfig(process.env);
  // Standard output is the command's own; what the service would log goes to standard error.
  const log = createLogger({ service: "credential", level: "warn", destination: process.stderr });
  const db = openDatabase<Tables>({
    url: config.DATABASE_URL,
    schema: config.DATABASE_SCHEMA,
    applicationName: `paymesh-credential-${name}`,
    poolSizeMax: 6,
    statementTimeoutMs,
    log,
  });
  try {
    const source = masterKeysOf(config);
    const storage = await openStorage({ db, masterKeys: source, log });
    const print = (line: string): boolean => process.stdout.write(`${line}\n`);
    return await command({ storage, source, args, print });
  } finally {
    await db.close();
  }
}

const [name, ...args] = process.argv.slice(2);
// Whoever reads may have had enough, as in `npm run audit -- export | head`. There is nobody left to write to then, so the audit ends as
// by SIGPIPE; a rotation of keys goes on.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  if (name === "audit") process.exit(brokenPipeExitCode);
});
try {
  process.exitCode = await run(name, args);
} catch (error) {
  process.stderr.write(`${describe(error)}\n`);
  process.exitCode = error instanceof UsageError || error instanceof ConfigError ? 2 : 1;
}

function describe(error: unknown): string {
  if (error instanceof Error && plainErrors.some((kind) => error instanceof kind)) return error.message;
  if (error instanceof Error && "code" in error && error.code === "ECONNREFUSED") {
    return "nothing answers at the database's address: is paymesh running?";
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
