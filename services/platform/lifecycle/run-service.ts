import { ConfigError } from "../config/config-error.ts";
import type { Environment } from "../config/read-config.ts";
import { createLogger, type Logger } from "../telemetry/logger.ts";
import { type Clock, systemClock } from "../time/clock.ts";
import { SealedRecordError } from "../vault/sealed-box.ts";

/** What a composition root is given. */
export interface ServiceScope {
  readonly env: Environment;
  readonly log: Logger;
  readonly clock: Clock;
  /** Registers what ends a part. Parts end in reverse order, each within `stopTimeoutMs`. */
  onStop(label: string, stop: () => Promise<void>): void;
}

/** How long one part may take to finish what is in flight. */
const stopTimeoutMs = 10_000;

/**
 * Runs a service until SIGTERM or SIGINT. `start` builds it; a configuration problem ends the process with exit code 2 and
 * the problems on standard error, any other failure to start with 1. On a signal the parts stop in reverse order, so
 * servers stop accepting before what they use goes away; a second signal ends at once.
 */
export async function runService(
  name: string,
  start: (scope: ServiceScope) => Promise<void>,
  env: Environment = process.env,
): Promise<void> {
  const log = createLogger({ service: name, level: env["LOG_LEVEL"] ?? "info" });
  const parts: { label: string; stop: () => Promise<void> }[] = [];
  const stopAll = async (): Promise<boolean> => {
    let clean = true;
    for (const part of parts.splice(0).reverse()) clean = (await stopPart(part, log)) && clean;
    return clean;
  };
  listenForSignals(log, stopAll);
  try {
    await start({ env, log, clock: systemClock, onStop: (label, stop) => parts.push({ label, stop }) });
    log.info("ready");
  } catch (cause) {
    const reason = reasonForPeople(cause);
    if (reason !== undefined) process.stderr.write(`${name} cannot start:\n${reason}\n`);
    else log.fatal({ err: cause }, "cannot start");
    await stopAll();
    process.exit(cause instanceof ConfigError ? 2 : 1);
  }
}

/** What to do about a failure to start, where it is known; other failures are logged with where they came from. */
function reasonForPeople(cause: unknown): string | undefined {
  if (cause instanceof ConfigError) return cause.message;
  if (!(cause instanceof SealedRecordError)) return undefined;
  return `${cause.message}. The database holds records of other encryption keys than this service was given: give it those keys, or another database`;
}

function listenForSignals(log: Logger, stopAll: () => Promise<boolean>): void {
  let stopping = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (stopping) process.exit(130);
    stopping = true;
    log.info({ signal }, "stopping");
    void stopAll().then((clean) => process.exit(clean ? 0 : 1));
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  process.on("unhandledRejection", (cause) => {
    log.fatal({ err: cause }, "unhandled rejection");
    process.exit(1);
  });
}

async function stopPart(part: { label: string; stop: () => Promise<void> }, log: Logger): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<"late">((resolve) => {
    timer = setTimeout(() => resolve("late"), stopTimeoutMs);
  });
  try {
    if ((await Promise.race([part.stop(), late])) !== "late") return true;
    log.error({ label: part.label }, "part did not stop in time");
  } catch (cause) {
    log.error({ label: part.label, err: cause }, "part failed to stop");
  } finally {
    clearTimeout(timer);
  }
  return false;
}
