import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { z } from "zod";
import { exportEntries } from "../storage/audit-export.ts";
import { verifyAudit } from "../storage/audit-verify.ts";
import { headKeys, type SignedHeads } from "../storage/head-signature.ts";
import { signedHeadsAfter, signMovedHeads } from "../storage/signed-head-store.ts";
import { type CommandParts, UsageError, wholeNumberOf } from "./command.ts";

const usage = `npm run audit -- verify [--heads <file>]
npm run audit -- export [--tenant <tenant>] [--from <time>] [--to <time>]
npm run audit -- heads [--after <number>]`;

/** Checks the audit, exports its entries and its signed heads. Resolves to the exit code: 1 when a check found something. */
export async function auditCommand(parts: CommandParts): Promise<number> {
  const [action, ...rest] = parts.args;
  switch (action) {
    case "verify":
      return await verify(parts, parse(rest, ["heads"]).heads);
    case "export":
      return await exportAll(parts, parse(rest, ["tenant", "from", "to"]));
    case "heads":
      return await exportHeads(parts, parse(rest, ["after"]).after);
    default:
      throw new UsageError(usage);
  }
}

function parse(args: readonly string[], names: readonly string[]): Readonly<Record<string, string | undefined>> {
  const options = Object.fromEntries(names.map((name) => [name, { type: "string" } as const]));
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch {
    throw new UsageError(usage);
  }
}

async function verify({ storage, print }: CommandParts, file: string | undefined): Promise<number> {
  const { entries, problems, isCutShort } = await verifyAudit(storage, file === undefined ? [] : readHeads(file));
  for (const { kind, tenant, chain, where } of problems) print(`${kind}: ${tenant}, chain ${chain}, ${where}`);
  const rest = isCutShort ? "; the check ended there, and there may be more" : "";
  print(`${entries} entries checked, ${problems.length} problems${rest}`);
  return problems.length === 0 ? 0 : 1;
}

async function exportAll(
  { storage, print }: CommandParts,
  values: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  const range = { tenant: values["tenant"], from: timeOf(values["from"]), to: timeOf(values["to"]) };
  for await (const entry of exportEntries(storage.db, range)) print(JSON.stringify(entry));
  return 0;
}

function timeOf(text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  const time = new Date(text);
  if (Number.isNaN(time.getTime()))
    throw new UsageError(`${text.slice(0, 40)} is not a time such as 2026-01-31T00:00:00Z`);
  return time;
}

/** Signs what has moved, then writes the records after a number, one a line, the public key before them. */
async function exportHeads({ storage, print }: CommandParts, after: string | undefined): Promise<number> {
  const number = after === undefined ? 0 : wholeNumberOf(after, { min: 0, max: 999_999_999 });
  await signMovedHeads(storage, new Date());
  const { publicKey } = headKeys(storage.auditHeadsKey);
  print(JSON.stringify({ publicKey: publicKey.export({ format: "jwk" }) }));
  for await (const record of signedHeadsAfter(storage.db.query, BigInt(number))) print(formatRecord(record));
  return 0;
}

function formatRecord(record: SignedHeads): string {
  return JSON.stringify({
    number: record.number.toString(),
    signedAt: record.signedAt.toISOString(),
    heads: record.heads,
    previousHash: Buffer.from(record.previousHash).toString("hex"),
    signature: Buffer.from(record.signature).toString("base64"),
  });
}

const recordShape = z.object({
  number: z
    .string()
    .regex(/^\d{1,18}$/)
    .transform(BigInt),
  signedAt: z.iso.datetime().transform((text) => new Date(text)),
  heads: z.string(),
  previousHash: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .transform((text) => Buffer.from(text, "hex")),
  signature: z.base64().transform((text) => Buffer.from(text, "base64")),
});

async function* readHeads(file: string): AsyncGenerator<SignedHeads> {
  for await (const line of createInterface({ input: createReadStream(file) })) {
    // The public key, and what npm writes before a script's own lines: `> paymesh@… audit`.
    if (line.trim() === "" || line.startsWith('{"publicKey"') || line.startsWith("> ")) continue;
    const record = recordShape.safeParse(jsonOf(line));
    if (!record.success) throw new UsageError(`${file} holds a line that npm run audit -- heads did not write`);
    yield record.data;
  }
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
