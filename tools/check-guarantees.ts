import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const reference = /`([\w./-]+\.test\.ts)`(?:\s*[:›]\s*"([^"]+)")?/g;

/**
 * `docs/guarantees.md` names, for each promise, the test that shows it: a path in backticks, and the test's name in quotes
 * after a colon. Returns what does not exist.
 */
export function checkGuarantees(root: string): string[] {
  const text = readFileSync(join(root, "docs/guarantees.md"), "utf8");
  const problems: string[] = [];
  let count = 0;
  for (const [, file = "", name] of text.matchAll(reference)) {
    count += 1;
    const path = join(root, file);
    if (!existsSync(path)) problems.push(`docs/guarantees.md names ${file}, which does not exist`);
    else if (name !== undefined && !readFileSync(path, "utf8").includes(name)) {
      problems.push(`docs/guarantees.md names the test "${name}", which is not in ${file}`);
    }
  }
  if (count === 0) problems.push("docs/guarantees.md names no test");
  return problems;
}
