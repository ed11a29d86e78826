import { verifyAudit } from "../storage/audit-verify.ts";
import { type CommandParts, UsageError } from "./command.ts";

const usage = "npm run audit -- verify";

/** Checks the audit. Resolves to the exit code: 1 when something was found. */
export async function auditCommand({ storage, args, print }: CommandParts): Promise<number> {
  if (args.length !== 1 || args[0] !== "verify") throw new UsageError(usage);
  const { entries, problems } = await verifyAudit(storage);
  for (const { kind, tenant, chain, where } of problems) print(`${kind}: ${tenant}, chain ${chain}, ${where}`);
  print(`${entries} entries checked, ${problems.length} problems`);
  return problems.length === 0 ? 0 : 1;
}
