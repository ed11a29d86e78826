import { Logger } from "graphile-worker";
import type { Logger as ServiceLogger } from "pino";

/**
 * The queue's own messages as log lines of the service: warnings and errors alone, without payloads. Silent without a log.
 */
export function queueLogger(log: Pick<ServiceLogger, "warn" | "error"> | undefined): Logger {
  return new Logger((scope) => (level, message) => {
    if (!log || (level !== "error" && level !== "warning")) return;
    const facts = { task: scope.taskIdentifier, jobId: scope.jobId };
    if (level === "error") log.error(facts, message);
    else log.warn(facts, message);
  });
}
