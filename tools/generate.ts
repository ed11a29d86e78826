import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

// Renders everything under gen/ from the contract: `npm run generate` writes, `--check` compares and lists what is stale.

const root = fileURLToPath(new URL("..", import.meta.url));
const buf = path.join(root, "node_modules", ".bin", "buf");

function runBuf(args: readonly string[]): void {
  execFileSync(buf, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
}

/** Everything is made aside first: a failure leaves gen/ whole, and a check writes nothing. */
async function generateInto(directory: string): Promise<void> {
  runBuf(["lint"]);
  runBuf(["generate", "--output", directory]);
  const gen = path.join(directory, "gen");
  for (const folder of ["descriptors", "openapi", "envoy"]) mkdirSync(path.join(gen, folder), { recursive: true });
  const descriptorFile = path.join(gen, "descriptors", "paymesh.binpb");
  const documentedFile = path.join(directory, "documented.binpb");
  runBuf(["build", "proto", "--as-file-descriptor-set", "--exclude-source-info", "--output", descriptorFile]);
  runBuf(["build", "proto", "--as-file-descriptor-set", "--output", documentedFile]);
  // Loaded late: the renderer reads the policy options through code generated just before on a fresh checkout.
  installMissingCode(path.join(gen, "es"));
  const { renderArtifacts } = await import("./render-artifacts.ts");
  renderArtifacts({ documented: readFileSync(documentedFile), plain: readFileSync(descriptorFile), directory: gen });
}

function installMissingCode(made: string): void {
  const target = path.join(root, "gen", "es");
  if (!existsSync(target)) cpSync(made, target, { recursive: true });
}

function filesBelow(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true, encoding: "utf8" })
    .filter((name) => statSync(path.join(directory, name)).isFile())
    .sort();
}

function staleFiles(made: string, committed: string): { changed: string[]; surplus: string[] } {
  const wanted = filesBelow(made);
  const changed = wanted.filter((name) => {
    const existing = path.join(committed, name);
    return !existsSync(existing) || !readFileSync(existing).equals(readFileSync(path.join(made, name)));
  });
  return { changed, surplus: filesBelow(committed).filter((name) => !wanted.includes(name)) };
}

async function main(): Promise<void> {
  const directory = mkdtempSync(path.join(tmpdir(), "paymesh-generate-"));
  try {
    await generateInto(directory);
    const made = path.join(directory, "gen");
    const committed = path.join(root, "gen");
    const { changed, surplus } = staleFiles(made, committed);
    if (process.argv.includes("--check")) {
      for (const name of [...changed, ...surplus]) process.stderr.write(`stale: gen/${name}\n`);
      if (changed.length + surplus.length > 0) {
        process.stderr.write("Run npm run generate and commit the result.\n");
        process.exitCode = 1;
      }
      return;
    }
    for (const name of changed) cpSync(path.join(made, name), path.join(committed, name), { recursive: true });
    for (const name of surplus) rmSync(path.join(committed, name));
    process.stdout.write(`gen/: ${changed.length} written, ${surplus.length} removed\n`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

await main();
