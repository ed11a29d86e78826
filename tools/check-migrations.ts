import { globSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { MigrationError, readMigrationFiles } from "../services/platform/db/migration-files.ts";

/** Folders of migrations that could not be applied, such as those where two branches took the same number. */
export async function checkMigrations(root: string): Promise<string[]> {
  const problems: string[] = [];
  for (const folder of globSync("services/**/migrations", { cwd: root })) {
    try {
      await readMigrationFiles(pathToFileURL(join(root, folder)));
    } catch (error) {
      if (!(error instanceof MigrationError)) throw error;
      problems.push(error.message);
    }
  }
  return problems;
}
