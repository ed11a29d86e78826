import { type DestinationStream, type Logger as PinoLogger, pino } from "pino";
import { describeError } from "./describe-error.ts";
import { loggableFields } from "./log-fields.ts";

/** A structured logger: `log.info({ bankId }, "bank registered")`. Only fields of `loggableFields` are written. */
export type Logger = PinoLogger;

export interface LoggerOptions {
  readonly service: string;
  /** `fatal` to `trace`, or `silent`; `info` when absent. */
  readonly level?: string;
  /** Standard output when absent. */
  readonly destination?: DestinationStream;
}

/** Makes the logger of a process: JSON lines with time, level, service and request id, by allow-list. */
export function createLogger(options: LoggerOptions): Logger {
  const settings = {
    level: options.level ?? "info",
    base: { service: options.service },
    // Errors are described by the allow-list formatter below; pino's own serializer would add their raw fields back.
    serializers: { err: (described: unknown) => described },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: {
      level: (label: string) => ({ level: label }),
      log: onlyLoggable,
      bindings: onlyLoggable,
    },
  };
  const logger = options.destination === undefined ? pino(settings) : pino(settings, options.destination);
  // pino forgets the bindings formatter for children, and children of children inherit this method.
  const child = logger.child;
  logger.child = function (this: Logger, bindings: Record<string, unknown>) {
    return child.call(this, onlyLoggable(bindings));
  } as typeof logger.child; // children take no options here: nobody may loosen the formatters
  return logger;
}

function onlyLoggable(fields: Record<string, unknown>): Record<string, unknown> {
  const kept: Record<string, unknown> = {};
  const hidden: string[] = [];
  for (const [name, value] of Object.entries(fields)) {
    if (!loggableFields.has(name)) hidden.push(name);
    else kept[name] = name === "err" ? describeError(value) : plain(value);
  }
  if (hidden.length > 0) kept["hidden"] = hidden;
  return kept;
}

/** Facts are short texts, numbers, booleans, dates and short lists of them; anything deeper is left out. */
function plain(value: unknown): unknown {
  if (typeof value === "string") return value.slice(0, 300);
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.slice(0, 50).map(plain);
  return typeof value === "object" && value !== null ? "[object]" : value;
}
