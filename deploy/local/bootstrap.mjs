// Runs on whatever Node the machine has (20 or newer): installs the dependencies when they are missing or differ from
// package-lock.json, then hands over to the pinned Node that comes with them.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const stampFile = path.join(root, "node_modules", ".paymesh-lock");
const node = path.join(root, "node_modules", ".bin", "node");
const oldestMajor = 20;

function fail(text) {
  process.stderr.write(`${text}\n`);
  process.exit(1);
}

function lockHash() {
  return createHash("sha256")
    .update(readFileSync(path.join(root, "package-lock.json")))
    .digest("hex");
}

function isInstalled() {
  return existsSync(node) && existsSync(stampFile) && readFileSync(stampFile, "utf8") === lockHash();
}

/** Resolves to the exit code, 128 + n for signal n as a shell has it. Signals go on to the child, which ends by itself. */
function run(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: "inherit", cwd: process.cwd(), env: childEnvironment() });
    const forward = (signal) => child.kill(signal);
    // Ctrl-C reaches the child through the terminal already; this process only waits.
    process.on("SIGINT", () => undefined);
    process.on("SIGTERM", forward);
    process.on("SIGHUP", forward);
    child.once("error", (error) => fail(`cannot run ${command}: ${error.message}`));
    child.once("exit", (code, signal) => resolve(code ?? (signal === "SIGINT" ? 130 : 143)));
  });
}

function childEnvironment() {
  const bin = path.join(root, "node_modules", ".bin");
  const cache = process.env.NODE_COMPILE_CACHE ?? path.join(root, ".local", "compile-cache");
  return { ...process.env, PATH: `${bin}${path.delimiter}${process.env.PATH ?? ""}`, NODE_COMPILE_CACHE: cache };
}

const [script, ...args] = process.argv.slice(2);
if (script === undefined) fail("usage: node deploy/local/bootstrap.mjs <script> [arguments]");
if (Number(process.versions.node.split(".")[0]) < oldestMajor) {
  fail(`Node ${process.versions.node} is too old: Node ${oldestMajor} or newer is needed`);
}
if (!isInstalled()) {
  process.stdout.write("Installing dependencies, once for each change of package-lock.json; this takes a minute\n");
  // Not `npm ci`: it gives up where a registry does not carry the optional packages of other platforms. `--no-save` installs
  // the locked versions all the same and leaves package-lock.json as it is.
  const code = await run("npm", [
    "install",
    "--no-save",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
    "--prefix",
    root,
  ]);
  if (code !== 0) fail("npm install failed: see above. The network may be away, or npm older than 9.");
  writeFileSync(stampFile, lockHash());
}
process.exit(await run(node, [path.resolve(root, script), ...args]));
