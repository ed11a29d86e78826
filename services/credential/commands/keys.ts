import { parseArgs } from "node:util";
import { retireVersion, rotateMasterKey } from "../flows/rotate-master-key.ts";
import { type MasterKeyStanding, standingsOfMasterKeys } from "../storage/master-key-store.ts";
import { type CommandParts, UsageError, wholeNumberOf } from "./command.ts";

const usage = `npm run keys -- status
npm run keys -- rotate [--to <version>] [--batch <keys>] [--pause-ms <ms>] [--wait-seconds <s>]
npm run keys -- retire <version>`;

/** Rotates master keys, shows how they stand, and retires them. Resolves to the exit code. */
export async function keysCommand(parts: CommandParts): Promise<number> {
  const [action, ...rest] = parts.args;
  switch (action) {
    case "status":
      if (rest.length > 0) throw new UsageError(usage);
      return await status(parts);
    case "rotate":
      return await rotate(parts, rest);
    case "retire":
      return await retire(parts, rest);
    default:
      throw new UsageError(usage);
  }
}

async function status({ storage, print }: CommandParts): Promise<number> {
  for (const standing of await standingsOfMasterKeys(storage.db.query)) print(describe(standing, storage.keyring));
  return 0;
}

function describe(standing: MasterKeyStanding, keyring: { has(version: number): boolean }): string {
  const state = standing.isRetired ? "retired" : standing.isCurrent ? "current" : "readable";
  const facts = [
    `version ${standing.version}: ${state}`,
    `${standing.dataKeys} data keys`,
    `${standing.installationKeys} keys of the installation`,
    `${standing.wrapsMax} wraps at most`,
  ];
  if (standing.isKept) facts.push("kept in a KMS");
  if (!standing.isRetired && !keyring.has(standing.version)) facts.push("NOT CONFIGURED HERE");
  return facts.join(", ");
}

async function rotate({ storage, source, print }: CommandParts, args: readonly string[]): Promise<number> {
  const { values } = parse(args);
  const number = (text: string | undefined, otherwise: number, max: number) =>
    text === undefined ? otherwise : wholeNumberOf(text, { min: 0, max });
  await rotateMasterKey(
    { storage, source },
    {
      to: values.to === undefined ? undefined : wholeNumberOf(values.to, { min: 1, max: 1_000_000 }),
      batchSize: Math.max(1, number(values.batch, 500, 5_000)),
      pauseMs: number(values["pause-ms"], 0, 60_000),
      replicasWaitMs: number(values["wait-seconds"], 120, 3_600) * 1_000,
      report: print,
    },
  );
  return 0;
}

function parse(args: readonly string[]) {
  try {
    const text = { type: "string" } as const;
    return parseArgs({ args: [...args], options: { to: text, batch: text, "pause-ms": text, "wait-seconds": text } });
  } catch {
    throw new UsageError(usage);
  }
}

async function retire({ storage, print }: CommandParts, args: readonly string[]): Promise<number> {
  const [text, ...rest] = args;
  if (text === undefined || rest.length > 0) throw new UsageError(usage);
  const version = wholeNumberOf(text, { min: 1, max: 1_000_000 });
  await retireVersion(storage, version);
  print(`version ${version} is retired; keep its secret as long as a backup from before is kept`);
  return 0;
}
